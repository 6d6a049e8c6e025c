"""Selective copying against a list without its blanks."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.recall.selective_copy import SelectiveCopy, floors
from attn_jax.testing.check_task import check_task


@pytest.mark.exhaustive
def test_contract():
    check_task(SelectiveCopy(), num_samples=128, floor_samples=2560)


@pytest.mark.exhaustive
def test_contract_other_sizes():
    check_task(SelectiveCopy(num_copied=3, num_symbols=2), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [6, 9, 12])
def test_data_are_said_without_blanks(length):
    batch = sample(SelectiveCopy(), jax.random.key(0), 64, length, 12)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * (12 - length)
    for row in range(64):
        context = inputs[row, :length].tolist()
        data = [token for token in context if token]
        assert len(data) == 6
        assert max(data) <= 14
        assert inputs[row].tolist() == [*context, *[15] * 6, *padding]
        assert targets[row].tolist() == [*[0] * length, *data, *padding]
    place = np.arange(18)
    assert (scored == ((place >= length) & (place < length + 6))).all()
    assert (weights == scored).all()
    assert (valid == (place < length + 6)).all()


def test_places_and_data_are_uniform():
    config = SelectiveCopy(num_copied=2, num_symbols=3)
    inputs, targets, *_ = map(np.asarray, sample(config, jax.random.key(0), 30_000, 5, 6))
    chosen = Counter(tuple(np.flatnonzero(row)) for row in inputs[:, :5])
    assert set(chosen) == set(itertools.combinations(range(5), 2))
    assert all(abs(count - 3000) < 5 * math.sqrt(3000) for count in chosen.values())
    joint = Counter(map(tuple, targets[:, 5:7].tolist()))
    assert len(joint) == 9
    assert all(abs(count - 30_000 / 9) < 5 * math.sqrt(30_000 / 9) for count in joint.values())


def test_published_floor():
    found = floors(SelectiveCopy.published(), 4096)
    assert found["memoryless"][:2] == (1 / 14, math.log(14))
    assert found["uniform"].value == 1 / 16
    # The plateau without order lies above what is published for S4, 18.3 %.
    assert found["most_frequent_symbol"].value == pytest.approx(0.2036, abs=5e-5)


def test_floors_by_enumerating_the_data():
    most = within = 0.0
    for data in itertools.product(range(3), repeat=4):
        counts = Counter(data)
        most += max(counts.values()) / 4
        within += sum(counts[v] / 4 for v in data) / 4
    found = floors(SelectiveCopy(num_copied=4, num_symbols=3), 9)
    assert found["most_frequent_symbol"].value == pytest.approx(most / 81)
    assert found["value_in_context"].value == pytest.approx(within / 81)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_copied is 1, wanted at least 2"):
        SelectiveCopy(num_copied=1)
    with pytest.raises(ValueError, match="num_symbols is 0, wanted at least 2"):
        SelectiveCopy(num_symbols=0)
    with pytest.raises(ValueError, match="max_length: got 5, wanted at least 6"):
        sample(SelectiveCopy(), jax.random.key(0), 2, 5, 5)
    with pytest.raises(ValueError, match=r"train_lengths are \(32, 32\), wanted 40 <= .*: num_copied is 40"):
        SelectiveCopy(num_copied=40)
    with pytest.raises(ValueError, match=r"train_lengths are \(9, 8\), wanted 6 <= low <= high: num_copied is 6"):
        SelectiveCopy(train_lengths=(9, 8))
    assert SelectiveCopy(num_copied=40, train_lengths=(40, 41)).make().spec.train_lengths == (40, 41)
