"""Two models compared seed by seed: exact tests on few pairs, and the correction for testing many.

The smallest p that n paired seeds can reach is 2 / 2 ** n (.0078 for 8, .0625 for 5), by sign-flips and by McNemar's
test alike: `fewest_seeds` says how many a grid of tests needs. scipy.stats is imported inside the functions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from attn_jax.lab.outcome.intervals import LEVEL, UNLIMITED, Limits
from attn_jax.lab.outcome.statistics import clopper_pearson, mean_interval, one_a_seed

_RESAMPLES = 9999
_HELD = 500_000  # numbers of a batch of resamples: what a cache takes
_RNG_SEED = 0  # one fixed stream: a result is a function of its data


class Difference(NamedTuple):
    """A paired difference a - b, its interval, the p value of no difference, and how the interval was made."""

    value: float
    low: float  # -inf and inf: values without limits that agree bound nothing
    high: float
    p: float
    method: str


def paired_difference(a: ArrayLike, b: ArrayLike, limits: Limits = UNLIMITED, level: float = LEVEL) -> Difference:
    """Mean of a - b over pairs, tested by sign-flips: under no difference each a_i - b_i may as well be negated.

    p = share of the 2 ** n sign vectors s with |mean(s d)| >= |mean(d)|: all of them up to n = 13, above it 9,999
    random ones. With n = 8 the smallest p is 2 / 256; with n <= 5 nothing can reach .05. The interval is Student's, of
    the differences: it says how large the difference may be, is finite with two pairs too, and may exclude 0 where p,
    which supposes no normal values, does not decide. Decisions are p's alone.

    Args:
      a, b: [n] finite values of two models, paired by seed.
      limits: the smallest and the largest value of either; their difference is at most as far from 0 as these apart.
      level: coverage of the interval.

    Returns:
      The difference, its interval and p.

    Raises:
      ValueError: unequal or empty shapes, values that are not finite.

    >>> result = paired_difference([3, 5, 4, 6, 5, 3, 4, 5], [1, 2, 1, 2, 2, 1, 1, 2])
    >>> result.value, round(result.low, 2), round(result.high, 2), result.p
    (2.875, 2.34, 3.41, 0.0078125)

    Reference: Fisher (1935), The Design of Experiments, section 21.
    """
    a, b = one_a_seed("a", a), one_a_seed("b", b)
    if a.shape != b.shape:
        raise ValueError(f"b: got shape {b.shape}, wanted that of a, {a.shape}: seeds are paired")
    apart = limits[1] - limits[0]
    value, low, high, method = mean_interval(a - b, (-apart, apart), level)
    return Difference(value, low, high, sign_flip_p(a - b), method)


def paired_solved(solved_a: ArrayLike, solved_b: ArrayLike, level: float = LEVEL) -> Difference:
    """Difference of two paired solved fractions, decided by McNemar's exact test.

    Of m seeds on which exactly one of the two solved, the share won by a has the Clopper-Pearson interval [t1, t2];
    m / n has [r1, r2]. The difference is (2 t - 1) r, so its interval spans the extremes of that product: it excludes
    0 exactly where McNemar's p <= 1 - level, and it is conservative: enumerated, its coverage is at least .957 for
    n = 1 to 40 at level .95.

    Args:
      solved_a, solved_b: [n] bool, paired by seed.
      level: coverage of the interval.

    Returns:
      The difference of the shares, its interval and p.

    >>> paired_solved([True] * 8, [False] * 8).p
    0.0078125
    """
    p = mcnemar_exact(solved_a, solved_b)
    a, b = np.asarray(solved_a, bool), np.asarray(solved_b, bool)
    wins, discordant = int((a & ~b).sum()), int((a ^ b).sum())
    won_low, won_high = clopper_pearson(wins, discordant, level)[1:3] if discordant else (0.0, 1.0)
    _, share_low, share_high, method = clopper_pearson(discordant, len(a), level)
    low = (2 * won_low - 1) * (share_low if won_low > 0.5 else share_high)
    high = (2 * won_high - 1) * (share_low if won_high < 0.5 else share_high)
    return Difference((2 * wins - discordant) / len(a), low, high, p, method)


def mcnemar_exact(solved_a: ArrayLike, solved_b: ArrayLike) -> float:
    """p that two models solve equally often: a two-sided binomial test on the seeds where they differ.

    Args:
      solved_a, solved_b: [n] bool, paired by seed.

    Returns:
      p; 1 where they differ on no seed.

    Raises:
      ValueError: unequal or empty shapes.

    >>> mcnemar_exact([True, True, True, True], [False, False, False, True])
    0.25

    Reference: McNemar (1947), Psychometrika 12.
    """
    a, b = np.asarray(solved_a, bool), np.asarray(solved_b, bool)
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise ValueError(f"solved_b: got shape {b.shape}, wanted that of solved_a, {a.shape}, one entry a seed")
    from scipy import stats

    discordant = int((a ^ b).sum())
    return float(stats.binomtest(int((a & ~b).sum()), discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for a grid of tests: sorted, p_(i) = max over j <= i of min(1, (m - j) p_(j)), j from 0.

    Rejecting where the adjusted p is below .05 makes one or more false rejections with probability below .05, whatever
    the tests' dependence.

    Args:
      p_values: m of them, in [0, 1].

    Returns:
      The adjusted values, in the order given.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]

    Reference: Holm (1979), Scand. J. Statist. 6.
    """
    p = np.asarray(p_values, float)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_values: got {list(p_values)}, wanted values in [0, 1]")
    order = np.argsort(p, kind="stable")
    scaled = np.minimum(1.0, p[order] * (p.size - np.arange(p.size)))
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(scaled)
    return adjusted.tolist()


def sign_flip_p(difference: np.ndarray) -> float:
    """Two-sided p of a mean of 0; scipy enumerates the flips where there are no more of them than resamples.

    Args:
      difference: [n] a - b of each pair.
    """
    if len(difference) == 1:
        return 1.0
    from scipy import stats

    test = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=max(1, _HELD // len(difference)),
        rng=np.random.default_rng(_RNG_SEED),
    )
    return float(test.pvalue)


def fewest_seeds(tests: float, level: float = 0.05) -> int:
    """The fewest paired seeds with which one of `tests` exact tests can stay below `level` after Holm's correction.

    Looks at a growing study count as so many times the tests.

    >>> fewest_seeds(1), fewest_seeds(6), fewest_seeds(9)
    (6, 8, 9)
    """
    return next(n for n in range(1, 64) if tests * smallest_p(n) < level)


def smallest_p(pairs: int) -> float:
    """What no test of so many pairs goes below: of all their signs two are as one-sided as can be.

    >>> smallest_p(8), smallest_p(1)
    (0.0078125, 1.0)
    """
    return 2.0 ** (1 - pairs)
