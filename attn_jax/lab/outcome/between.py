"""Two studies of one task set side by side: what each model in both changed by, from the first study to the second.

Where both trained the same seeds on the same data the difference is paired by seed, as within a study; else the seeds
are two samples. scipy is imported inside the functions.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from attn_jax.lab.outcome.intervals import LEVEL, UNLIMITED, Limits
from attn_jax.lab.outcome.paired import Difference, holm, paired_difference, paired_solved
from attn_jax.lab.outcome.selection import chosen_runs, chosen_steps
from attn_jax.lab.outcome.statistics import Interval, mean_interval, one_a_seed

_RESAMPLES = 9999
_RNG_SEED = 0  # one fixed stream: a result is a function of its data

# of TrainConfig, beside task and lengths: what decides the batches that a seed sees
_DATA = ("batch_size", "first_seed", "seeds", "num_examples")


class Change(NamedTuple):
    """One measure of one model, in the first study and in the second, and second - first."""

    model: str
    measure: Literal["solved", "steps", "final"]
    first: float
    second: float
    difference: Difference  # its p adjusted by Holm over all changes


def scores_differ(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What makes scores of two studies those of different tasks; none where they may be compared.

    Args:
      first, second: what their study.json hold.
    """
    asked = {
        "task": lambda facts: facts["config"]["task"],
        "strings": lambda facts: facts["config"]["strings"],
        "the task's source": lambda facts: facts["task"]["source"],
        "train.lengths": lambda facts: facts["task"]["train_lengths"],
    }
    return [name for name, of in asked.items() if of(first) != of(second)]


def is_paired(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether both studies of one task trained the same seeds on the same batches.

    Args:
      first, second: what their study.json hold.
    """
    trained = [[facts["config"]["train"].get(key) for key in _DATA] for facts in (first, second)]
    return trained[0] == trained[1]


def changes(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    horizon: float,
    final_limits: Limits,
    *,
    paired: bool,
    timed: bool,
) -> list[Change]:
    """What each model in both studies changed by, in every measure.

    Solved means within the smaller budget of the two, and steps are cut off there, so that a study is not better for
    having been given more of them. Final scores are those at the end of each study's own budget.

    Args:
      first, second: what `summarize` made of each.
      horizon: the smaller budget.
      final_limits: the smallest and the largest final score that there can be.
      paired: whether their seeds are the same.
      timed: whether the task says what solved means.

    Returns:
      Changes in the order of the first study's models; each p is adjusted by Holm over all of them.
    """
    limits = {"steps": (0.0, horizon), "final": final_limits}
    difference = paired_difference if paired else unpaired_difference
    found: list[Change] = []
    for name in (name for name in first["models"] if name in second["models"]):
        a, b = (_measures(summary["models"][name], horizon, timed=timed) for summary in (second, first))
        for measure, values in a.items():
            pair = values, b[measure]
            solved = paired_solved if paired else unpaired_solved
            apart = solved(*pair) if measure == "solved" else difference(*pair, limits[measure])
            found.append(Change(name, measure, float(b[measure].mean()), float(values.mean()), apart))
    adjusted = holm([change.difference.p for change in found])
    return [
        change._replace(difference=change.difference._replace(p=p)) for change, p in zip(found, adjusted, strict=True)
    ]


def _measures(model: Mapping[str, Any], horizon: float, *, timed: bool) -> dict[Any, np.ndarray]:
    """[S] each, of the runs that stand for the seeds."""
    final = np.array([run["final"] for run in chosen_runs(model)])
    if not timed:
        return {"final": final}
    steps = chosen_steps(model)
    return {"solved": steps <= horizon, "steps": np.minimum(steps, horizon), "final": final}


def unpaired_difference(a: ArrayLike, b: ArrayLike, limits: Limits = UNLIMITED, level: float = LEVEL) -> Difference:
    """Mean of a - mean of b, tested by handing the values out anew to the two samples; the interval is Welch's.

    p = twice the smaller share of the divisions whose difference is at least, or at most, as large. All are counted up
    to 9,999 of them, as many drawn above. Interval and p are of two methods: near p = 1 - level they may disagree.
    Where a sample has one value, or neither has a spread, the interval spans all differences between the two samples'
    own intervals: longer than it need be, but never a point.

    Args:
      a, b: [n] and [m] finite values of two samples.
      limits: the smallest and the largest value of either.
      level: coverage of the interval.

    >>> unpaired_difference([3.0, 5.0, 4.0], [1.0, 2.0, 1.5]).p
    0.1

    Reference: Welch (1947), Biometrika 34.
    """
    a, b = one_a_seed("a", a), one_a_seed("b", b)
    value, low, high, method = welch_interval(a, b, limits, level)
    return Difference(value, low, high, _permutation_p(a, b) if min(len(a), len(b)) > 1 else 1.0, method)


def welch_interval(a: ArrayLike, b: ArrayLike, limits: Limits = UNLIMITED, level: float = LEVEL) -> Interval:
    """Mean of a - mean of b and Welch's interval, as `unpaired_difference` has it, not tested."""
    a, b = one_a_seed("a", a), one_a_seed("b", b)
    value, apart = float(a.mean() - b.mean()), limits[1] - limits[0]
    if min(len(a), len(b)) < 2 or np.ptp(a) == np.ptp(b) == 0:
        (_, low_a, high_a, method), (_, low_b, high_b, _) = (mean_interval(values, limits, level) for values in (a, b))
        return Interval(value, low_a - high_b, high_a - low_b, method)
    from scipy import special

    errors = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (len(a) - 1) + errors[1] ** 2 / (len(b) - 1))
    half = float(special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(sum(errors)))
    return Interval(value, max(value - half, -apart), min(value + half, apart), "Welch")


def unpaired_solved(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Difference:
    """Difference of the solved shares of two samples: the permutation test, and Newcombe's hybrid score interval.

    >>> [round(float(x), 3) for x in unpaired_solved([True] * 8, [False] * 8)[:3]]
    [1.0, 0.541, 1.0]

    Reference: Newcombe (1998), Stat. Med. 17, method 10.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    (p, low_a, high_a), (q, low_b, high_b) = (_wilson(values, level) for values in (a, b))
    low = p - q - np.sqrt((p - low_a) ** 2 + (high_b - q) ** 2)
    high = p - q + np.sqrt((high_a - p) ** 2 + (q - low_b) ** 2)
    chance = _permutation_p(a, b) if min(len(a), len(b)) > 1 else 1.0
    return Difference(float(p - q), float(low), float(high), chance, "Newcombe")


def _wilson(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """A share of n and its score interval."""
    from scipy import special

    p, n, z = values.mean(), len(values), special.ndtri((1 + level) / 2)
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return p, middle - half, middle + half


def _permutation_p(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(np.concatenate([a, b])) == 0:  # nothing to be handed out anew
        return 1.0
    from scipy import stats

    test = stats.permutation_test(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        vectorized=True,
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(_RNG_SEED),
    )
    return float(test.pvalue)
