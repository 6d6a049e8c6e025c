"""Expressions against the recursive definition and Python's own parser."""

from collections import Counter, defaultdict
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.tasks.laws.expressions import check_modulus, draw_expressions, evaluate

SYMBOLS = "01234+-*()"


@partial(jax.jit, static_argnums=(1, 2))
def draw(numbers, modulus, num_operators, length):
    return draw_expressions(numbers, length, modulus, num_operators)


def written(numbers, length):
    """Expressions as Python writes them, and their values."""
    tokens, values = draw(jnp.asarray(numbers), 5, 3, length)
    assert not np.asarray(tokens)[:, length:].any()
    return ["".join(SYMBOLS[t] for t in row) for row in np.asarray(tokens)[:, :length].tolist()], values.tolist()


def uniform(num_places, batch_size):
    return np.random.default_rng(0).random((num_places, batch_size), np.float32)


def shapes(length):
    """What the definition writes for a length, d for a digit and o for an operator, with its probability."""
    if length <= 4:
        yield ("", "d", "-d", "(d)", "(-d)")[length], 1.0
        return
    for left in range(1, length - 3):
        for (a, p), (b, q) in ((x, y) for x in shapes(left) for y in shapes(length - 3 - left)):
            yield f"({a}o{b})", p * q / (length - 4)


def shape_of(text):
    """The same, read off an expression: a sign follows an opening bracket, an operator, or nothing."""
    kinds = ""
    for symbol in text:
        begins = kinds == "" or kinds[-1] in "(o"
        kinds += "d" if symbol.isdigit() else symbol if symbol in "()" else "-" if begins else "o"
    return kinds


def shape_error(texts, length):
    """The largest deviation of a shape's frequency from its probability, in standard errors."""
    counts = Counter(map(shape_of, texts))
    expected: dict[str, float] = defaultdict(float)
    for shape, probability in shapes(length):
        expected[shape] += probability
    assert set(counts) <= set(expected)
    n = len(texts)
    return max(abs(counts[s] - n * p) / np.sqrt(n * p * (1 - p) + 1e-9) for s, p in expected.items())


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 8, 13])
def test_expressions_are_those_of_the_definition(length):
    texts, _ = written(uniform(13, 8_000), length)
    assert shape_error(texts, length) < 5


def test_numbers_that_are_not_uniform_write_others():
    texts, _ = written(uniform(13, 8_000) ** 2, 13)
    assert shape_error(texts, 13) > 20


def test_digits_and_operators_are_uniform():
    texts, _ = written(uniform(13, 9_000), 5)
    for place, symbols in ((1, "01234"), (2, "+-*"), (3, "01234")):
        counts = Counter(text[place] for text in texts)
        assert set(counts) == set(symbols)
        assert all(abs(n - 9_000 / len(symbols)) < 5 * np.sqrt(9_000 / len(symbols)) for n in counts.values())


@pytest.mark.parametrize("length", [1, 2, 4, 5, 9, 20, 99])
def test_values_are_pythons(length):
    texts, values = written(uniform(99, 256), length)
    for text, value in zip(texts, values, strict=True):
        assert len(text) == length
        assert value == eval(text) % 5
        assert evaluate(list(text.replace("*", "x"))) == eval(text)


def test_signs_in_brackets_and_after_operators():
    texts, values = written(uniform(99, 512), 40)
    for pattern in ("(-", "--", "+-", "*-", "((-", "-(-"):
        found = [(text, value) for text, value in zip(texts, values, strict=True) if pattern in text]
        assert len(found) > 20
        for text, value in found:
            assert value == eval(text) % 5 == evaluate(list(text.replace("*", "x"))) % 5


@pytest.mark.parametrize("number", [0.0, 0.5, 1 - 2**-23])
def test_the_deepest_expressions_fit_the_stack(number):
    """All brackets on one side: the left where the number is large, the right where it is 0."""
    places = np.arange(500)[:, None]
    numbers = np.where(places % 7 == 3, number, np.float32(number) * 0.999)
    for length in (497, 498, 499, 500):
        (text,), (value,) = written(numbers.astype(np.float32), length)
        assert len(text) == length
        assert value == eval(text) % 5
        depth = np.cumsum([(s == "(") - (s == ")") for s in text])
        assert depth[-1] == 0
        assert depth.min() >= 0
        if number != 0.5:
            assert depth.max() == (length + 1) // 4


def test_two_operators_leave_out_times():
    tokens, _ = draw(jnp.asarray(uniform(13, 2_000)), 5, 2, 13)
    assert set(np.unique(np.asarray(tokens))) == set(range(9))  # digits, + - ( )


def test_what_is_no_expression_is_refused():
    for text in ("(1+2", "1+2)", "(1+2+3)", "()"):
        with pytest.raises((ValueError, IndexError)):
            evaluate(list(text))


def test_the_modulus_is_checked():
    with pytest.raises(ValueError, match="SolveEquation: modulus is 1, wanted 2 to 100"):
        check_modulus("SolveEquation", 1)
    check_modulus("SolveEquation", 100)
