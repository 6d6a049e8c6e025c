"""What counting is worth: the predictors that say what was read often, and their exact scores.

A model that has read all values and lost their places can still say the commonest. This is where models rest that do
not recall, far above 1 / V: .29 for 6 draws from 16 values. Draws here are uniform and independent, n draws from V.
"""

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from attn_jax.tasks.base import Floor


@cache
def commonest_share(num_draws: int, num_values: int) -> float:
    """How large a share of uniform draws the commonest value is expected to have, E[max c] / n.

    E[max c] = sum_m P(max c > m), and P(max c <= m) is the n-th coefficient of (sum_{c <= m} Poisson(c))^V divided by
    that of the whole sum: multinomial counts are Poisson counts whose sum is known. Right to about 1e-12.

    Args:
      num_draws: n, at least 1.
      num_values: V.

    Returns:
      A share from 1 / V to 1.

    >>> round(commonest_share(2, 16), 9), round(commonest_share(16, 14), 3)
    (0.53125, 0.204)

    Reference: the same by counting, in whole numbers, is `associative_recall.expected_max_count`.
    """
    least, most = math.ceil(num_draws / num_values), _window(num_draws, num_values)[1]
    missing = sum(1 - at_most(num_draws, num_values, count) for count in range(least, most))
    return (least + missing) / num_draws


def at_most(num_draws: int, num_values: int, most: int) -> float:
    """The probability that no value comes more than `most` times in uniform draws, right to about 1e-12.

    Args:
      num_draws: n, from 0 on.
      num_values: V.
      most: the largest count allowed, below 0 none is.

    Returns:
      P(max c <= most).

    >>> round(at_most(2, 16, 1), 9), at_most(0, 16, 0)
    (0.9375, 1.0)
    """
    if most < 0 or most * num_values < num_draws:
        return 0.0
    return _all_between(num_draws, num_values, 0, most)


def at_least(num_draws: int, num_values: int, least: int) -> float:
    """The probability that every value comes `least` times or more in uniform draws, right to about 1e-12.

    Args:
      num_draws: n, from 0 on.
      num_values: V.
      least: the smallest count allowed.

    Returns:
      P(min c >= least).

    >>> round(at_least(2, 2, 1), 9), at_least(0, 2, 0)
    (0.5, 1.0)
    """
    if least * num_values > num_draws:
        return 0.0
    return _all_between(num_draws, num_values, least, num_draws)


def _all_between(num_draws: int, num_values: int, least: int, most: int) -> float:
    """The probability that all counts lie between both, which hold n / V."""
    lowest, highest = _window(num_draws, num_values)
    if least <= lowest and most >= highest:
        return 1.0
    counts = np.arange(lowest, highest + 1)
    masses = np.where((counts >= least) & (counts <= most), _masses(num_draws, num_values), 0)
    size = 1 << (num_values * (highest - lowest)).bit_length()  # of the transform: no power wraps around
    power = np.fft.irfft(np.fft.rfft(masses, size) ** num_values, size)
    whole = float(poisson(np.array([num_draws]), num_draws)[0])
    return min(max(float(power[num_draws - num_values * lowest]) / whole, 0.0), 1.0)


def commonest_floor(num_draws: int, num_values: int) -> Floor:
    """The floor of whoever has read n uniform tokens 0 .. V - 1, forgets their places and is asked for one of them.

    Args:
      num_draws: n, at least 1.
      num_values: V, which is also the number of classes.

    Returns:
      `commonest_share`, with the predictor that says the commonest at every place, ties alike. No loss, for the other
      classes get no mass.

    >>> commonest_floor(2, 2).value
    0.75
    """
    return Floor(commonest_share(num_draws, num_values), None, partial(_say_commonest, num_values))


def _say_commonest(num_values: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The commonest of the values in the whole of each row, said at each of its places."""
    answer = counted_answer(as_commonest, np.arange(num_values), num_values, inputs, valid)
    return np.broadcast_to(answer[:, None], (*inputs.shape, num_values))


def _window(num_draws: int, num_values: int) -> tuple[int, int]:
    """The smallest and the largest count that matter: beyond, a Poisson count has a probability below 1e-30."""
    mean = num_draws / num_values
    spread = 12 * math.sqrt(mean) + 40
    return max(0, math.floor(mean - spread)), min(num_draws, math.ceil(mean + spread))


@cache
def _masses(num_draws: int, num_values: int) -> np.ndarray:
    """Their probabilities."""
    lowest, highest = _window(num_draws, num_values)
    return poisson(np.arange(lowest, highest + 1), num_draws / num_values)


def poisson(counts: np.ndarray, mean: float) -> np.ndarray:
    """The probabilities of the counts, [N] float64, at a mean above 0.

    >>> poisson(np.array([0, 1]), 1.0).round(3).tolist()
    [0.368, 0.368]
    """
    log_factorials = np.array([math.lgamma(count + 1) for count in counts])
    return np.exp(counts * math.log(mean) - mean - log_factorials)


@cache
def drawn_share(num_draws: int, num_values: int) -> tuple[float, float]:
    """What giving each value its share of the n draws scores, asked for one of them: (accuracy, loss in nats).

    The right value has c = 1 + Binomial(n - 1, 1 / V): accuracy E[c] / n = 1 / n + (1 - 1 / n) / V, loss -E[ln(c / n)].

    Args:
      num_draws: n, at least 1.
      num_values: V, at least 2.

    Returns:
      Accuracy and loss.

    >>> drawn_share(1, 4)
    (1.0, 0.0)
    """
    others = np.arange(num_draws)  # how many of the other n - 1 draws are the same
    log_choose = np.array([math.lgamma(num_draws) - math.lgamma(j + 1) - math.lgamma(num_draws - j) for j in others])
    rest = num_draws - 1 - others
    mass = np.exp(log_choose - others * math.log(num_values) + rest * math.log1p(-1 / num_values))
    metric = 1 / num_draws + (1 - 1 / num_draws) / num_values
    return metric, float(mass @ -np.log((1 + others) / num_draws)) + 0.0  # + 0.0: never -0.0


def as_shares(counts: np.ndarray) -> np.ndarray:
    """Probabilities [..., V] in proportion to the counts [..., V]; all values alike where nothing was counted.

    >>> as_shares(np.array([[1, 3], [0, 0]])).tolist()
    [[0.25, 0.75], [0.5, 0.5]]
    """
    counts = np.where(counts.any(axis=-1, keepdims=True), counts, 1)
    return counts / counts.sum(axis=-1, keepdims=True)


def as_commonest(counts: np.ndarray) -> np.ndarray:
    """Probabilities [..., V] of the values counted most, ties alike.

    >>> as_commonest(np.array([[1, 3, 3]])).tolist()
    [[0.0, 0.5, 0.5]]
    """
    return as_shares(counts == counts.max(axis=-1, keepdims=True))


def counted_answer(
    say: Callable[[np.ndarray], np.ndarray], tokens: np.ndarray, num_classes: int, inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """What a predictor that counts `tokens` in the whole of each row says, [B, num_classes] float64.

    Args:
      say: counts [B, V] -> weights [B, V]: `as_shares`, `as_commonest`, or `np.ones_like` for all alike.
      tokens: [V] int, what is counted; the class of each is the token.
      num_classes: the other classes get nothing.
      inputs, valid: [B, T].

    Returns:
      Probabilities.

    >>> counted_answer(as_shares, np.array([1, 2]), 3, np.array([[1, 2, 2]]), np.array([[True, True, False]])).tolist()
    [[0.0, 0.5, 0.5]]
    """
    weights = say(((inputs[..., None] == tokens) & valid[..., None]).sum(axis=1))
    answer = np.zeros((len(inputs), num_classes))
    answer[:, tokens] = weights / weights.sum(axis=1, keepdims=True)
    return answer


def counted_so_far(
    say: Callable[[np.ndarray], np.ndarray], tokens: np.ndarray, inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """What `say` makes of the counts of `tokens` [V] up to each place, itself included, [B, T, V].

    >>> counted_so_far(as_shares, np.array([3, 4]), np.array([[4, 3]]), np.ones((1, 2), bool)).tolist()
    [[[0.0, 1.0], [0.5, 0.5]]]
    """
    return say(np.cumsum((inputs[..., None] == tokens) & valid[..., None], axis=1, dtype=np.int32))


def at_last_place(
    say: Callable[[np.ndarray], np.ndarray], tokens: np.ndarray, num_classes: int, inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """`counted_answer` at the last valid place of each row, all classes alike before it, [B, T, num_classes].

    >>> at_last_place(as_shares, np.array([1]), 2, np.array([[1, 1]]), np.ones((1, 2), bool)).tolist()
    [[[0.5, 0.5], [0.0, 1.0]]]
    """
    said = np.full((*inputs.shape, num_classes), 1 / num_classes)
    said[np.arange(len(inputs)), valid.sum(axis=1) - 1] = counted_answer(say, tokens, num_classes, inputs, valid)
    return said
