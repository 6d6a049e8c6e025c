"""What the ledger says of a published number: reproduced, direction, refuted, undecided, or not tried.

A reduced run shows at best a direction: that the contrast which the source printed has the same sign here. It is
decided with Holm's correction over all tests of the ledger, those that were not run included, so that what is decided
today does not depend on what is run tomorrow. Only a run of the source's own size can reproduce a number, and only by
the same functional: a maximum of k runs is held against where a maximum of k runs of ours would lie, never against a
mean, nor against one of fewer runs.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from math import comb
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from attn_jax.config import Cell
from attn_jax.config.published import Functional
from attn_jax.lab.outcome.decide import LEVEL, Decided, Pair, decide_pairs
from attn_jax.lab.outcome.intervals import Limits
from attn_jax.lab.outcome.paired import holm
from attn_jax.lab.outcome.statistics import mean_interval

Status: TypeAlias = Literal["reproduced", "direction", "refuted", "undecided", "not tried"]
STATUSES: tuple[Status, ...] = ("reproduced", "direction", "refuted", "undecided", "not tried")
Key = TypeVar("Key", bound=Hashable)
WIDEST = 0.1  # an interval that reproduces a number, in shares of what can be scored


def decide_ledger(
    pairs: Mapping[Key, Pair | None], level: float = LEVEL, *, doubted: Collection[Key] = ()
) -> dict[Key, Decided | None]:
    """Decides all tests of the ledger that were run, together with those that were not.

    Args:
      pairs: by any names, what each test of the ledger compares; None of one that was not run, which counts with p = 1.
      level: of the whole ledger.
      doubted: tests that decide nothing, whatever their p, as of `lab/outcome/doubts.py`.

    Returns:
      An answer a test, p adjusted by Holm's method over all of `pairs`; None where there is nothing to decide.
    """
    alone = {about: None if pair is None else decide_pairs([pair], level)[0] for about, pair in pairs.items()}
    adjusted = holm([1.0 if one is None else one.p for one in alone.values()])
    found: dict[Key, Decided | None] = {}
    for (about, one), p in zip(alone.items(), adjusted, strict=True):
        found[about] = one and one._replace(
            p=p,
            outcome=one.outcome if p < level and about not in doubted else "undecided",
            seeds_to_decide=None,
            seeds_to_decide_at_bound=None,
        )
    return found


def status_of(cell: Cell, answers: Sequence[Decided | None], values: np.ndarray | None = None) -> Status:
    """What became of one published number.

    Args:
      cell: what was printed.
      answers: of the tests that it takes part in, decided over the whole ledger; None of one that was not run.
      values: [R] of runs of the cell's own size, in shares of its unit; None where there are none.

    Returns:
      "reproduced" where `reproduces`; "refuted" where the contrary of a printed contrast is decided; "direction" where
      all of them are decided as printed; else "undecided".
    """
    if cell.reason or not answers or None in answers:
        return "not tried"
    if values is not None and reproduces(cell, values):
        return "reproduced"
    outcomes = {answer.outcome for answer in answers if answer is not None}
    if "fails" in outcomes:
        return "refuted"
    return "direction" if outcomes == {"holds"} else "undecided"


def reproduces(cell: Cell, values: np.ndarray) -> bool:
    """Whether the number that was printed lies in an interval no wider than .1 of the same functional of our runs."""
    bounds = comparable(cell, values)
    if bounds is None or isinstance(cell.value, str):
        return False
    low, high = bounds
    return high - low <= WIDEST and low <= cell.value / cell.unit <= high


def comparable(cell: Cell, values: np.ndarray) -> tuple[float, float] | None:
    """Where the functional that was printed would lie in as many runs of ours; None where it cannot be compared.

    It cannot where the size is not the source's, where the source does not say of how many runs it is, or where ours
    are fewer than these.
    """
    if not cell.same_size or len(values) < cell.runs:
        return None
    return foreseen(values, cell.functional, cell.runs)


def foreseen(
    values: np.ndarray, functional: Functional, runs: int, limits: Limits = (0.0, 1.0), level: float = LEVEL
) -> tuple[float, float] | None:
    """The interval in which a functional of `runs` further runs lies with probability 1 - level.

    A maximum: R runs seen and k to come are exchangeable, so all that come lie below the j-th smallest seen with
    probability C(k + j - 1, k) / C(R + k, k), whatever the distribution. A mean: Student's prediction,
    m +- t s sqrt(1 / R + 1 / k); where all values agree, what `mean_interval` lets be said of them.

    Args:
      values: [R], one a run.
      functional: "maximum" or "mean"; of anything else nothing is foreseen.
      runs: k.
      limits: the smallest and the largest value.
      level: what may lie outside, half of it on either side.

    Returns:
      (low, high), or None.

    >>> foreseen(np.array([0.91, 0.94, 0.96, 0.99]), "maximum", 4)
    (0.91, 1.0)
    """
    seen, R = np.sort(np.asarray(values, float)), len(values)
    if functional == "maximum":
        below = [comb(runs + j - 1, runs) / comb(R + runs, runs) for j in range(1, R + 1)]
        lower = [float(seen[j]) for j in range(R) if below[j] <= level / 2]
        upper = [float(seen[j]) for j in range(R) if 1 - below[j] <= level / 2]
        return max(lower, default=limits[0]), min(upper, default=limits[1])
    if functional != "mean" or R < 2:
        return None
    if seen[0] == seen[-1]:
        return mean_interval(seen, limits, 1 - level)[1:3]
    from scipy import special

    half = float(special.stdtrit(R - 1, 1 - level / 2)) * seen.std(ddof=1) * (1 / R + 1 / runs) ** 0.5
    return max(float(seen.mean() - half), limits[0]), min(float(seen.mean() + half), limits[1])
