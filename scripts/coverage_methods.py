"""The intervals that scripts/coverage.py sets against each other, each over many samples at once.

A method takes samples [draws, n], each sorted, and whether a quarter is trimmed off each end; it returns the low and
the high bounds [draws]. Every bootstrap draws the same resamples for every sample, as one fixed stream does: on sorted
samples a resample's means and variances are then linear, one matrix product for all.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from attn_jax.lab.outcome.intervals import LEVEL, MEAN, TRIMMED, Bounds, student, trimmed, tukey_mclaughlin

RESAMPLES = 999
_TAILS = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])


class Contender(NamedTuple):
    """A method, and how many samples there is time for."""

    interval: Callable[[np.ndarray, bool], Bounds]
    draws: int


def contenders(n: int, trim: bool) -> dict[str, Contender]:
    """The methods for n seeds; sign-flips test means alone, and enumerate 2 ** n subsets."""
    found = {
        "percentile bootstrap": Contender(percentile, 2500),
        TRIMMED if trim else MEAN: Contender(closed, 100_000),
        "bootstrap-t": Contender(bootstrap_t, 2500),
        "BCa": Contender(bca, 2500),
    }
    if not trim and n <= 16:
        found["sign-flips"] = Contender(sign_flip, 2500 if n < 16 else 1000)
    return found


def percentile(samples: np.ndarray, trim: bool) -> Bounds:
    """Quantiles of the resampled means."""
    means = np.sort(_resampled(samples, trim)[0], axis=1)
    return _quantiles(means, _TAILS)


def bootstrap_t(samples: np.ndarray, trim: bool) -> Bounds:
    """Quantiles of the resampled means in their own standard errors; infinite where too many of these are 0."""
    value, error = _mean_and_error(samples, trim)
    means, errors = _resampled(samples, trim)
    off = means - value[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.abs(off) < 1e-12, 0, off / np.where(errors < 1e-9, 0, errors))
    low, high = _quantiles(np.sort(t, axis=1), _TAILS)
    with np.errstate(invalid="ignore"):
        return value - high * error, value - low * error


def bca(samples: np.ndarray, trim: bool) -> Bounds:
    """Percentiles moved by the bias of the resampled means and by the jackknife's skewness."""
    value, _ = _mean_and_error(samples, trim)
    means = np.sort(_resampled(samples, trim)[0], axis=1)
    below = (means < value[:, None] - 1e-12).mean(1) + (np.abs(means - value[:, None]) <= 1e-12).mean(1) / 2
    bias = special.ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES))[:, None]
    n = samples.shape[1]
    left_out = np.stack([_mean_and_error(np.delete(samples, i, axis=1), trim)[0] for i in range(n)], axis=1)
    off = left_out.mean(1, keepdims=True) - left_out
    spread = (off**2).sum(1, keepdims=True)
    skew = (off**3).sum(1, keepdims=True) / (6 * np.where(spread > 0, spread, 1) ** 1.5)
    z = bias + special.ndtri(_TAILS)
    shift = 1 - skew * z
    moved = np.where(shift > 0, special.ndtr(bias + z / np.where(shift > 0, shift, 1)), [0.0, 1.0])
    return _quantiles(means, moved)


def sign_flip(samples: np.ndarray, trim: bool) -> Bounds:
    """The shifts that the exact sign-flip test of the mean keeps; infinite where n is below 6."""
    n = samples.shape[1]
    rejected = int(np.floor((1 - LEVEL) * 2 ** (n - 1)))
    if rejected < 1:
        return np.full(len(samples), -np.inf), np.full(len(samples), np.inf)
    subsets = ((np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1).astype(np.float32)
    weights = (subsets / subsets.sum(axis=1, keepdims=True)).T
    low, high = [], []
    for chunk in np.array_split(samples.astype(np.float32), max(1, len(samples) * 2**n // 2**24)):
        means = np.partition(chunk @ weights, (rejected - 1, 2**n - 1 - rejected), axis=1)
        low.append(means[:, rejected - 1])
        high.append(means[:, 2**n - 1 - rejected])
    return np.concatenate(low).astype(float), np.concatenate(high).astype(float)


def closed(samples: np.ndarray, trim: bool) -> Bounds:
    """Student's for the mean, Tukey and McLaughlin's for the trimmed mean."""
    return tukey_mclaughlin(samples) if trim else student(samples)


def _mean_and_error(samples: np.ndarray, trim: bool) -> tuple[np.ndarray, np.ndarray]:
    """The (trimmed) mean of each sorted sample, and its standard error."""
    n = samples.shape[1]
    cut = trimmed(n) if trim else 0
    kept = np.clip(np.arange(n), cut, n - 1 - cut)
    squares = ((winsorised := samples[:, kept]) - winsorised.mean(1, keepdims=True)) ** 2
    left = n - 2 * cut
    return samples[:, cut : n - cut].mean(1), np.sqrt(squares.sum(1) / (left * max(left - 1, 1)))


def _resampled(samples: np.ndarray, trim: bool) -> tuple[np.ndarray, np.ndarray]:
    """The (trimmed) means [draws, RESAMPLES] of resamples, and their standard errors."""
    n = samples.shape[1]
    cut = trimmed(n) if trim else 0
    places = np.sort(np.random.default_rng(0).integers(0, n, (RESAMPLES, n)), axis=1)
    left = n - 2 * cut
    mean = _counts(places[:, cut : n - cut], n) / left
    winsorised = _counts(places[:, np.clip(np.arange(n), cut, n - 1 - cut)], n)
    centred = samples - samples.mean(1, keepdims=True)
    squares = centred**2 @ winsorised.T - (centred @ winsorised.T) ** 2 / n
    return samples @ mean.T, np.sqrt(np.maximum(squares, 0) / (left * max(left - 1, 1)))


def _counts(places: np.ndarray, n: int) -> np.ndarray:
    """[RESAMPLES, n] how often each place of a sorted sample is drawn."""
    counts = np.zeros((len(places), n))
    np.add.at(counts, (np.arange(len(places))[:, None], places), 1)
    return counts


def _quantiles(ordered: np.ndarray, shares: np.ndarray) -> Bounds:
    """Each row's low and high quantile, between neighbours as scipy's bootstrap takes them."""
    place = np.broadcast_to(shares, (len(ordered), 2)) * (ordered.shape[1] - 1)
    floor = np.floor(place).astype(int)
    lower = np.take_along_axis(ordered, floor, axis=1)
    upper = np.take_along_axis(ordered, np.minimum(floor + 1, ordered.shape[1] - 1), axis=1)
    with np.errstate(invalid="ignore"):
        between = np.where(lower == upper, lower, lower + (place - floor) * (upper - lower))
    return between[:, 0], between[:, 1]
