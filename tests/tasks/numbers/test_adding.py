"""The adding problem against sums in Python, its floors against integrals."""

from fractions import Fraction

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.numbers.adding import Adding, floors
from attn_jax.testing.check_task import check_task


def draw(length, max_length=9, batch_size=512, seed=0):
    return [np.asarray(a) for a in sample(Adding(), jax.random.key(seed), batch_size, np.int32(length), max_length)]


@pytest.mark.exhaustive
def test_contract():
    check_task(Adding())


@pytest.mark.parametrize("length", [2, 3, 8, 9])
def test_one_mark_in_each_half_and_their_sum_at_the_last_place(length):
    inputs, targets, weights, scored, valid = draw(length)
    half = length // 2
    for numbers, marks, answers in zip(inputs[..., 0], inputs[..., 1], targets[..., 0], strict=True):
        first, second = np.flatnonzero(marks)
        assert first < half <= second < length
        assert sorted(set(marks.tolist())) == [0, 1]
        assert answers[length - 1] == np.float32(numbers[first]) + np.float32(numbers[second])
        assert not np.delete(answers, length - 1).any()
        assert ((numbers >= 0) & (numbers < 1)).all()
        assert not numbers[length:].any()
    assert (scored == (np.arange(9) == length - 1)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(9) < length)).all()


@pytest.mark.parametrize("length", [2, 3, 9])
def test_marks_are_uniform_in_their_halves_and_say_nothing_of_the_numbers(length):
    inputs, targets, *_ = draw(length, batch_size=20_000)
    numbers, marks = inputs[:, :length, 0], inputs[:, :length, 1]
    half = length // 2
    share = np.array([1 / half] * half + [1 / (length - half)] * (length - half))
    assert (abs(marks.mean(axis=0) - share) < 5 * np.sqrt(share * (1 - share) / 20_000) + 1e-6).all()
    assert (abs(numbers.mean(axis=0) - 0.5) < 5 * np.sqrt(1 / 12 / 20_000)).all()
    answers = targets[:, length - 1, 0]
    for place in range(length):  # 1 on average wherever the marks lie
        here = answers[marks[:, place] == 1]
        assert abs(here.mean() - 1) < 5 * np.sqrt(1 / 6 / len(here))


@pytest.mark.parametrize("length", [2, 3, 4, 7, 40, 41])
def test_floors_are_the_integrals(length):
    """Each u takes the middles of n cells: a variance of (1 - 1 / n^2) / 12, summed here without any formula."""
    n = 8
    numbers = [Fraction(2 * i + 1, 2 * n) for i in range(n)]
    cells = [(u, v) for u in numbers for v in numbers]
    at_last = Fraction(1, length - length // 2)  # the second mark is uniform in the second half
    constant = sum((u + v - 1) ** 2 for u, v in cells) / n**2
    one_known = sum((v - Fraction(1, 2)) ** 2 for u, v in cells) / n**2
    memoryless = at_last * one_known + (1 - at_last) * constant
    to_integral = 1 / (1 - Fraction(1, n**2))
    found = floors(Adding(), length)
    for name, error in (("best_constant", constant), ("memoryless", memoryless), ("first_number", one_known)):
        assert found[name].value == found[name].loss == pytest.approx(float(error * to_integral), rel=1e-12)


def test_floors_of_the_table():
    assert floors(Adding(), 40)["best_constant"].value == pytest.approx(1 / 6)
    assert floors(Adding(), 40)["first_number"].value == pytest.approx(1 / 12)
    assert floors(Adding(), 2)["memoryless"].value == pytest.approx(1 / 12)  # the last place is always marked


def test_no_constant_is_better_than_1():
    answers = draw(40, 40, 20_000)[1][:, 39, 0]
    errors = [np.mean((answers - constant) ** 2) for constant in (0.9, 1.0, 1.1)]
    assert errors[1] == min(errors)


def test_solve_waits_for_both_marks():
    inputs = np.array([[[0.5, 1], [0.25, 0], [0.25, 1], [0.0, 0]]])
    for length, answer in ((1, 0.0), (2, 0.0), (3, 0.75), (4, 0.75)):
        answers = solve(Adding(), inputs[:, :length], np.ones((1, length), bool))
        assert answers[0, :, 0].tolist() == [0.0] * (length - 1) + [answer]


def test_bad_lengths_are_named():
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        sample(Adding(), jax.random.key(0), 2, 1, 1)
    assert Adding().make().spec.lengths(2, 4) == (2, 3, 4)
