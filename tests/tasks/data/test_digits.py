"""Digits against scikit-learn's own arrays."""

import sys
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample
from sklearn.datasets import load_digits

from attn_jax.tasks import Digits
from attn_jax.tasks.data.digits import _load, floors
from attn_jax.testing.check_task import check_task

PERMUTED = Digits(order="permuted")
ROWS = Digits(order="rows")


def rows_of(config, split, batch_size=4096):
    batch = sample(config, jax.random.key(0), batch_size, 64, 64, split=split)
    return np.asarray(batch.inputs)[..., 0] * 16, np.asarray(batch.targets)


@pytest.mark.parametrize("order", ["sequential", "permuted"])
@pytest.mark.exhaustive
def test_contract(order):
    check_task(Digits(order=order), floor_samples=10_000)


def test_rows_keep_the_contract():
    check_task(ROWS, floor_samples=10_000)


def test_rows_are_the_same_images_eight_pixels_a_place():
    rows = sample(ROWS, jax.random.key(0), 64, 8, 8, split="test")
    pixels, targets = rows_of(Digits(), "test", 64)
    assert (np.asarray(rows.inputs).reshape(64, 64) * 16 == pixels).all()
    assert (np.asarray(rows.targets)[:, -1] == targets[:, -1]).all()
    assert (np.asarray(rows.scored) == (np.arange(8) == 7)).all()
    assert ROWS.make().spec.lengths(1, 64) == (8,)
    assert floors(ROWS, 8)["majority"].value == floors(Digits(), 64)["majority"].value


def test_every_image_lies_in_one_split_with_its_label():
    images, labels = load_digits(return_X_y=True)
    label_of = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert len(label_of) == 1797
    seen = {}
    for split, size, batch_size in (("train", 1077, 16_384), ("validation", 360, 8192), ("test", 360, 8192)):
        pixels, targets = rows_of(Digits(), split, batch_size)
        assert not targets[:, :-1].any()
        assert all(label_of[row.astype(float).tobytes()] == y for row, y in zip(pixels, targets[:, -1], strict=True))
        seen[split] = {row.astype(float).tobytes() for row in pixels}
        assert len(seen[split]) == size
    assert len(set.union(*seen.values())) == 1797


def test_permuted_is_one_fixed_order_of_the_same_images():
    pixels, targets = rows_of(Digits(), "test")
    permuted, permuted_targets = rows_of(PERMUTED, "test")
    assert (targets == permuted_targets).all()
    assert (np.sort(pixels) == np.sort(permuted)).all()
    assert (pixels != permuted).any()
    columns = [Counter(column.tobytes() for column in values.T) for values in (pixels, permuted)]
    assert columns[0] == columns[1]


def test_the_answer_is_asked_at_the_last_pixel():
    batch = sample(Digits(), jax.random.key(0), 3, 64, 64)
    last = np.arange(64) == 63
    assert (np.asarray(batch.scored) == last).all()
    assert (np.asarray(batch.weights) == last).all()
    assert np.asarray(batch.valid).all()
    assert 0 <= np.asarray(batch.inputs).min() < np.asarray(batch.inputs).max() == 1


def test_majority_is_found_in_train_and_counted_in_test():
    labels = load_digits().target[np.random.RandomState(0).permutation(1797)]
    commonest = Counter(labels[:1077].tolist()).most_common(1)[0][0]
    share = sum(label == commonest for label in labels[1437:]) / 360
    found = floors(Digits(), 64)
    assert found["majority"].value == pytest.approx(share)
    assert found["majority"].predict(np.zeros((1, 64, 1)), np.ones((1, 64), bool))[0, 5].argmax() == commonest
    assert found["uniform"].value == 0.1


def test_images_enter_a_program_once():
    def thrice(key):
        return [Digits().make().sample(k, 2, 64, 64) for k in jax.random.split(key, 3)]

    shapes = [np.shape(constant) for constant in jax.make_jaxpr(thrice)(jax.random.key(0)).consts]
    assert shapes.count((1797, 64)) == 1
    assert jax.jit(thrice).lower(jax.random.key(0)).as_text().count(": tensor<1797x64xui8>\n") == 1


def test_images_are_read_once_a_process():
    assert _load("sequential")[0] is _load("sequential")[0]


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    _load.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "attn_jax\[digits\]"'):
        Digits().make().sample(jax.random.key(0), 2, 64, 64)
    assert Digits().make().spec.io.num_classes == 10


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="order is 'spiral', wanted one of 'sequential', 'permuted', 'rows'"):
        Digits(order="spiral")
    with pytest.raises(ValueError, match="max_length: got 64, wanted 8, the only one"):
        sample(ROWS, jax.random.key(0), 2, 64, 64)
    with pytest.raises(ValueError, match="max_length: got 32, wanted 64, the only one"):
        sample(Digits(), jax.random.key(0), 2, 32, 32)
