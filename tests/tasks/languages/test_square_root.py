"""Square roots against `math.isqrt`, the floor against all numbers."""

import math
from collections import Counter
from functools import partial

import jax
import numpy as np
import pytest
from drawn import as_strings, sample

from attn_jax.tasks.languages.square_root import SquareRoot, floors
from attn_jax.testing.check_task import check_task

DRAW = partial(sample, SquareRoot())
DRAW_STRINGS = partial(as_strings, SquareRoot())


def bits(value, num_bits):
    return [value >> i & 1 for i in reversed(range(num_bits))]


def number(tokens):
    return int("".join(map(str, tokens)), 2)


def draw(length, max_length, batch_size=256):
    return [np.asarray(x) for x in DRAW(jax.random.key(0), batch_size, np.int32(length), max_length)]


@pytest.mark.exhaustive
def test_contract():
    check_task(SquareRoot(), num_samples=128, floor_samples=8192)


@pytest.mark.parametrize(("length", "max_length"), [(3, 9), (4, 9), (9, 9), (10, 64), (29, 64), (500, 501)])
def test_the_root_follows_the_number(length, max_length):
    inputs, targets, weights, scored, valid = draw(length, max_length)
    num_roots, num_places = (length + 1) // 2, max_length + (max_length + 1) // 2
    for row in range(len(inputs)):
        asked = inputs[row, :length].tolist()
        padding = [0] * (num_places - length - num_roots)
        assert inputs[row].tolist() == asked + [2] * num_roots + padding
        assert targets[row].tolist() == [0] * length + bits(math.isqrt(number(asked)), num_roots) + padding
    place = np.arange(num_places)
    assert (scored == ((place >= length) & (place < length + num_roots))).all()
    assert (weights == scored).all()
    assert (valid == (place < length + num_roots)).all()


def test_numbers_are_uniform_and_roots_of_squares_and_their_neighbours_are_right():
    inputs, targets, *_ = draw(8, 8, 40_000)
    numbers = inputs[:, :8] @ (1 << np.arange(8)[::-1])
    counts = np.bincount(numbers, minlength=256)
    assert counts[0] == 0
    assert (abs(counts[1:] - 40_000 / 255) < 5 * np.sqrt(40_000 / 255)).all()  # so that all 255 are there
    roots = targets[:, 8:] @ (1 << np.arange(4)[::-1])
    assert (roots == np.array([math.isqrt(n) for n in numbers])).all()


def test_strings_are_the_number_and_its_root():
    source, _, _, target, target_valid = map(np.asarray, DRAW_STRINGS(jax.random.key(0), 64, np.int32(9), 12))
    for row in range(64):
        answer = target[row][target_valid[row]].tolist()
        assert answer == [*bits(math.isqrt(number(source[row, :9])), 5), 3]


@pytest.mark.parametrize("length", [3, 4, 5, 8, 11, 12])
def test_floor_by_enumerating_every_number(length):
    num_roots = (length + 1) // 2
    counts = [Counter() for _ in range(num_roots)]
    for n in range(1, 2**length):
        for place, bit in enumerate(bits(math.isqrt(n), num_roots)):
            counts[place][bit] += 1
    best = sum(max(count.values()) for count in counts) / num_roots / (2**length - 1)
    assert floors(SquareRoot(), length)["position_and_length"].value == pytest.approx(best, rel=1e-12)
    assert best < 1
    assert floors(SquareRoot(), length)["uniform"][:2] == (0.5, math.log(2))


def test_floor_of_the_published_lengths():
    found = [floors(SquareRoot(), length)["position_and_length"].value for length in range(41, 501)]
    assert np.mean(found) == pytest.approx(0.5037, abs=6e-5)


def test_roots_below_three_bits_are_always_one_so_lengths_start_at_three():
    assert {math.isqrt(n) for n in range(1, 4)} == {1}
    assert SquareRoot().make().spec.lengths(3, 5) == (3, 4, 5)
    with pytest.raises(ValueError, match="got low=2, high=9, wanted 3 <= low <= high"):
        SquareRoot().make().spec.lengths(2, 9)
    with pytest.raises(ValueError, match="max_length: got 2, wanted at least 3"):
        sample(SquareRoot(), jax.random.key(0), 2, 2, 2)
