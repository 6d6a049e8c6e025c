"""What is asked in fuzzy recall, and how often a value drawn from those read is right: exact sums for its floors.

Pairs are drawn from a set of keys of one to three tokens, whose values have one to three tokens, until R tokens are
full. A key of a tokens, probability p and a value of b tokens that is drawn c times takes c (a + b) of them, so that
with u for pairs and q for tokens its exponential generating function is f_a = sum_c (p u)^c / c! sum_b q^(c (a + b)) /
3; keys multiply. All terms are positive: sums are right to rounding.
"""

import math
from functools import cache

import numpy as np

_SIZES = (1, 2, 3)


@cache
def fuzzy_law(num_keys: int, num_values: int, room: int) -> tuple[np.ndarray, float]:
    """Expected numbers of a sequence, its last pair, a uniform draw from those before it, included.

    Args:
      num_keys: how many tokens keys are made of.
      num_values: V, how many tokens values are made of.
      room: R, the tokens that pairs fill before the last; at least 6.

    Returns:
      ([3] how many first, second and third tokens of values are asked for, how many first tokens are right that are
      taken from a value drawn uniformly from those read).

    >>> asked, right = fuzzy_law(7, 8, 6)
    >>> bool(asked[0] > asked[1] > asked[2]), bool(right < asked[0])
    (True, True)
    """
    keys = [math.perm(num_keys, size) for size in _SIZES]
    rest = _of_other_keys(keys, room)
    asked, right = np.array([1, 2 / 3, 1 / 3]), 0.0  # of the last pair: each size of its value alike
    others = np.arange(len(rest[0]))  # how many pairs there are but for the marked one
    factorial = np.array([math.factorial(n) for n in others], np.float64)
    every = same = np.zeros(len(others))
    for a in _SIZES:
        for b in _SIZES:
            marked = _marked(rest[a - 1], 1 / (3 * keys[a - 1]), a + b) * (keys[a - 1] / 3 * factorial)
            known = marked[1:].sum(axis=0)
            asked[:b] += known.sum()
            again = np.arange(len(marked)) @ marked  # how many of the others are expected to have the marked key
            each = np.maximum(others, 1)
            right += float((again * (1 - 1 / num_values) / each + known * (others > 0) / num_values).sum())
            every, same = every + marked.sum(axis=0), same + again
    # n pairs fit where n do and n + 1 do not; the last is one of them, and of n that share its key are 1 + others
    next_every, next_same = np.append(every[1:], 0), np.append(same[1:], 0)
    n = others + 1
    share = float(((every + same - next_every - next_same * others / n) / n).sum())
    return asked, right + share + (1 - share) / num_values


def _of_other_keys(keys: list[int], room: int) -> list[np.ndarray]:
    """[u, q] coefficients of the product over all keys but one of each size."""
    one = np.zeros((room // 2 + 1, room + 1))
    one[0, 0] = 1
    for size, number in zip(_SIZES, keys, strict=True):
        for _ in range(number - 1):
            one = _times_key(one, size, 1 / (3 * number))
    products = []
    for left_out in _SIZES:
        product = one
        for size, number in zip(_SIZES, keys, strict=True):
            product = product if size == left_out else _times_key(product, size, 1 / (3 * number))
        products.append(product)
    return products


def _times_key(polynomial: np.ndarray, size: int, probability: float) -> np.ndarray:
    """`polynomial` [u, q] times f_size, cut off where it is."""
    product, weight = polynomial.copy(), 1.0
    num_pairs, num_tokens = polynomial.shape
    for c in range(1, (num_tokens - 1) // (size + 1) + 1):
        weight *= probability / c
        for tokens in (c * (size + b) for b in _SIZES if c * (size + b) < num_tokens):
            product[c:, tokens:] += weight / 3 * polynomial[: num_pairs - c, : num_tokens - tokens]
    return product


def _marked(rest: np.ndarray, probability: float, tokens: int) -> np.ndarray:
    """[c, n]: one pair of a key of probability p stands, c of n others have its key, and all fit, over n!."""
    fits = np.cumsum(rest, axis=1)
    num_pairs, num_tokens = rest.shape
    marked = np.zeros((num_pairs, num_pairs))
    for c in range((num_tokens - 1) // tokens):
        left = num_tokens - 1 - (c + 1) * tokens
        marked[c, c:] = probability ** (c + 1) / math.factorial(c) * fits[: num_pairs - c, left]
    return marked
