"""What counting is worth: the predictors that say what was read often, and their exact scores.

A model that has read all values and lost their places can still say the commonest. This is where models rest that do
not recall, far above 1 / V: .29 for 6 draws from 16 values. Draws here are uniform and independent, n draws from V.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np


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
    mean = num_draws / num_values
    spread = 12 * math.sqrt(mean) + 40  # beyond, a Poisson count has a probability below 1e-30
    lowest, highest = max(0, math.floor(mean - spread)), min(num_draws, math.ceil(mean + spread))
    counts = np.arange(lowest, highest + 1)
    masses = _poisson(counts, mean)
    size = 1 << (num_values * (highest - lowest)).bit_length()  # of the transform: no power wraps around
    total = num_draws - num_values * lowest
    whole = float(_poisson(np.array([num_draws]), num_draws)[0])
    least = math.ceil(mean)
    missing = 0.0
    for most in range(least, highest):
        power = np.fft.irfft(np.fft.rfft(np.where(counts <= most, masses, 0), size) ** num_values, size)
        missing += 1 - min(max(float(power[total]) / whole, 0.0), 1.0)
    return (least + missing) / num_draws


def _poisson(counts: np.ndarray, mean: float) -> np.ndarray:
    """The probabilities of the counts."""
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
