"""A card's seeds against a rival's, exactly: each way to say whose the seeds are chooses their rates anew.

A seed is reported at the rate that is best on its group's other seeds: on three of a card, on fifteen of a rival. Where
rates are nearly tied fewer seeds choose worse, so that scores which are chosen already are no two samples of one law,
though the mixers be one. Whole runs are: under the null every seed is a row of one table, and which rows are the
card's is chance alone.

Ways are compared by Student's t and not by the difference of the means: where two mixers want different rates, a group
of both is told at a rate that fits one of them, and its mean falls as low as the worse mixer's, though its seeds are
far apart. By differences .30 against 1.00 without a seed between was not decided. (Were scores not chosen anew, t and
the difference would order all ways alike.)
"""

from collections.abc import Mapping
from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

_CLOSE = 1e-9  # of t: what is one but for the order of sums
_DIGIT = 1e-6  # scores have six: seeds that are nearer have no spread


class Runs(NamedTuple):
    """Every seed at every learning rate, rates ascending; what chooses a rate, and what is then told."""

    final: np.ndarray  # [S, A] scores at the end, 0 where diverged
    solved_at: np.ndarray  # [S, A] steps, inf where not solved
    loss: np.ndarray  # [S, A] of the last validation, inf where diverged


def read_runs(told: Mapping[str, Any]) -> Runs:
    """Runs as card.json and baselines.json have them, None for what is infinite.

    >>> read_runs({"final": [[0.5]], "solved_at": [[None]], "loss": [[1.5]]}).solved_at
    array([[inf]])
    """
    arrays = {key: np.array(told[key], float) for key in Runs._fields}  # None is NaN
    return Runs(**{key: np.where(np.isnan(array), np.inf, array) for key, array in arrays.items()})


def told_runs(runs: Runs) -> dict[str, list[list[Any]]]:
    """The same for JSON: six digits, of a loss six figures, for small ones choose rates too.

    >>> told_runs(Runs(np.array([[0.25]]), np.array([[np.inf]]), np.array([[0.000123456789]])))
    {'final': [[0.25]], 'solved_at': [[None]], 'loss': [[0.000123457]]}
    """
    write = {
        "final": lambda value: round(value, 6),
        "solved_at": lambda value: int(value) if np.isfinite(value) else None,
        "loss": lambda value: float(f"{value:.6g}") if np.isfinite(value) else None,
    }
    return {key: [[*map(write[key], row)] for row in array.tolist()] for key, array in runs._asdict().items()}


def relabelled_p(own: Runs, other: Runs, budget: float) -> float:
    """Two-sided p that a card's seeds and a rival's are of one mixer: twice the smaller of two shares.

    With n and m seeds all C(n + m, n) ways to say which are the card's are counted: in each, both groups choose the
    rate of each of their seeds on their other seeds, as `cross_fitted_rates` does, and Student's t, but for its factor
    of n and m, is compared with the one seen: (mean_1 - mean_2) / sqrt(s^2 + 1e-12), s^2 the mean square within both
    groups. So p <= a in at most a share a of cards of a renamed rival, however its rates lie.

    Args:
      own: of the card.
      other: of the rival, at the same rates.
      budget: the horizon of steps to solve.

    Returns:
      p; 1 where a group has one seed, which has no others to choose its rate.

    Reference: Fisher (1935), The Design of Experiments, section 21; Phipson & Smyth (2010), Stat. Appl. Genet. 9.
    """
    n, m = len(own.final), len(other.final)
    if min(n, m) < 2:
        return 1.0
    both = Runs(*(np.concatenate(pair) for pair in zip(own, other, strict=True)))
    shares, beside, which = _ways(n, m)
    places = _best_places(beside, both, budget)[which]  # [W, n + m]
    t = _student(both.final[np.arange(n + m), places], shares)
    close = _CLOSE * max(1, abs(t[0]))
    as_far = (t >= t[0] - close).mean(), (t <= t[0] + close).mean()
    return min(1.0, 2 * float(min(as_far)))


def _student(scores: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """t of each row [W, N], but for a factor that is the same for all; where nothing spreads, by differences alone.

    Args:
      scores: [W, N].
      shares: of each in the difference of the means, 1 / n in the one group and -1 / m in the other.
    """
    mine = shares > 0
    means = [(scores * np.abs(shares) * group).sum(1, keepdims=True) for group in (mine, ~mine)]
    within = ((scores - np.where(mine, *means)) ** 2).sum(1) / (scores.shape[1] - 2)
    return (means[0] - means[1])[:, 0] / np.sqrt(within + _DIGIT**2)


@cache
def _ways(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every way to say whose the n + m seeds are, the one seen first.

    Returns:
      The share of each seed in the difference of the means [W, N]; every set of seeds that chooses a rate [R, N], 1
      where a seed is in it; and which of these each seed has beside it [W, N].
    """
    taken = np.array([*combinations(range(n + m), n)])
    mine = np.zeros((len(taken), n + m), bool)
    np.put_along_axis(mine, taken, values=True, axis=1)
    bits = 1 << np.arange(n + m)
    group = np.where(mine, (mine @ bits)[:, None], (~mine @ bits)[:, None])
    sets, which = np.unique(group - bits, return_inverse=True)  # 16,644 of 4 and 16 seeds, each many times
    return np.where(mine, 1 / n, -1 / m), (sets[:, None] & bits > 0).astype(float), which.reshape(mine.shape)


def _best_places(beside: np.ndarray, runs: Runs, budget: float) -> np.ndarray:
    """The rate that is best on these seeds: most solved, then fewest restricted steps, then the least loss.

    Args:
      beside: [R, S], 1 where a seed counts.
      runs: S seeds.
      budget: the horizon.

    Returns:
      [R] places; ties go to the smaller rate.
    """
    solved, finite = np.isfinite(runs.solved_at), np.isfinite(runs.loss)
    told = [~solved, np.minimum(runs.solved_at, budget), ~finite, np.where(finite, runs.loss, 0)]  # smaller is better
    sums = beside @ np.concatenate([np.asarray(array, float) for array in told], 1)  # [R, 4 A]
    rates = runs.final.shape[1]
    worse = np.minimum(sums[:, 2 * rates : 3 * rates], 1)  # one loss without bound makes the mean so
    loss = np.where(worse > 0, 0, sums[:, 3 * rates :])
    keys = loss, worse, sums[:, rates : 2 * rates], sums[:, :rates]  # the last goes first
    return np.lexsort(keys, axis=1)[:, 0]
