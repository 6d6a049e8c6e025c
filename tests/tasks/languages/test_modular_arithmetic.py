"""Modular arithmetic against Python's own parser, its floors over all expressions and against those quoted."""

import itertools
import math

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.languages.modular_arithmetic import ModularArithmetic, floors
from attn_jax.testing.check_task import check_task


def value(tokens, modulus=5):
    """What Python makes of it."""
    return eval(" ".join(str(t) if t < modulus else "+-*"[t - modulus] for t in tokens)) % modulus


def floor(length, modulus=5):
    return floors(ModularArithmetic(modulus), length)["position_and_length"]


@pytest.mark.exhaustive
def test_contract():
    check_task(ModularArithmetic())


@pytest.mark.exhaustive
def test_contract_other_modulus():
    check_task(ModularArithmetic(12), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [1, 3, 9, 41])
def test_layout(length):
    batch = sample(ModularArithmetic(), jax.random.key(0), 64, length, 41)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * (41 - length)
    for row in range(64):
        symbols = inputs[row, :length].tolist()
        assert all(token < 5 for token in symbols[::2])
        assert all(token in (5, 6, 7) for token in symbols[1::2])
        assert inputs[row].tolist() == [*symbols, 8, *padding]
        assert targets[row].tolist() == [*[0] * length, value(symbols), *padding]
    assert (scored == (np.arange(42) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(42) <= length)).all()


def test_times_binds_before_plus_and_minus():
    for symbols, answer in (([4, 6, 2, 7, 3], 3), ([2, 7, 3, 6, 4, 7, 4], 0), ([0, 6, 3, 6, 4], 3)):
        tokens = np.array([[*symbols, 8]])
        assert solve(ModularArithmetic(), tokens, np.ones(tokens.shape, bool))[0, -1] == answer == value(symbols)


def test_digits_and_operators_are_uniform():
    inputs = np.asarray(sample(ModularArithmetic(), jax.random.key(0), 15_000, 5, 5).inputs)
    for place, lowest, size in ((0, 0, 5), (2, 0, 5), (4, 0, 5), (1, 5, 3), (3, 5, 3)):
        counts = np.bincount(inputs[:, place] - lowest, minlength=size)
        assert len(counts) == size
        assert (abs(counts - 15_000 / size) < 5 * math.sqrt(15_000 / size)).all()


@pytest.mark.parametrize(("modulus", "length"), [(5, 1), (5, 3), (5, 5), (3, 7), (4, 5), (2, 7)])
def test_floor_by_enumerating_every_expression(modulus, length):
    choices = [range(modulus) if place % 2 == 0 else range(modulus, modulus + 3) for place in range(length)]
    values = [value(tokens, modulus) for tokens in itertools.product(*choices)]
    counts = np.bincount(values, minlength=modulus)
    assert floor(length, modulus).value == pytest.approx(counts.max() / len(values), rel=1e-12)
    predicted = floor(length, modulus).predict(np.zeros((1, length + 1), int), np.ones((1, length + 1), bool))[0, -1]
    likeliest = counts == counts.max()
    assert predicted == pytest.approx(likeliest / likeliest.sum())


def test_floors_of_the_published_lengths():
    assert np.mean([floor(length).value for length in range(1, 40, 2)]) == pytest.approx(0.2060, abs=5e-5)
    assert np.mean([floor(length).value for length in range(41, 500, 46)]) == pytest.approx(0.2, abs=5e-5)


def test_lengths_are_odd():
    lengths = ModularArithmetic().make().spec.lengths
    assert lengths(1, 6) == (1, 3, 5)
    with pytest.raises(ValueError, match="got low=4, high=4"):
        lengths(4, 4)
    with pytest.raises(ValueError, match="max_length: got 6, wanted at least 1, in steps of 2"):
        sample(ModularArithmetic(), jax.random.key(0), 2, 5, 6)


def test_the_modulus_is_checked():
    with pytest.raises(ValueError, match="ModularArithmetic: modulus is 1, wanted 2 to 100"):
        ModularArithmetic(1)
    with pytest.raises(ValueError, match="modulus is 101, wanted 2 to 100"):
        ModularArithmetic(modulus=101)
