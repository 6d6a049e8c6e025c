"""Copy memory against a sequence written out by hand."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import as_strings, sample, solve

from attn_jax.tasks import CopyMemory
from attn_jax.tasks.recall.copy_memory import floors
from attn_jax.testing.check_task import check_task


@pytest.mark.exhaustive
def test_contract():
    check_task(CopyMemory())


@pytest.mark.exhaustive
def test_contract_other_sizes():
    check_task(CopyMemory(num_letters=2, num_copied=1), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_sequences_are_written_out(length):
    batch = sample(CopyMemory(), jax.random.key(1), 64, length, 7)
    inputs, targets, weights, scored, valid = (np.asarray(a) for a in batch)
    padding = [0] * (7 - length)
    for row in range(64):
        letters = inputs[row, :10].tolist()
        assert max(letters) < 8
        assert inputs[row].tolist() == letters + [8] * (length - 1) + [9] + [8] * 10 + padding
        assert targets[row].tolist() == [8] * (10 + length) + letters + padding
    assert (valid == (np.arange(27) < length + 20)).all()
    assert (weights == valid).all()
    assert (scored == valid & (np.arange(27) >= length + 10)).all()


def test_letters_are_uniform_and_independent():
    letters = np.asarray(sample(CopyMemory(), jax.random.key(0), 8000, 1, 1).inputs)[:, :10]
    for column in range(10):
        counts = np.bincount(letters[:, column], minlength=8)
        assert (abs(counts - 1000) < 5 * math.sqrt(1000)).all()
    joint = np.bincount(letters[:, 0] * 8 + letters[:, 9], minlength=64)
    assert (abs(joint - 125) < 5 * math.sqrt(125)).all()


def test_memoryless_loss_is_the_published_plateau():
    for length, published in ((50, 0.2971), (100, 0.1733), (200, 0.0945)):
        floor = floors(CopyMemory(), length)["memoryless"]
        assert floor.loss == pytest.approx(10 * math.log(8) / (length + 20))
        assert floor.loss == pytest.approx(published, abs=5e-5)
        assert floor.value == 1 / 8


def test_memoryless_predictor_waits_for_the_signal():
    inputs = np.array([[3, 8, 9, 8, 0]])
    valid = np.array([[True, True, True, True, False]])
    probabilities = floors(CopyMemory(num_copied=1), 2)["memoryless"].predict(inputs, valid)
    assert probabilities[0, :3, 8].tolist() == [1, 1, 1]
    assert probabilities[0, 3].tolist() == [1 / 8] * 8 + [0]


@pytest.mark.parametrize(("num_letters", "num_copied"), [(2, 1), (3, 4), (4, 5)])
def test_most_frequent_letter_by_enumerating_every_string(num_letters, num_copied):
    most = sum(max(Counter(letters).values()) for letters in itertools.product(range(num_letters), repeat=num_copied))
    floor = floors(CopyMemory(num_letters, num_copied), 5)["most_frequent_letter"]
    assert floor.value == pytest.approx(most / num_copied / num_letters**num_copied, rel=1e-12)
    assert floor.loss is None


def test_the_stronger_floor_leaves_the_published_scale():
    # The results in configs/copy_memory.py are normalised by 1 / 8.
    assert CopyMemory().make().spec.chance == "memoryless"
    assert floors(CopyMemory(), 30)["most_frequent_letter"].value == pytest.approx(0.302, abs=5e-4)


def test_most_frequent_letter_counts_what_was_read():
    inputs = np.array([[3, 5, 3, 8, 9, 8, 8, 8, 0]])
    valid = np.array([[True] * 8 + [False]])
    probabilities = floors(CopyMemory(num_copied=3), 2)["most_frequent_letter"].predict(inputs, valid)
    assert probabilities[0, :5, 8].tolist() == [1] * 5
    assert probabilities[0, 5:8].tolist() == [np.eye(9)[3].tolist()] * 3


@pytest.mark.parametrize("length", [1, 3, 6])
@pytest.mark.parametrize("split", ["train", "test"])
def test_strings_are_read_up_to_the_signal(length, split):
    config, key = CopyMemory(num_letters=5, num_copied=4), jax.random.key(2)
    found = jax.device_get(as_strings(config, key, 16, length, 6, split=split))
    inputs = np.asarray(sample(config, jax.random.clone(key), 16, length, 6, split=split).inputs)
    for row in range(16):
        letters = inputs[row, :4].tolist()
        assert found.source[row].tolist() == [*letters, *[5] * (length - 1), 6, *[0] * (6 - length)]
        assert found.target[row].tolist() == [*letters, 8]
        assert found.target_in[row].tolist() == [7, *letters]
    assert (found.source_valid == (np.arange(10) < 4 + length)).all()
    assert found.target_valid.all()


@pytest.mark.parametrize(
    ("split", "first"),
    [
        ("train", [[7, 1, 7, 1, 2, 0, 1, 5, 5, 4], [5, 1, 7, 3, 5, 5, 3, 6, 2, 5]]),
        ("test", [[3, 6, 7, 3, 4, 2, 1, 2, 7, 3], [2, 1, 4, 1, 4, 0, 0, 1, 2, 4]]),
    ],
)
def test_batches_are_those_of_the_published_results(split, first):
    inputs = sample(CopyMemory(), jax.random.key(0), 2, 30, 30, split=split).inputs
    assert np.asarray(inputs)[:, :10].tolist() == first


def test_solve_of_a_prefix_says_as_much_as_was_read():
    inputs = np.array([[5, 6, 8, 9, 8]])
    assert solve(CopyMemory(8, 2), inputs, np.ones((1, 5), bool)).tolist() == [[8, 8, 8, 8, 5]]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_letters is 1, wanted at least 2"):
        CopyMemory(num_letters=1)
    with pytest.raises(ValueError, match="num_copied is 0, wanted at least 1"):
        CopyMemory(num_copied=0)
    with pytest.raises(ValueError, match="max_length: got 0, wanted at least 1"):
        sample(CopyMemory(), jax.random.key(0), 2, 0, 0)
