"""Time to solve as survival analysis has it: a band around the share solved, and the test of two whole curves.

scipy is imported inside the functions.
"""

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from attn_jax.lab.outcome.intervals import LEVEL, Bounds
from attn_jax.lab.outcome.statistics import clopper_pearson, one_a_seed

_DIVISIONS = 20_000  # of the runs in two groups: all where they are no more, else as many drawn
_RNG_SEED = 0  # one fixed stream: a result is a function of its data
_ROUNDING = 1e-9  # of a sum of scores: a division that gives the same one is as far out


class LogRank(NamedTuple):
    """Whether two curves differ; above 0 is z where a solved more runs, sooner, than it would were they alike."""

    z: float
    p: float  # two-sided
    method: str  # of p


def greenwood(steps: ArrayLike, observed: ArrayLike, times: ArrayLike, level: float = LEVEL) -> Bounds:
    """The band around the share solved by each time: Greenwood's variance of log(-log S), so that it stays in [0, 1].

    S(t) ^ exp(-+ z v(t)), v(t)^2 = sum over t_i <= t of d_i / (n_i (n_i - d_i)) / log(S(t))^2: d_i runs solve the task
    at t_i of n_i that had not. It holds the curve at each time, not everywhere at once. Before the first run solves it,
    and once all have, there is no variance: the bound of Clopper and Pearson of 0, or n, of all n runs.

    Args:
      steps: [n] the step at which a run solved the task, or at which it was last seen unsolved.
      observed: [n] bool, True where it solved the task.
      times: [N] where the band is wanted.
      level: coverage at each time.

    Returns:
      low and high [N] of the share solved, 1 - S.

    >>> low, high = greenwood([100, 200, 400, 400], [True, True, False, False], [0, 200])
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.155], [0.602, 0.942])

    Reference: Greenwood (1926); Kalbfleisch and Prentice (2002), The Statistical Analysis of Failure Time Data, 1.4.
    """
    from scipy import special

    steps, observed = one_a_seed("steps", steps), np.asarray(observed, bool)
    solving = np.unique(steps[observed])
    n = np.array([(steps >= time).sum() for time in solving], float)
    d = np.array([(steps[observed] == time).sum() for time in solving], float)
    z, bounds = special.ndtri((1 + level) / 2), []
    for time in np.asarray(times, float):
        until = solving <= time
        left = np.prod(1 - d[until] / n[until])
        if left in (0.0, 1.0):
            bounds.append(clopper_pearson(0 if left else len(steps), len(steps), level)[1:3])
            continue
        spread = z * np.sqrt((d[until] / (n[until] * (n[until] - d[until]))).sum()) / np.log(left)
        bounds.append(sorted(1 - left ** np.exp((spread, -spread))))
    low, high = np.array(bounds).T
    return low, high


def log_rank(steps_a: ArrayLike, solved_a: ArrayLike, steps_b: ArrayLike, solved_b: ArrayLike) -> LogRank:
    """Whether one of two groups of runs solves the task sooner, over the whole of both curves; seeds are not paired.

    z = (runs of a that solved - as many as expected were the curves one) / its standard deviation, each time a table of
    who solved and who had not. p is of a permutation test: the share of divisions of all runs into groups of these
    sizes in which a's count is as far from what is expected, all of them where they are 20,000 at most (8 and 8 runs
    have 12,870), else so many random ones, this one counted among them.

    Args:
      steps_a, steps_b: [n] and [m] the steps to solve, or at which a run was last seen unsolved.
      solved_a, solved_b: [n] and [m] bool.

    Returns:
      z and p.

    >>> log_rank([100, 200, 200], [True] * 3, [300, 400, 400], [True, False, False]).p
    0.1

    Reference: Mantel (1966), Cancer Chemother. Rep. 50; Peto and Peto (1972), J. R. Stat. Soc. A 135.
    """
    a, b = one_a_seed("steps_a", steps_a), one_a_seed("steps_b", steps_b)
    steps, solved = np.concatenate([a, b]), np.concatenate([np.asarray(solved_a, bool), np.asarray(solved_b, bool)])
    if steps.shape != solved.shape:
        raise ValueError(f"solved: got {solved.size} flags for {steps.size} runs, wanted one a run")
    times = np.unique(steps[solved])
    at_risk = steps[:, None] >= times
    n, n_a = at_risk.sum(0).astype(float), at_risk[: len(a)].sum(0)
    d = (solved[:, None] & (steps[:, None] == times)).sum(0)
    scores = solved - (at_risk * d / n).sum(1)  # a run's own count less what was expected of it; they sum to 0
    variance = (d * n_a / n * (1 - n_a / n) * (n - d) / np.maximum(n - 1, 1)).sum()
    z = scores[: len(a)].sum() / np.sqrt(variance) if variance > 0 else 0.0
    return LogRank(float(z), *_permutation(scores, len(a)))


def _permutation(scores: np.ndarray, size: int) -> tuple[float, str]:
    """Two-sided p of the sum of the first `size` scores among sums of as many of them, and how it was found."""
    seen, count = abs(scores[:size].sum()) - _ROUNDING, comb(len(scores), size)
    if count <= _DIVISIONS:
        groups = np.array(list(combinations(range(len(scores)), size)))
        return float((abs(scores[groups].sum(1)) >= seen).mean()), "exact permutation"
    values, counts = np.unique(scores, return_counts=True)  # a division is how many of each value fall to a
    draw = np.random.default_rng(_RNG_SEED).multivariate_hypergeometric
    farther = (abs(draw(counts, size, _DIVISIONS, method="marginals") @ values) >= seen).sum()
    return float((farther + 1) / (_DIVISIONS + 1)), "permutation"
