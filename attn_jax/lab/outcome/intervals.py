"""Intervals over few seeds that cover: those which scripts/coverage.py found the shortest, and where none covers.

Each takes samples [..., n] and returns bounds [...], so that the simulation tests the lines that the lab runs. Chosen
is what covers most shapes among the methods that are finite (docs/coverage.md). scipy.special is imported inside.
"""

from typing import NamedTuple, TypeAlias

import numpy as np

LEVEL = 0.95
COVERED = 0.935  # what a method must hold of LEVEL with 5 to 32 seeds, in a simulation, to be said to cover
MEAN = "Student t"
TRIMMED = "Tukey-McLaughlin"
NO_SPREAD = "no spread"  # the method where all seeds agree: the measure's limits bound the mean


class Method(NamedTuple):
    """The method of an estimand, and the shapes of what seeds give on which it falls short of COVERED."""

    method: str
    missed: tuple[str, ...]


CHOSEN = {
    "mean": Method(MEAN, ("skewed", "failing one time in ten", "cut off at the budget", "mostly exactly 1")),
    "restricted mean": Method(MEAN, ("skewed", "failing one time in ten", "cut off at the budget", "mostly exactly 1")),
    "paired difference": Method(MEAN, ("failing one time in ten", "cut off at the budget", "mostly exactly 1")),
    "interquartile mean": Method(TRIMMED, ("skewed", "cut off at the budget", "mostly exactly 1")),
}

Limits: TypeAlias = tuple[float, float]  # the smallest and the largest value that a measure can have
Bounds: TypeAlias = tuple[np.ndarray, np.ndarray]  # low, high
UNLIMITED: Limits = (-np.inf, np.inf)


def interval_note(*, timed: bool) -> str:
    """How intervals of means are made and where they fall short; `timed` where steps to solve are among them.

    >>> interval_note(timed=False).partition(" for ")[2].split("; ")[0]
    'scores (Tukey-McLaughlin) skewed, cut off at the budget or mostly exactly 1'
    """
    measures = {"restricted mean": "steps"} if timed else {}
    measures |= {"interquartile mean": "scores", "paired difference": "paired differences"}
    short = [f"{word} ({CHOSEN[of].method}) {_either(CHOSEN[of].missed)}" for of, word in measures.items()]
    return (
        f"Simulated with 5 to 32 seeds they hold the truth in {COVERED * 100:g} % or more, but for {'; '.join(short)}."
    )


def _either(words: tuple[str, ...]) -> str:
    """Words in a row, the last after "or"."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def student(values: np.ndarray, level: float = LEVEL) -> Bounds:
    """mean -+ t s / sqrt(n), t of n - 1 degrees of freedom: exact where the values are normal.

    Args:
      values: [..., n]; one value alone, or values that agree, give a point.
      level: coverage of the interval.

    >>> [round(float(bound), 3) for bound in student(np.array([1.0, 2.0, 3.0]))]
    [-0.484, 4.484]

    Reference: Student (1908), Biometrika 6.
    """
    middle, half = values.mean(axis=-1), _half_width(values, values.shape[-1], level)
    return middle - half, middle + half


def tukey_mclaughlin(values: np.ndarray, level: float = LEVEL) -> Bounds:
    """The same for the interquartile mean: h values are kept, and s is that of the winsorised sample.

    The standard error is sqrt(sum (w - mean(w))^2 / (h (h - 1))), with w the values drawn in to the outermost kept
    ones, and t has h - 1 degrees of freedom. Where the kept values agree, w has no spread and says nothing: there the
    whole sample's Student interval serves, widened to hold the trimmed mean.

    Args:
      values: [..., n].
      level: coverage of the interval.

    >>> [round(float(bound), 3) for bound in tukey_mclaughlin(np.array([-9.0, 1.0, 2.0, 3.0, 60.0]))]
    [-1.513, 5.513]

    Reference: Tukey and McLaughlin (1963), Sankhya A 25.
    """
    n = values.shape[-1]
    cut = trimmed(n)
    ordered = np.sort(values, axis=-1)
    kept = ordered[..., cut : n - cut]
    winsorised = np.clip(ordered, kept[..., :1], kept[..., -1:])
    middle, half = kept.mean(axis=-1), _half_width(winsorised, n - 2 * cut, level)
    agree = kept[..., 0] == kept[..., -1]
    low, high = student(values, level)
    return (
        np.where(agree, np.minimum(low, middle), middle - half),
        np.where(agree, np.maximum(high, middle), middle + half),
    )


def trimmed(n: int) -> int:
    """How many values the interquartile mean leaves out at either end.

    >>> [trimmed(n) for n in (3, 4, 8, 11)]
    [0, 1, 2, 2]
    """
    return n // 4


def within(bounds: Bounds, values: np.ndarray, limits: Limits, level: float = LEVEL, *, trim: bool = False) -> Bounds:
    """Bounds cut to the limits of the measure; where all values agree, what the limits alone let be said.

    All n values equal c: a mean below low + share (c - low), share = ((1 - level) / 2) ** (1 / n), leaves a value of c
    or more a probability below share (Markov), so that n of them come with probability below (1 - level) / 2; above
    alike. At a limit it is Clopper and Pearson's interval. An interquartile mean needs, besides, that more than a
    quarter of the values are c: 2 share - 1 / 2.

    Args:
      bounds: low and high, [...] each.
      values: [..., n], the samples they come from.
      limits: of the measure; infinite where it has none, and then values that agree bound nothing on that side.
      level: coverage of the interval.
      trim: whether the mean is the interquartile mean.

    >>> low, high = within(student(np.ones(8)), np.ones(8), (0, 1))
    >>> round(float(low), 3), float(high)
    (0.631, 1.0)
    """
    least, most = values.min(axis=-1), values.max(axis=-1)
    low, high = np.minimum(limits[0], least), np.maximum(limits[1], most)  # a limit may be rounded below a value
    share = ((1 - level) / 2) ** (1 / values.shape[-1])
    open_ = 1 - (max(0.0, min(share, 2 * share - 0.5)) if trim else share)
    agree = least == most
    return (
        np.where(agree, least - open_ * (least - low), np.clip(bounds[0], low, high)),
        np.where(agree, most + open_ * (high - most), np.clip(bounds[1], low, high)),
    )


def _half_width(values: np.ndarray, kept: int, level: float) -> np.ndarray:
    """t sqrt(sum of squares / (h (h - 1)))."""
    from scipy import special

    degrees = max(kept - 1, 1)  # one value has no spread: the sum is 0
    squares = ((values - values.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return special.stdtrit(degrees, (1 + level) / 2) * np.sqrt(squares / (kept * degrees))
