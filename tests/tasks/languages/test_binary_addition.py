"""Binary addition against Python integers, its floor against all pairs of numbers."""

from collections import Counter
from functools import partial

import jax
import numpy as np
import pytest
from drawn import as_strings, sample

from attn_jax.tasks.languages.binary_addition import BinaryAddition, floors
from attn_jax.testing.check_task import check_task

DRAW = partial(sample, BinaryAddition())
DRAW_STRINGS = partial(as_strings, BinaryAddition())


def number(bits):
    return int("".join(map(str, bits[::-1])), 2)


@pytest.mark.exhaustive
def test_contract():
    check_task(BinaryAddition(), num_samples=128, floor_samples=8192)


@pytest.mark.parametrize(("length", "max_length"), [(4, 9), (7, 9), (9, 9), (500, 501)])
def test_the_sum_and_its_end_follow_the_question(length, max_length):
    drawn = DRAW(jax.random.key(0), 64, np.int32(length), max_length)
    inputs, targets, weights, scored, valid = map(np.asarray, drawn)
    for row in range(64):
        question = inputs[row, :length].tolist()
        assert inputs[row].tolist() == question + [3] * (length + 1) + [0] * 2 * (max_length - length)
        middle = question.index(2)
        total = number(question[:middle]) + number(question[middle + 1 :])
        answer = [total >> i & 1 for i in range(total.bit_length())] + [2]
        assert targets[row].tolist() == [0] * length + answer + [0] * (2 * max_length + 1 - length - len(answer))
        assert np.flatnonzero(scored[row]).tolist() == list(range(length, length + len(answer)))
    assert (weights == scored).all()
    assert (valid == (np.arange(2 * max_length + 1) <= 2 * length)).all()


def test_strings_are_the_question_and_the_sum():
    drawn = DRAW_STRINGS(jax.random.key(0), 64, np.int32(8), 10)
    source, source_valid, _, target, target_valid = map(np.asarray, drawn)
    assert (source_valid.sum(axis=1) == 8).all()
    for row in range(64):
        question = source[row, :8].tolist()
        middle = question.index(2)
        answer = target[row][target_valid[row]].tolist()
        assert answer[-1] == 4
        assert number(answer[:-1]) == number(question[:middle]) + number(question[middle + 1 :])


def enumerate_best(length, operation):
    """Counts what every place of the answer says over all questions, each l_a alike."""
    right = scored = 0.0
    places = [Counter() for _ in range(length + 1)]
    for length_a in range(1, length - 1):
        top_a, top_b = 2**length_a, 2 ** (length - 1 - length_a)
        weight = 1 / ((top_a - 1) * (top_b - 1))
        for a in range(1, top_a):
            for b in range(1, top_b):
                answer = f"{operation(a, b):b}"[::-1] + "2"
                for place, letter in enumerate(answer):
                    places[place][letter] += weight
    for counts in places:
        right += max(counts.values(), default=0)
        scored += sum(counts.values())
    return right / scored


@pytest.mark.parametrize("length", [4, 5, 6, 7, 10, 11])
def test_floor_by_enumerating_every_question(length):
    best = enumerate_best(length, int.__add__)
    assert floors(BinaryAddition(), length)["position_and_length"].value == pytest.approx(best, rel=1e-12)
    assert floors(BinaryAddition(), length)["uniform"][:2] == (1 / 3, np.log(3))


@pytest.mark.exhaustive
def test_floor_of_the_published_lengths():
    found = [floors(BinaryAddition(), length)["position_and_length"].value for length in range(41, 501)]
    assert np.mean(found) == pytest.approx(0.5001, abs=6e-5)


def test_at_three_tokens_a_guess_is_perfect_so_lengths_start_at_four():
    assert enumerate_best(3, int.__add__) == 1
    assert enumerate_best(4, int.__add__) < 1
    assert BinaryAddition().make().spec.lengths(4, 6) == (4, 5, 6)
    with pytest.raises(ValueError, match="got low=3, high=9, wanted 4 <= low <= high"):
        BinaryAddition().make().spec.lengths(3, 9)
    with pytest.raises(ValueError, match="max_length: got 3, wanted at least 4"):
        sample(BinaryAddition(), jax.random.key(0), 2, 3, 3)
