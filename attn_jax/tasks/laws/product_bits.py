"""How likely each bit of a random product is set, and how long the product is: the floor of binary multiplication.

Bit j of a b is known in closed form below the length of the longer operand. Above, the pairs under a hyperbola must be
counted: that is done up to 12 bits of the shorter operand, and from there on the limit of real operands is taken.
"""

import math
from functools import cache

import numpy as np

_COUNTED = 12  # bits of the shorter operand up to which pairs are counted
_APART = 32  # an operand that is longer by so many bits is as good as real: 2^-32
_SUMMED = 14  # bits below the highest for which the limit is summed up


def answer_table(length: int, counted: int = _COUNTED) -> np.ndarray:
    """The probability that a place of the answer is scored and is 0, 1 or the end, for questions of `length` tokens.

    Up to L = 2 counted + 2 all pairs of operands are counted. Beyond, those whose shorter one has p > counted bits go
    by the limit of real operands, from which a probability differs by about p 2^-p / 8 at most where it was counted
    (p = 6 .. 10). They weigh little: counting p = 13 too changes the floors of L = 27 .. 45 by 2e-7 at most, and each p
    a third of the one before. So the floors are within 1e-6, which is measured, not proved. Operands that are longer by
    more than 32 bits go by 32.

    Args:
      length: L, from 3 on.
      counted: the bits of the shorter operand up to which pairs are counted.

    Returns:
      [L, 3] float64.

    >>> answer_table(3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    table = np.zeros((length, 3))
    for few in range(1, (length - 1) // 2 + 1):
        many = length - 1 - few
        below, ones = _below_and_ones(few, many, few <= counted)
        table += np.stack([1 - below - ones, ones, np.diff(below, prepend=0)], axis=1) * (1 + (few < many))
    return table / (length - 2)


def _below_and_ones(few: int, many: int, counted: bool) -> tuple[np.ndarray, np.ndarray]:
    """(P(a b < 2^j), P(bit j of a b is set)) for j = 0 .. few + many, a and b uniform on 1 .. 2^few - 1, 2^many - 1."""
    place = np.arange(few + many + 1)
    below, high = np.zeros(len(place)), np.zeros(few + 1)
    if counted:
        near = min(many, few + _APART)
        below[many - near :] = _count_below(few, near)
        high[:few] = _count_high(few, near)
    else:
        share = 2.0 ** (place - few - many)
        below = share * (1 - np.log(share))
        high[:few] = [_limit(few - 1 - i) for i in range(few)]
    # For j < many, bit j is fair if 2^(j + 1) does not divide a, b being uniform modulo 2^(j + 1), and 0 if it does.
    fair = (1 - np.maximum(0.5 ** (place + 1), 0.5**few)) / 2 / ((1 - 0.5**few) * (1 - 0.5**many))
    return below, np.append(fair[:many], high)


@cache
def _count_below(few: int, many: int) -> np.ndarray:
    """P(a b < 2^j) for j = 0 .. few + many, counted: at most (2^j - 1) / a numbers b go with a."""
    a, most = np.arange(1, 2**few), 2**many - 1
    counts = [np.minimum(most, (2**j - 1) // a).sum() for j in range(few + many + 1)]
    return np.array(counts) / (len(a) * most)


@cache
def _count_high(few: int, many: int) -> np.ndarray:
    """P(bit many + i of a b is set) for i = 0 .. few - 1, counted: #(a b >= k 2^(many + i)), k odd less k even."""
    a, most = np.arange(1, 2**few), 2**many - 1
    counts = np.zeros(few)
    for i in range(few):
        for k in range(1, 2 ** (few - i)):
            large = a[k << i :]  # a 2^many > k 2^(many + i): no other a has a b
            reach = int((most - ((k << many + i) - 1) // large).sum())
            counts[i] += reach if k % 2 else -reach
    return counts / (len(a) * most)


@cache
def _limit(t: int) -> float:
    """P(floor(2^(t + 1) x y) is odd), x and y uniform on [0, 1]: the t-th bit from the top of a long product."""
    if t > _SUMMED:  # what is missing to 1 / 2 halves with each bit, up to 2^-2t
        return 0.5 - (0.5 - _limit(_SUMMED)) * 0.5 ** (t - _SUMMED)
    num_cells = 2 ** (t + 1)
    share = np.arange(1, num_cells + 1) / num_cells
    below = share * (1 - np.log(share))  # P(x y < share)
    return math.fsum(below[1::2] - below[::2])
