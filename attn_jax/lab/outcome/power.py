"""How many seeds would decide what these seeds do not: simulated, from the differences seen.

A study of n seeds is drawn from the seeds at hand, as often as `_DRAWS`; the count is the smallest n at which the test
decides in 80 % of them. It is about right where the effect seen is: an effect seen in few seeds is itself uncertain.
The same draws and sign-flips serve every n, and every call, so that the answer is a function of its data.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from attn_jax.lab.outcome.sides import Side, excludes

POWER = 0.8
MOST_SEEDS = 256  # more are not looked for
_DRAWS = 400
_RNG_SEED = 0  # one fixed stream: an answer is a function of its data
_EXACT_SEEDS = 12  # up to which every sign vector is tried
_FLIPPED_SEEDS = 32  # above, the sum of so many flipped differences is as good as normal
_FLIPS = 4096
_TIED = 1e-5  # relative: float32 sums in another order


def seeds_to_decide(
    differences: np.ndarray, side: Side, level: float, *, shares: bool, shift: float = 0.0
) -> int | None:
    """The fewest seeds with which a test would decide, four times of five, that the difference lies where it was seen.

    Args:
      differences: [S] a - b, one a seed, S at least 2.
      side: the region in which their mean lies.
      level: what p must be below, all corrections for other tests taken off it.
      shares: whether they are of solved and not solved.
      shift: is added to each difference, to ask for another effect of the same spread.

    Returns:
      The count; None where none up to `MOST_SEEDS` would do: nor for no effect, nor where one seed shows no spread.
    """
    if len(differences) < 2 or differences.mean() in side.borders:
        return None
    power = _power_of_shares if shares else _power_of_means
    enough = lambda n: power(differences, side, level, shift, n) >= POWER  # noqa: E731
    return _smallest(enough, MOST_SEEDS)


def _smallest(enough: Callable[[int], bool], most: int) -> int | None:
    """Bisection: what is enough is taken to stay enough."""
    if not enough(most):
        return None
    too_few = 0
    while most - too_few > 1:
        middle = (too_few + most) // 2
        if enough(middle):
            most = middle
        else:
            too_few = middle
    return most


def _power_of_means(differences: np.ndarray, side: Side, level: float, shift: float, n: int) -> float:
    """The share of simulated studies whose sign-flips decide.

    The seeds drawn from have less spread than those they stand for, (S - 1) / S of the variance: they are spread out.
    """
    mean, count = differences.mean(), len(differences)
    spread = (differences - mean) * (count / (count - 1)) ** 0.5
    drawn = (mean + shift + spread)[_places(count)[:, :n]]
    decided = np.ones(len(drawn), bool)
    for border in side.borders:
        beyond = (drawn.mean(axis=1) - border) * (mean - border) > 0
        decided &= beyond & (_flipped_p(drawn - border) * side.tails / 2 < level)
    return float(decided.mean())


def _flipped_p(drawn: np.ndarray) -> np.ndarray:
    """[D] two-sided p of the sign-flip test, of D studies [D, n]; exact where `paired` is."""
    n = drawn.shape[1]
    if n > _FLIPPED_SEEDS:
        from scipy import special

        spread = np.maximum((drawn**2).sum(axis=1), np.finfo(float).tiny)  # of nothing but zeros, p is 1
        return special.erfc(np.abs(drawn.sum(axis=1)) / np.sqrt(2 * spread))
    signs = _all_signs(n) if n <= _EXACT_SEEDS else _random_signs()[:, :n]
    values = drawn.T.astype(np.float32)
    as_far = np.abs(values.sum(axis=0)) - _TIED * np.abs(values).sum(axis=0)
    return (np.abs(signs @ values) >= as_far).mean(axis=0)


def _power_of_shares(differences: np.ndarray, side: Side, level: float, shift: float, n: int) -> float:
    """The share of simulated studies whose counts of seeds won and lost decide."""
    won, lost = np.mean(differences > 0), np.mean(differences < 0)
    tied, lead = 1 - won - lost, np.clip(won - lost + shift, -1, 1)
    split = max(won + lost, abs(lead))  # a shifted lead keeps the share of seeds that differ, where it can
    shares = np.maximum([(split + lead) / 2, (split - lead) / 2, min(tied, 1 - split)], 0)
    wins, losses, _ = np.random.default_rng(_RNG_SEED).multinomial(n, shares / shares.sum(), _DRAWS).T
    decided = np.ones(_DRAWS, bool)
    for border in side.borders:
        beyond = ((wins - losses) / n - border) * (won - lost - border) > 0
        decided &= beyond & excludes(wins, losses, n, border, level * 2 / side.tails)
    return float(decided.mean())


def _all_signs(n: int) -> np.ndarray:
    """[2 ** (n - 1), n] the sign vectors whose last entry is 1: the others are their negatives."""
    return 1 - 2 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1).astype(np.float32)


@cache
def _random_signs() -> np.ndarray:
    """The data's own signs, then random ones."""
    signs = np.random.default_rng(_RNG_SEED).choice(np.array([-1, 1], np.float32), (_FLIPS, _FLIPPED_SEEDS))
    signs[0] = 1
    return signs


@cache
def _places(count: int) -> np.ndarray:
    """[D, MOST_SEEDS] which of the seeds each simulated one is."""
    return np.random.default_rng(_RNG_SEED + 1).integers(0, count, (_DRAWS, MOST_SEEDS))
