"""Statistics over few seeds, on arrays: no run is dropped, no answer is NaN, the same input gives the same bits.

What eight seeds can say is little, and these functions say how little: 8 of 8 solved is [.63, 1], 0 of 8 is [0, .37].
Two models are compared by `lab/outcome/paired.py`; how intervals of means are made, `lab/outcome/intervals.py` says.
scipy.stats is imported inside the functions: it takes longer to load than most of them to run.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from attn_jax.lab.outcome.intervals import (
    CHOSEN,
    LEVEL,
    NO_SPREAD,
    UNLIMITED,
    Bounds,
    Limits,
    student,
    trimmed,
    tukey_mclaughlin,
    within,
)


class Interval(NamedTuple):
    """A value, the interval around it, and how that was made."""

    value: float
    low: float  # -inf and inf: values without limits that agree bound nothing
    high: float
    method: str


class Curve(NamedTuple):
    """A right-continuous step function: `solved[i]` holds from `times[i]` to before `times[i + 1]`."""

    times: np.ndarray  # [N] ascending, from 0 to the budget
    solved: np.ndarray  # [N] share of runs that have solved the task: 1 - survival


def clopper_pearson(successes: int, n: int, level: float = LEVEL) -> Interval:
    """The exact interval of a share: every p that a two-sided binomial test does not reject.

    Args:
      successes: runs that solved the task.
      n: runs, at least 1.
      level: coverage, at least this for every true share.

    Returns:
      successes / n and its interval.

    Raises:
      ValueError: successes outside 0..n.

    >>> [round(bound, 3) for bound in clopper_pearson(5, 5)[:3]]
    [1.0, 0.478, 1.0]

    Reference: Clopper and Pearson (1934), Biometrika 26.
    """
    if not (n >= 1 and 0 <= successes <= n):
        raise ValueError(f"successes: got {successes} of n = {n}, wanted 0 <= successes <= n and n >= 1")
    from scipy import stats

    bounds = stats.binomtest(int(successes), int(n)).proportion_ci(level, method="exact")
    return Interval(successes / n, float(bounds.low), float(bounds.high), "Clopper-Pearson")


def kaplan_meier(steps: ArrayLike, observed: ArrayLike, budget: float) -> Curve:
    """The solved fraction over training: the product-limit estimate 1 - prod (1 - solved_i / at risk_i).

    Args:
      steps: [n] the step at which a run solved the task, or at which it was last seen unsolved.
      observed: [n] bool, True where it solved the task. False: censored, it stays at risk until then.
      budget: the horizon of the study; the curve ends there.

    Returns:
      The curve from (0, 0) to the budget. When every run is censored at the budget, as in a study, it is the
      empirical curve.

    Raises:
      ValueError: no runs, unequal shapes, or a run that solved the task at no step of 1 to the budget.

    >>> kaplan_meier([100, 200, 400, 400], [True, True, False, False], 400).solved.tolist()
    [0.0, 0.25, 0.5, 0.5]

    Reference: Kaplan and Meier (1958), J. Amer. Statist. Assoc. 53.
    """
    steps, observed = one_a_seed("steps", steps), np.asarray(observed, bool)
    if steps.shape != observed.shape:
        raise ValueError(f"observed: got shape {observed.shape}, wanted that of steps, {steps.shape}")
    if not ((steps[observed] > 0) & (steps[observed] <= budget)).all():
        raise ValueError(f"steps: got {steps[observed].tolist()} of solved runs, wanted steps above 0 up to {budget}")
    times, solved, survival = [0.0], [0.0], Fraction(1)  # exact: half of the runs is .5, not a little less
    for time in np.unique(steps[observed]):
        survival *= 1 - Fraction(int((steps[observed] == time).sum()), int((steps >= time).sum()))
        times.append(float(time))
        solved.append(float(1 - survival))
    if times[-1] != budget:
        times, solved = [*times, float(budget)], [*solved, solved[-1]]
    return Curve(np.array(times), np.array(solved))


def median_time(curve: Curve) -> float | None:
    """The first time at which half of the runs have solved the task; None where the curve never gets there.

    >>> median_time(kaplan_meier([100, 200, 400, 400], [True, True, False, False], 400))
    200.0
    """
    reached = np.flatnonzero(curve.solved >= 0.5)
    return float(curve.times[reached[0]]) if reached.size else None


def mean_interval(values: ArrayLike, limits: Limits = UNLIMITED, level: float = LEVEL) -> Interval:
    """The mean over seeds with Student's interval, cut to the limits of the measure.

    Args:
      values: [n] one a seed.
      limits: the smallest and the largest value that the measure can have.
      level: coverage, where the values are near normal; `CHOSEN` says where it is less.

    Returns:
      The mean and its interval. Where all values agree, what the limits alone let be said of the mean, infinite where
      there are none; the method is "no spread".

    >>> [round(number, 2) for number in mean_interval([0.5, 0.7, 0.9], (0, 1))[:3]]
    [0.7, 0.2, 1.0]
    """
    array = one_a_seed("values", values)
    return _interval("mean", float(array.mean()), student(array, level), array, limits, level)


def restricted_mean(steps: ArrayLike, budget: float) -> Interval:
    """Mean steps to solve within the budget, mean(min(steps, budget)), with Student's interval within [0, budget].

    It is the area under the survival curve up to the budget, because all runs have that same horizon. An unsolved run
    counts the whole budget, so the mean is a lower bound on the time to solve.

    Args:
      steps: [n] steps to solve; inf where a run did not.
      budget: the horizon.

    Returns:
      The mean and its interval; where all agree, as `mean_interval`.

    >>> restricted_mean([100, 300, float("inf")], 500).value
    300.0

    Reference: Royston and Parmar (2013), BMC Med. Res. Methodol. 13:152.
    """
    restricted = np.minimum(one_a_seed("steps", steps, infinite=True), budget)
    return mean_interval(restricted, (0.0, budget))


def interquartile_mean(values: ArrayLike, limits: Limits = UNLIMITED) -> Interval:
    """The mean of the middle half, a quarter (rounded down) cut off each end, with Tukey and McLaughlin's interval.

    Args:
      values: [n] one score a seed. Below n = 4 nothing is cut off.
      limits: the smallest and the largest value that the score can have.

    Returns:
      The mean and its interval; where all agree, as `mean_interval`.

    >>> interquartile_mean([0, 1, 1, 1, 1, 1, 1, 8]).value
    1.0

    Reference: Agarwal et al. (2021), arXiv 2108.13264 (over seeds alone; no runs are pooled over tasks).
    """
    array = one_a_seed("values", values)
    cut = trimmed(len(array))
    value = float(np.sort(array)[cut : len(array) - cut].mean())
    return _interval("interquartile mean", value, tukey_mclaughlin(array), array, limits, LEVEL)


def _interval(estimand: str, value: float, bounds: Bounds, array: np.ndarray, limits: Limits, level: float) -> Interval:
    """A value between its bounds, with the method's name; where all agree the value itself, not its rounded mean."""
    low, high = within(bounds, array, limits, level, trim=estimand == "interquartile mean")
    agree = bool((array == array[0]).all())
    method = NO_SPREAD if agree else CHOSEN[estimand].method
    return Interval(float(array[0]) if agree else value, float(low), float(high), method)


def one_a_seed(name: str, values: ArrayLike, *, infinite: bool = False) -> np.ndarray:
    """A non-empty float64 vector without NaN (and without infinities, unless they are allowed)."""
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name}: got shape {array.shape}, wanted [n], one value a seed, n >= 1")
    if np.isnan(array).any() or not (infinite or np.isfinite(array).all()):
        raise ValueError(f"{name}: got {array.tolist()}, wanted {'no NaN' if infinite else 'finite values'}")
    return array
