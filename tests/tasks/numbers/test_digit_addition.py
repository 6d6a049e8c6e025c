"""Digit addition against Python integers, its floor against all pairs of numbers."""

import itertools
from collections import defaultdict

import jax
import numpy as np
import pytest
from drawn import as_strings, sample

from attn_jax.tasks.numbers.digit_addition import DigitAddition, floors
from attn_jax.testing.check_task import check_task

HIGHEST = DigitAddition(order="highest_first")


def draw(config, length, max_length, batch_size=256):
    return [np.asarray(x) for x in sample(config, jax.random.key(0), batch_size, np.int32(length), max_length)]


def written(value, order):
    return str(value) if order == "highest_first" else str(value)[::-1]


def read(digits, order):
    text = "".join(map(str, digits))
    return int(text if order == "highest_first" else text[::-1])


@pytest.mark.parametrize("config", [DigitAddition(), HIGHEST, DigitAddition(base=2)])
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, num_samples=128, floor_samples=4096)


@pytest.mark.parametrize("order", ["lowest_first", "highest_first"])
@pytest.mark.parametrize(("length", "max_length"), [(3, 9), (7, 9), (9, 9), (400, 401)])
def test_the_sum_and_its_end_follow_the_question(order, length, max_length):
    inputs, targets, weights, scored, valid = draw(DigitAddition(order=order), length, max_length)
    for row in range(len(inputs)):
        question = inputs[row, :length].tolist()
        assert inputs[row].tolist() == question + [11] * length + [0] * 2 * (max_length - length)
        sign = question.index(10)
        a, b = question[:sign], question[sign + 1 :]
        for digits in (a, b):  # as many digits as places, so that none leads with 0
            assert len(str(read(digits, order))) == len(digits)
        answer = [*map(int, written(read(a, order) + read(b, order), order)), 10]
        assert targets[row].tolist() == [0] * length + answer + [0] * (2 * max_length - length - len(answer))
        assert np.flatnonzero(scored[row]).tolist() == list(range(length, length + len(answer)))
    assert (weights == scored).all()
    assert (valid == (np.arange(2 * max_length) < 2 * length)).all()


def test_other_bases_and_strings():
    config = DigitAddition(base=3, order="highest_first")
    drawn = as_strings(config, jax.random.key(0), 64, np.int32(8), 10)
    source, _, _, target, target_valid = map(np.asarray, drawn)
    for row in range(64):
        a, b = "".join(map(str, source[row, :8])).split("3")
        *answer, last = target[row][target_valid[row]].tolist()
        assert last == 5
        assert int(a, 3) + int(b, 3) == int("".join(map(str, answer)), 3)


def test_lengths_and_digits_are_uniform():
    inputs, *_ = draw(DigitAddition(), 5, 6, 30_000)
    signs = (inputs == 10).argmax(axis=1)
    assert set(signs) == {1, 2, 3}
    assert (abs(np.bincount(signs)[1:] - 10_000) < 5 * np.sqrt(20_000 / 3)).all()
    apart = inputs[signs == 1]  # one digit, then three of which the last leads
    for place, lowest in ((0, 0), (2, 0), (3, 0), (4, 1)):
        counts = np.bincount(apart[:, place], minlength=10)
        mean = len(apart) / (10 - lowest)
        assert not counts[:lowest].any()
        assert (abs(counts[lowest:] - mean) < 5 * np.sqrt(mean)).all()


def numbers(base, num_digits):
    return range(0 if num_digits == 1 else base ** (num_digits - 1), base**num_digits)


@pytest.mark.parametrize("order", ["lowest_first", "highest_first"])
@pytest.mark.parametrize(("base", "length"), [(10, 3), (10, 5), (2, 3), (2, 4), (2, 10), (3, 8)])
def test_floor_by_enumerating_every_question(order, base, length):
    places = [defaultdict(float) for _ in range(length)]
    for length_a in range(1, length - 1):
        every_a, every_b = numbers(base, length_a), numbers(base, length - 1 - length_a)
        for a, b in itertools.product(every_a, every_b):
            answer = np.base_repr(a + b, base)
            answer = [*(answer if order == "highest_first" else answer[::-1]), "end"]
            for place, letter in enumerate(answer):
                places[place][letter] += 1 / (len(every_a) * len(every_b))
    best = sum(max(counts.values(), default=0) for counts in places) / sum(sum(c.values()) for c in places)
    found = floors(DigitAddition(base, order), length)
    assert found["position_and_length"].value == pytest.approx(best, rel=1e-12)
    assert best < 1
    assert found["uniform"][:2] == (1 / (base + 1), np.log(base + 1))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="DigitAddition: base is 1, wanted at least 2"):
        DigitAddition(base=1)
    with pytest.raises(ValueError, match="order is 'mixed', wanted 'lowest_first' or 'highest_first'"):
        DigitAddition(order="mixed")
    assert HIGHEST.make().spec.lengths(3, 4) == (3, 4)
    with pytest.raises(ValueError, match="got low=2, high=9, wanted 3 <= low <= high"):
        HIGHEST.make().spec.lengths(2, 9)
    with pytest.raises(ValueError, match="max_length: got 2, wanted at least 3"):
        sample(HIGHEST, jax.random.key(0), 2, 2, 2)
