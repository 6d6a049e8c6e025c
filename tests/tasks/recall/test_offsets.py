"""Offsets against letters looked up by hand, their floors against all sequences."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks import Offsets
from attn_jax.tasks.recall.offsets import floors
from attn_jax.testing.check_task import check_task


@pytest.mark.exhaustive
@pytest.mark.parametrize("look_ups", [1, 2, 4])
def test_contract(look_ups):
    check_task(Offsets.of_sixteen(look_ups), num_samples=128, floor_samples=5120)


@pytest.mark.parametrize("length", [1, 4, 7])
def test_letters_are_looked_up_where_all_of_them_exist(length):
    config = Offsets((2, 3, 5), num_letters=3)
    inputs, targets, weights, scored, valid = map(np.asarray, sample(config, jax.random.key(0), 32, length, 7))
    for row, said in zip(inputs.tolist(), targets.tolist(), strict=True):
        wanted = [row[t - 2] + 3 * row[t - 3] + 9 * row[t - 5] for t in range(5, 5 + length)]
        assert said == [0] * 5 + wanted + [0] * (7 - length)
        assert not any(row[5 + length :])
    place = np.arange(12)
    assert (valid == (place < 5 + length)).all()
    assert (scored == valid & (place >= 5)).all()
    assert (weights == scored).all()


def test_classes_are_uniform():
    targets = np.asarray(sample(Offsets(), jax.random.key(0), 4000, 16, 16).targets)[:, -1]
    assert (abs(np.bincount(targets, minlength=16) - 250) < 5 * math.sqrt(250)).all()


def test_the_three_of_sixteen_classes_differ_in_look_ups_alone():
    tasks = [Offsets.of_sixteen(look_ups).make() for look_ups in (1, 2, 4)]
    assert [task.spec.io.num_classes for task in tasks] == [16] * 3
    assert [task.spec.io.vocab_size for task in tasks] == [16, 4, 2]
    assert [task.spec.num_tokens(16) for task in tasks] == [24] * 3
    assert [task.floors(16)[task.spec.chance].value for task in tasks] == [1 / 16] * 3


@pytest.mark.parametrize(("offsets", "num_letters"), [((1,), 3), ((1, 3), 3), ((1, 2, 4), 2)])
def test_floors_by_enumerating_every_row(offsets, num_letters):
    """Of two answers each: a predictor's share of right ones, by words and not by classes."""
    config, length = Offsets(offsets, num_letters), 2
    right, asked = Counter(), 0
    for row in itertools.product(range(num_letters), repeat=config.reach + length):
        for t in range(config.reach, len(row)):
            letters, counts = {row[t - o] for o in offsets}, Counter(row[: t + 1])
            ties = [letter for letter in counts if counts[letter] == max(counts.values())]
            right["most_frequent_letter"] += letters in [{letter} for letter in ties] and 1 / len(ties)
            asked += 1
    found = floors(config, length)
    assert found["most_frequent_letter"].value == pytest.approx(right["most_frequent_letter"] / asked, rel=1e-9)
    for j in range(1, len(offsets)):
        missing = num_letters ** (len(offsets) - j)
        assert found[f"look_ups_{j}"][:2] == pytest.approx((1 / missing, math.log(missing)))
    assert list(found) == ["uniform", "most_frequent_letter", *(f"look_ups_{j}" for j in range(1, len(offsets)))]


def test_who_knows_some_letters_says_the_others_are_all_alike():
    inputs, valid = np.array([[1, 0, 0, 1, 1]]), np.ones((1, 5), bool)
    assert solve(Offsets((1, 3)), inputs, valid).tolist() == [[0, 0, 0, 2, 1]]
    said = floors(Offsets((1, 3)), 2)["look_ups_1"].predict(inputs, valid)
    assert said[0, 3:].tolist() == [[0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5]]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_letters is 1, wanted at least 2"):
        Offsets(num_letters=1)
    for offsets in ((), (0, 1), (3, 1), (2, 2)):
        with pytest.raises(ValueError, match="wanted ascending ones, each at least 1"):
            Offsets(offsets)
    with pytest.raises(ValueError, match="is 65536, wanted at most 4096 classes"):
        Offsets((1, 2, 3, 4), num_letters=16)
    with pytest.raises(ValueError, match="look_ups is 3, wanted one of 1, 2, 4"):
        Offsets.of_sixteen(3)
