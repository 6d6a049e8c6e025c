"""Modular arithmetic with brackets against Python's parser, its floors over all expressions and those quoted."""

import itertools

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.languages.modular_arithmetic_brackets import ModularArithmeticBrackets, floors
from attn_jax.testing.check_task import check_task

SYMBOLS = "01234+-*()"


def expressions(length, modulus):
    """Every expression of the definition, with its probability."""
    if length <= 4:
        for digit in map(str, range(modulus)):
            yield (digit, f"-{digit}", f"({digit})", f"(-{digit})")[length - 1], 1 / modulus
        return
    for left in range(1, length - 3):
        sides = itertools.product(expressions(left, modulus), expressions(length - 3 - left, modulus))
        for ((a, p), (b, q)), operator in itertools.product(sides, "+-*"):
            yield f"({a}{operator}{b})", p * q / 3 / (length - 4)


def floor(length, modulus=5):
    return floors(ModularArithmeticBrackets(modulus), length)["position_and_length"]


@pytest.mark.exhaustive
def test_contract():
    check_task(ModularArithmeticBrackets(), floor_samples=4096)


@pytest.mark.exhaustive
def test_contract_other_modulus():
    check_task(ModularArithmeticBrackets(6), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 30])
def test_layout(length):
    batch = sample(ModularArithmeticBrackets(), jax.random.key(0), 64, length, 30)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * (30 - length)
    for row in range(64):
        tokens = inputs[row, :length].tolist()
        answer = eval("".join(SYMBOLS[token] for token in tokens)) % 5
        assert inputs[row, length:].tolist() == [10, *padding]
        assert targets[row].tolist() == [*[0] * length, answer, *padding]
    assert (scored == (np.arange(31) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(31) <= length)).all()


def test_the_oracle_reads_nested_negatives():
    for text in ("(-3)", "((-1)--2)", "((-4)*(-3--2))", "(((-2)+-1)-(-4))"):
        tokens = np.array([[*map(SYMBOLS.index, text), 10]])
        answers = solve(ModularArithmeticBrackets(), tokens, np.ones(tokens.shape, bool))
        assert answers[0].tolist() == [*[0] * len(text), eval(text) % 5]


@pytest.mark.parametrize(("modulus", "longest"), [(5, 9), (4, 9), (2, 13)])
def test_floor_by_enumerating_every_expression(modulus, longest):
    for length in range(1, longest + 1):
        law = np.zeros(modulus)
        for text, probability in expressions(length, modulus):
            law[eval(text) % modulus] += probability
        assert law.sum() == pytest.approx(1)
        assert floor(length, modulus).value == pytest.approx(law.max(), rel=1e-12)
        said = floor(length, modulus).predict(np.zeros((1, length + 1), int), np.ones((1, length + 1), bool))[0, -1]
        likeliest = np.isclose(law, law.max(), rtol=1e-9)
        assert said == pytest.approx(likeliest / likeliest.sum())


def test_floors_of_the_published_lengths():
    metrics = [floor(length).value for length in range(41, 501)]
    assert np.mean(metrics) == pytest.approx(0.3101, abs=5e-5)
    assert metrics[0] == pytest.approx(0.2920, abs=5e-5)
    assert metrics[-1] == pytest.approx(0.3160, abs=5e-5)


def test_every_length_is_allowed():
    assert ModularArithmeticBrackets().make().spec.lengths(1, 3) == (1, 2, 3)
    with pytest.raises(ValueError, match="max_length: got 0, wanted at least 1"):
        sample(ModularArithmeticBrackets(), jax.random.key(0), 2, 0, 0)
    with pytest.raises(ValueError, match="ModularArithmeticBrackets: modulus is 0, wanted 2 to 100"):
        ModularArithmeticBrackets(modulus=0)
