"""On which side of a margin a paired difference lies, and the p value that it does not.

The borders -margin and margin cut the line in regions. The difference seen lies in one of them; p is that of the
nearest point outside. So a test that has two ways to be decided, like "equal", has one p, and is decided where that is
small. scipy is imported inside the functions.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from attn_jax.config import Expect
from attn_jax.lab.outcome.paired import sign_flip_p

_HALVINGS = 60  # of the level at which an interval of shares ends at a border


class Side(NamedTuple):
    """A region of differences: beyond one border, or between two."""

    borders: tuple[float, ...]
    tails: Literal[1, 2]  # two one-sided tests keep a region between two borders, a two-sided one its outside
    expected: bool  # whether it is the region that the test expects


def side_of(value: float, expect: Expect, margin: float) -> Side:
    """The region in which a difference lies.

    Args:
      value: the difference seen.
      expect: "less" is below -margin, "more" above margin, "different" outside of both, "equal" between them.
      margin: at least 0.

    >>> side_of(-3.0, "less", 2.0), side_of(1.0, "different", 2.0)
    (Side(borders=(-2.0,), tails=2, expected=True), Side(borders=(-2.0, 2.0), tails=1, expected=False))
    """
    if expect in ("less", "more"):
        border = -margin if expect == "less" else margin
        return Side((border,), 2, value < border if expect == "less" else value > border)
    if abs(value) < margin:
        return Side((-margin, margin), 1, expect == "equal")
    return Side((margin if value > 0 else -margin,), 2, expect == "different")


def side_p(differences: np.ndarray, side: Side, *, shares: bool) -> float:
    """p that the mean difference lies outside of the region in which it was seen.

    Beyond a border it is the two-sided p of the border itself: as often as not the truth may be just across. Between
    two borders it is the larger of two one-sided ones, each half of a two-sided p.

    Args:
      differences: [n] a - b, one a seed.
      side: where their mean lies.
      shares: whether they are of solved and not solved, so that shares are compared.

    Reference: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15 (two one-sided tests).
    """
    if shares:
        wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
        ps = [shares_p(wins, losses, len(differences), border) for border in side.borders]
    else:
        ps = [sign_flip_p(differences - border) for border in side.borders]
    return max(ps) * side.tails / 2


def shares_p(wins: int, losses: int, n: int, border: float) -> float:
    """Two-sided p that two paired shares differ by `border`: where the interval of `paired_solved` ends there.

    It is 1 - the smallest level at which the interval holds the border, so at 0 it is McNemar's exact p, and elsewhere
    it is as conservative as that interval.

    >>> round(shares_p(8, 0, 8, 0.0), 7), round(shares_p(0, 0, 8, 0.4), 4)
    (0.0078125, 0.0336)
    """
    inside, outside = 0.0, 1.0  # levels of p: the interval of 1 - 0 holds all
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        if bool(excludes(wins, losses, n, border, middle)):
            outside = middle
        else:
            inside = middle
    return outside


def excludes(wins, losses, n: int, border: float, p: float) -> np.ndarray:
    """Whether the interval of two paired shares at level 1 - p leaves a border out; wins and losses broadcast."""
    wins, losses = np.asarray(wins, float), np.asarray(losses, float)
    won_low, won_high = _exact_share(wins, wins + losses, p)
    share_low, share_high = _exact_share(wins + losses, np.asarray(n, float), p)
    low = (2 * won_low - 1) * np.where(won_low > 0.5, share_low, share_high)
    high = (2 * won_high - 1) * np.where(won_high < 0.5, share_low, share_high)
    return (low > border) | (high < border)


def _exact_share(successes: np.ndarray, n: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """The Clopper-Pearson bounds of arrays of counts; 0 to 1 where there were no trials."""
    from scipy import special

    failures = n - successes
    low = special.betaincinv(np.maximum(successes, 1), failures + 1, p / 2)
    high = special.betaincinv(successes + 1, np.maximum(failures, 1), 1 - p / 2)
    return np.where(successes == 0, 0.0, low), np.where(failures == 0, 1.0, high)


def room(side: Side, bounds: Sequence[float], value: float) -> float | None:
    """How far the end of an interval that is nearest to a border shifts the difference; None where it crosses it."""
    shifts = []
    for border in side.borders:
        end = min(bounds) if value > border else max(bounds)
        if not (np.isfinite(end) and (end - border) * (value - border) > 0):
            return None
        shifts.append((abs(end - border), end - value))
    return min(shifts)[1]
