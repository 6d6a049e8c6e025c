"""Copying strings against Python's strings, floors against all strings."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import as_strings, sample

from attn_jax.tasks.recall.string_copy import StringCopy, floors
from attn_jax.testing.check_task import check_task


@pytest.mark.parametrize("metric", ["accuracy", "exact_match"])
@pytest.mark.exhaustive
def test_contract(metric):
    check_task(StringCopy(metric=metric), num_samples=128, floor_samples=2048)


@pytest.mark.exhaustive
def test_contract_two_letters():
    check_task(StringCopy(num_letters=2, metric="exact_match"), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [2, 5, 7])
def test_strings_are_written_out(length):
    inputs, targets, weights, scored, valid = map(np.asarray, sample(StringCopy(), jax.random.key(0), 64, length, 7))
    padding = [0] * (2 * (7 - length))
    for row in range(64):
        string = inputs[row, 1 : length + 1].tolist()
        assert max(string) < 26
        assert inputs[row].tolist() == [28, *string, 27, *string, *padding]
        assert targets[row].tolist() == [*[0] * (length + 1), *string, 26, *padding]
    place = np.arange(16)
    assert (scored == ((place > length) & (place < 2 * length + 2))).all()
    assert (weights == scored).all()
    assert (valid == (place < 2 * length + 2)).all()


def test_strings_are_the_same_strings():
    key = jax.random.key(3)
    found = as_strings(StringCopy(), key, 16, 4, 6)
    strings = np.asarray(sample(StringCopy(), jax.random.clone(key), 16, 4, 6).inputs)[:, 1:5]
    assert (np.asarray(found.source)[:, :4] == strings).all()
    assert (np.asarray(found.source)[:, 4:] == [27, 0, 0]).all()
    assert (np.asarray(found.target)[:, :4] == strings).all()
    assert (np.asarray(found.target)[:, 4:] == [29, 0, 0]).all()
    assert (np.asarray(found.target_in)[:, 0] == 28).all()


def test_letters_are_uniform_and_independent():
    letters = np.asarray(sample(StringCopy(num_letters=3), jax.random.key(0), 9000, 4, 4).inputs)[:, 1:5]
    joint = np.bincount(letters[:, 0] * 3 + letters[:, 3], minlength=9)
    assert (abs(joint - 1000) < 5 * math.sqrt(1000)).all()


@pytest.mark.parametrize(("length", "num_letters"), [(2, 2), (4, 3), (5, 2)])
def test_floors_by_enumerating_every_string(length, num_letters):
    share = loss = commonest = whole = 0.0
    for string in itertools.product(range(num_letters), repeat=length):
        right = 1.0
        for i, letter in enumerate(string):
            counts = Counter(string[i:])
            largest = [v for v in counts if counts[v] == max(counts.values())]
            part = counts[letter] / (length - i)
            share, loss, right = share + part, loss - math.log(part), right * part
            commonest += (letter in largest) / len(largest)
        whole += right
    total = num_letters**length
    found = floors(StringCopy(num_letters=num_letters), length)
    scale = total * (length + 1)
    assert found["remaining_letters"][:2] == pytest.approx(((share + total) / scale, loss / scale))
    assert found["most_frequent_remaining"].value == pytest.approx((commonest + total) / scale)
    strings = floors(StringCopy(num_letters=num_letters, metric="exact_match"), length)
    assert strings["remaining_letters"].value == pytest.approx(whole / total)
    assert strings["position_and_length"].value == pytest.approx(1 / total)
    assert strings["uniform"].value == pytest.approx((num_letters + 1) ** -(length + 1))


def test_a_letter_costs_the_published_nats():
    found = floors(StringCopy(), 16)["position_and_length"]
    assert found.loss == pytest.approx(16 / 17 * math.log(26))
    assert found.value == pytest.approx((16 / 26 + 1) / 17)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_letters is 1, wanted at least 2"):
        StringCopy(num_letters=1)
    with pytest.raises(ValueError, match="metric is 'mse', wanted 'accuracy' or 'exact_match'"):
        StringCopy(metric="mse")
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        sample(StringCopy(), jax.random.key(0), 2, 1, 1)
