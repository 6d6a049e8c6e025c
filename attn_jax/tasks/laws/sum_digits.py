"""How likely each digit of a random sum is, and how long the sum is: the floor of digit addition."""

from functools import cache
from typing import Literal

import numpy as np


@cache
def answer_table(base: int, order: Literal["lowest_first", "highest_first"], length: int) -> np.ndarray:
    """The probability that a place of the answer is scored and is a digit or the end, for questions of `length` tokens.

    With c the carry into a place, c' the one out of it and F the last one, P(digit = v, F) is the sum over c and c' of
    P(c) P(v, c' | c) P(F | c'): the first factor is carried upwards, the last downwards. F = 1 is one digit more.

    Args:
      base: how many digits there are.
      order: of the sum.
      length: L, from 3 on; the l_a of `DigitAddition` are averaged over.

    Returns:
      [L, base + 1] float64.

    >>> answer_table(2, "lowest_first", 3).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [0.0, 0.0, 0.25]]
    """
    end, rows = base, np.arange(length - 2)  # a row for each l_a
    longer = np.maximum(rows + 1, length - 2 - rows)
    steps = _steps(base, length)
    leaves = _last_carry(steps, longer)
    table = np.zeros((length, end + 1))
    for carries in (0, 1):  # does the last place carry? Then the sum has a digit more, which is 1
        np.add.at(table[:, end], longer + carries, leaves[0][:, 0, carries])
    first = longer if order == "lowest_first" else np.zeros_like(longer)
    np.add.at(table[:, 1], first, leaves[0][:, 0, 1])
    carry = np.tile([1.0, 0.0], (len(rows), 1))
    for s, step in enumerate(steps):
        digits = np.einsum("ni,niov,nof->nfv", carry, step, leaves[s + 1])
        for carries in (0, 1):
            places = np.full_like(longer, s) if order == "lowest_first" else longer + carries - 1 - s
            inside = s < longer
            np.add.at(table[:, :end], places[inside], digits[inside, carries])
        carry = np.einsum("ni,niov->no", carry, step)
    return table / len(rows)


def _steps(base: int, length: int) -> list[np.ndarray]:
    """For each place, lowest first, [L - 2, 2, 2, base]: P(carry out and digit of the sum | carry in), a row an l_a."""
    digit = np.zeros((3, base))  # of a number: beyond its leading digit, leading, any other
    digit[0, 0], digit[1, 1:], digit[2] = 1, 1 / (base - 1), 1 / base
    total = np.array([[np.convolve(p, q) for q in digit] for p in digit])  # [3, 3, 2 base - 1]
    total = np.pad(total, ((0, 0), (0, 0), (0, 1)))
    with_carry = np.stack([total, np.roll(total, 1, axis=-1)], axis=2).reshape(3, 3, 2, 2, base)
    length_a = np.arange(1, length - 1)
    kinds = [[_kind(s, n) for n in (length_a, length - 1 - length_a)] for s in range(length - 2)]
    return [with_carry[kind_a, kind_b] for kind_a, kind_b in kinds]


def _kind(s: int, num_digits: np.ndarray) -> np.ndarray:
    """Which distribution digit s has: 0 beyond the number, 1 leading one of several, 2 any other."""
    return np.where(s >= num_digits, 0, np.where((s == num_digits - 1) & (num_digits > 1), 1, 2))


def _last_carry(steps: list[np.ndarray], longer: np.ndarray) -> list[np.ndarray]:
    """For each place [L - 2, 2, 2]: P(the last place of the longer number carries or not | carry in)."""
    leaves = [np.tile(np.eye(2), (len(longer), 1, 1))]
    for s in reversed(range(len(steps))):
        through = np.einsum("niov,nof->nif", steps[s], leaves[0])
        leaves.insert(0, np.where((s < longer)[:, None, None], through, np.eye(2)))
    return leaves
