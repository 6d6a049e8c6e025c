"""Bracketed expressions modulo m, of an exact length: what "brackets" asks for and "solve equation" hides a digit in.

    E(1) = d    E(2) = - d    E(3) = ( d )    E(4) = ( - d )    d a uniform digit
    E(n) = ( E(l) op E(n - 3 - l) ) for n >= 5, l uniform in 1 .. n - 4, op a uniform operator

An expression is written from left to right, one symbol a step, and evaluated as it is written.
"""

import operator
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from attn_jax.types import Array

OPERATORS = ("+", "-", "x")
_PLUS, _MINUS = 0, 1
_LARGEST_MODULUS = 100
_APPLY = {"+": operator.add, "-": operator.sub, "x": operator.mul}


class _Writer(NamedTuple):
    """Where each of B expressions stands: an explicit stack of open brackets, and what comes next."""

    tokens: Array  # [X, B] int32, written so far
    frames: Array  # [3, depth, B] int32: of each open bracket the length right of its operator, operator, left value
    depth: Array  # [B] int32: the number of open brackets
    todo: Array  # [B] int32: the length of the expression that begins here; 0 where one has just ended
    negative: Array  # [B] bool: a sign has just been written
    value: Array  # [B] int32: that of the expression which ended last


def check_modulus(task: str, modulus: int) -> None:
    """Refuses a modulus that has no arithmetic, or more digits than anyone means.

    Args:
      task: the name that the message begins with.
      modulus: m.

    Raises:
      ValueError: `modulus` is below 2 or above 100.

    >>> check_modulus("ModularArithmetic", 5)
    """
    if not 2 <= modulus <= _LARGEST_MODULUS:
        raise ValueError(f"{task}: modulus is {modulus}, wanted 2 to {_LARGEST_MODULUS}")


def draw_expressions(numbers: Array, length: int | Array, modulus: int, num_operators: int) -> tuple[Array, Array]:
    """Writes and evaluates expressions of `length` symbols; each symbol takes one random number.

    Args:
      numbers: [X, B] float32 in [0, 1).
      length: n, 1 <= n <= X; may be traced, and is then trusted.
      modulus: m.
      num_operators: how many of + - x there are.

    Returns:
      Tokens [B, X] int32, 0 from place n on: digits 0 .. m - 1, operators from m on, then the opening and the closing
      bracket; and values [B] int32 in [0, m).

    >>> tokens, values = draw_expressions(jnp.full((6, 1), 0.5), 6, 5, 3)  # ( - 2 - 2 )
    >>> tokens.tolist(), values.tolist()
    ([[8, 6, 2, 6, 2, 9]], [1])

    Reference: Deletang et al. 2023, arXiv 2207.02098, whose code recurs; here the stack is explicit.
    """
    num_places, batch_size = numbers.shape
    zeros = jnp.zeros_like(numbers[0], jnp.int32)  # like the draws, which may differ between devices
    start = _Writer(
        tokens=jnp.zeros_like(numbers, jnp.int32),
        frames=jnp.zeros_like(zeros, shape=(3, max(1, (num_places + 1) // 4), batch_size)),  # no expression is deeper
        depth=zeros,
        todo=zeros + length,
        negative=zeros > 0,
        value=zeros,
    )
    # An array as the bound, so that plain calls compile one loop, not one for each length.
    end = jax.lax.fori_loop(0, jnp.asarray(length), partial(_write_symbol, numbers, modulus, num_operators), start)
    return end.tokens.T, end.value


def _write_symbol(numbers: Array, modulus: int, num_operators: int, place: Array, at: _Writer) -> _Writer:
    """One symbol: of an expression that begins its digit, sign or bracket; after one an operator or a bracket."""
    level = jnp.arange(at.frames.shape[1])[:, None]
    rest, drawn, left = top = jnp.where(level == at.depth - 1, at.frames, 0).sum(axis=1, dtype=jnp.int32)
    begins = at.todo > 0
    is_digit, is_sign, opens = at.todo == 1, at.todo == 2, at.todo > 2
    joins, closes = ~begins & (rest > 0), ~begins & (rest == 0)

    number = numbers[place]
    digit = _uniform(number, modulus)
    chosen = _uniform(number, num_operators)
    # A bracket around one expression is kept as 0 + that expression, of which the right side is all that remains.
    is_pair = at.todo > 4
    left_length = jnp.where(is_pair, 1 + _uniform(number, at.todo - 4), at.todo - 2)
    right_length = jnp.where(is_pair, at.todo - 3 - left_length, 0)

    nothing = jnp.zeros_like(rest)
    frame = jnp.where(joins, jnp.stack([nothing, chosen, at.value]), top)
    frame = jnp.where(opens, jnp.stack([right_length, nothing + _PLUS, nothing]), frame)
    signed = jnp.where(at.negative, -digit, digit)
    value = jnp.select([is_digit, closes], [signed, _apply(drawn, left, at.value)], at.value) % modulus
    opening = modulus + num_operators
    token = jnp.select(
        [is_digit, is_sign, opens, joins], [digit, modulus + _MINUS, opening, modulus + chosen], opening + 1
    )
    return _Writer(
        tokens=at.tokens.at[place].set(token),
        frames=jnp.where(level == at.depth - 1 + opens, frame[:, None], at.frames),
        depth=at.depth + opens - closes,
        todo=jnp.select([is_sign, opens, joins], [1, left_length, rest], 0),
        negative=is_sign,
        value=value,
    )


def _uniform(number: Array, size: int | Array) -> Array:
    """int32, uniform in [0, size) for `number` uniform in [0, 1)."""
    return (number * size).astype(jnp.int32)


def _apply(drawn: Array, left: Array, right: Array) -> Array:
    """`left` + - x `right`, by the number of the operator."""
    return jnp.select([drawn == _PLUS, drawn == _MINUS], [left + right, left - right], left * right)


def evaluate(symbols: Sequence[str]) -> int:
    """The value of an expression over the integers, from the inside out; the oracle of both tasks.

    Args:
      symbols: numerals, "+", "-", "x", "(" and ")"; at most one operator in a bracket; a "-" to whose left nothing
        stands, or an operator, is a sign.

    Returns:
      Its value, not reduced.

    >>> evaluate("( - 3 x ( - 4 ) )".split()), evaluate("( 1 - - 2 )".split()), evaluate(["-", "7"])
    (12, 3, -7)
    """
    contents: list[list[str | int]] = [[]]  # of each bracket that is open, what is known of it
    for symbol in symbols:
        if symbol == "(":
            contents.append([])
        elif symbol == ")":
            closed = _reduce(contents.pop())
            contents[-1].append(closed)
        else:
            contents[-1].append(symbol if symbol in _APPLY else int(symbol))
    (whole,) = contents
    return _reduce(whole)


def _reduce(content: list[str | int]) -> int:
    """The value of numbers, signs and at most one operator in a row."""
    numbers: list[int] = []
    operators: list[str] = []
    sign = 1
    for item in content:
        if isinstance(item, int):
            numbers.append(sign * item)
            sign = 1
        elif len(numbers) > len(operators):
            operators.append(item)
        else:
            sign = -sign
    if not operators:
        (number,) = numbers
        return number
    (operation,), (left, right) = operators, numbers
    return _APPLY[operation](left, right)
