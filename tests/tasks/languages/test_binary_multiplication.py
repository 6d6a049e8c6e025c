"""Binary multiplication against Python integers, its floor against all pairs of numbers and against sampled ones."""

import random
from collections import Counter
from functools import partial

import jax
import numpy as np
import pytest
from drawn import as_strings, sample

from attn_jax.tasks.languages.binary_multiplication import BinaryMultiplication, floors
from attn_jax.tasks.laws.product_bits import answer_table
from attn_jax.testing.check_task import check_task

DRAW = partial(sample, BinaryMultiplication())
DRAW_STRINGS = partial(as_strings, BinaryMultiplication())


def number(bits):
    return int("".join(map(str, bits[::-1])), 2)


def metric(table):
    return table.max(axis=1).sum() / table.sum()


@pytest.mark.exhaustive
def test_contract():
    check_task(BinaryMultiplication(), num_samples=128, floor_samples=8192)


@pytest.mark.parametrize(("length", "max_length"), [(4, 17), (7, 17), (16, 17), (500, 501)])
def test_the_product_and_its_end_follow_the_question(length, max_length):
    drawn = DRAW(jax.random.key(0), 64, np.int32(length), max_length)
    inputs, targets, weights, scored, valid = map(np.asarray, drawn)
    for row in range(64):
        question = inputs[row, :length].tolist()
        assert inputs[row].tolist() == question + [3] * length + [0] * 2 * (max_length - length)
        middle = question.index(2)
        product = number(question[:middle]) * number(question[middle + 1 :])
        answer = [product >> i & 1 for i in range(product.bit_length())] + [2]
        assert targets[row].tolist() == [0] * length + answer + [0] * (2 * max_length - length - len(answer))
        assert np.flatnonzero(scored[row]).tolist() == list(range(length, length + len(answer)))
    assert (weights == scored).all()
    assert (valid == (np.arange(2 * max_length) < 2 * length)).all()


def test_strings_are_the_question_and_the_product():
    drawn = DRAW_STRINGS(jax.random.key(0), 64, np.int32(8), 10)
    source, _, _, target, target_valid = map(np.asarray, drawn)
    for row in range(64):
        question = source[row, :8].tolist()
        middle = question.index(2)
        answer = target[row][target_valid[row]].tolist()
        assert answer[-1] == 4
        assert number(answer[:-1]) == number(question[:middle]) * number(question[middle + 1 :])


@pytest.mark.parametrize("length", [3, 4, 5, 6, 9, 12, 13])
def test_table_by_enumerating_every_question(length):
    places = [Counter() for _ in range(length)]
    for length_a in range(1, length - 1):
        top_a, top_b = 2**length_a, 2 ** (length - 1 - length_a)
        weight = 1 / ((top_a - 1) * (top_b - 1) * (length - 2))
        for a in range(1, top_a):
            for b in range(1, top_b):
                for place, letter in enumerate(f"{a * b:b}"[::-1] + "2"):
                    places[place][int(letter)] += weight
    counted = np.array([[counts[letter] for letter in range(3)] for counts in places])
    np.testing.assert_allclose(answer_table(length), counted, rtol=1e-12, atol=1e-15)
    if length > 3:
        found = floors(BinaryMultiplication(), length)["position_and_length"].value
        assert found == pytest.approx(metric(counted), rel=1e-12)
    else:
        assert metric(counted) == 1  # why lengths start at 4


def test_the_limit_of_long_operands_is_close_where_all_can_be_counted():
    for length in (27, 28):
        assert 0 < abs(metric(answer_table(length)) - metric(answer_table(length, 13))) < 2e-7
    errors = [abs(metric(answer_table(25, counted)) - metric(answer_table(25))) for counted in (2, 4, 6, 8, 10)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2e-6 < errors[0]


@pytest.mark.parametrize("length", [60, 300])
def test_table_of_long_operands_is_what_samples_say(length):
    numbers, num_samples = random.Random(0), 4000
    counted = np.zeros((length, 3))
    for _ in range(num_samples):
        length_a = numbers.randint(1, length - 2)
        a, b = numbers.randint(1, 2**length_a - 1), numbers.randint(1, 2 ** (length - 1 - length_a) - 1)
        answer = np.array(list(map(int, f"{a * b:b}"[::-1] + "2")))
        counted[np.arange(len(answer)), answer] += 1 / num_samples
    assert (abs(counted - answer_table(length)) < 5 * np.sqrt(0.25 / num_samples)).all()
    assert answer_table(length).sum() == pytest.approx(counted.sum(), abs=0.1)


def test_floor_of_the_published_lengths():
    some = [*range(41, 59, 3), *range(59, 501, 21), 500]  # smooth between: the mean over all 460 is .50317
    found = [floors(BinaryMultiplication(), length)["position_and_length"].value for length in some]
    assert np.interp(range(41, 501), some, found).mean() == pytest.approx(0.50317, abs=3e-5)


def test_lengths_below_4_are_refused():
    assert BinaryMultiplication().make().spec.lengths(4, 6) == (4, 5, 6)
    with pytest.raises(ValueError, match="got low=3, high=9, wanted 4 <= low <= high"):
        BinaryMultiplication().make().spec.lengths(3, 9)
    with pytest.raises(ValueError, match="max_length: got 3, wanted at least 4"):
        sample(BinaryMultiplication(), jax.random.key(0), 2, 3, 3)
