"""Intervals of means against scipy, against their definition, and against simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats

from attn_jax.lab.outcome import intervals
from attn_jax.lab.outcome.intervals import CHOSEN, COVERED, MEAN, TRIMMED, student, tukey_mclaughlin, within

INF = math.inf
DRAWS = 20_000


def percentile_bootstrap(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The broken twin: quantiles of resampled means."""
    places = np.random.default_rng(0).integers(0, samples.shape[1], (499, samples.shape[1]))
    low, high = np.quantile(samples[:, places].mean(axis=-1), (0.025, 0.975), axis=1)
    return low, high


def coverage(interval, population, n: int, truth: float, limits=(-INF, INF), *, trim=False, draws=DRAWS) -> float:
    """The share of studies of n seeds whose interval holds the truth."""
    samples = np.random.default_rng(n).choice(population, (draws, n))
    low, high = within(interval(samples), samples, limits, trim=trim)
    return float(((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean())


def quantiles(distribution) -> np.ndarray:
    return distribution.ppf((np.arange(10_000) + 0.5) / 10_000)


def middle_half(population: np.ndarray) -> float:
    quarter = len(population) // 4
    return float(np.sort(population)[quarter:-quarter].mean())


NORMAL, SKEWED = quantiles(stats.norm), quantiles(stats.lognorm(0.5))
FAILING = np.where(np.arange(10_000) < 1000, 0.1, 0.9) + 0.03 * np.tile(NORMAL[::100], 100)
HELD = COVERED - 3 * (COVERED * (1 - COVERED) / DRAWS) ** 0.5  # of a simulation that is not the page's


@pytest.mark.parametrize("n", [5, 8, 16])
def test_students_interval_covers_and_the_percentile_bootstrap_is_refused(n):
    assert coverage(student, NORMAL, n, NORMAL.mean()) >= HELD
    assert coverage(percentile_bootstrap, NORMAL, n, NORMAL.mean(), draws=2000) < HELD
    paired = NORMAL[:, None] - SKEWED[::500]
    assert coverage(student, paired.ravel(), n, paired.mean()) >= HELD


@pytest.mark.parametrize("n", [5, 8, 16])
@pytest.mark.parametrize("population", [NORMAL, FAILING], ids=["normal", "failing"])
def test_tukey_and_mclaughlins_interval_covers(population, n):
    assert coverage(tukey_mclaughlin, population, n, middle_half(population), trim=True) >= HELD


def test_what_is_said_to_be_missed_is_missed():
    assert "failing one time in ten" in CHOSEN["mean"].missed
    assert coverage(student, FAILING, 8, FAILING.mean(), (0, 1)) < 0.7
    assert "skewed" in CHOSEN["restricted mean"].missed
    assert coverage(student, SKEWED, 5, SKEWED.mean()) < HELD


@pytest.mark.parametrize("share", [0.02, 0.37, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("trim", [False, True])
def test_where_seeds_agree_the_limits_bound_the_mean(share, trim):
    """Scores of 0 and 1: what is said of samples that agree is wrong in a twentieth of all samples, no more."""
    population = np.r_[np.ones(int(1000 * share)), np.zeros(1000 - int(1000 * share))]
    truth = middle_half(population) if trim else population.mean()
    for n in (1, 3, 5, 8):
        wrong = 0.0
        for value, chance in ((1.0, share**n), (0.0, (1 - share) ** n)):
            low, high = within(student(np.full(n, value)), np.full(n, value), (0, 1), trim=trim)
            wrong += 0 if low <= truth <= high else chance
        assert wrong <= 0.05


def test_student_is_scipys():
    values = np.random.default_rng(0).normal(3, 2, 7)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    np.testing.assert_allclose(student(values, 0.9), (wanted.low, wanted.high), rtol=1e-12)


@pytest.mark.parametrize("n", [4, 7, 8, 16])
def test_tukey_and_mclaughlin_is_scipys(n):
    """Yuen's test against another sample that is all 0 has the same error and the same degrees of freedom."""
    values = np.random.default_rng(n).lognormal(0, 1, n)
    yuen = stats.ttest_ind(values, np.zeros(n), trim=0.25, equal_var=False)
    middle = stats.trim_mean(values, 0.25)
    half = stats.t.ppf(0.975, yuen.df) * middle / yuen.statistic
    assert yuen.df == pytest.approx(n - 2 * (n // 4) - 1)
    np.testing.assert_allclose(tukey_mclaughlin(values), (middle - half, middle + half), rtol=1e-12)


def test_by_hand():
    """1, 2, 3, 4, 90 is winsorised to 2, 2, 3, 4, 4: sum of squares 4, three kept, t of 2 degrees 4.303."""
    half = 4.302653 * math.sqrt(4 / (3 * 2))
    np.testing.assert_allclose(tukey_mclaughlin(np.array([90.0, 1, 4, 2, 3])), (3 - half, 3 + half), rtol=1e-6)
    half = 4.302653 * math.sqrt((1 + 0 + 1) / (3 * 2))
    np.testing.assert_allclose(student(np.array([1.0, 2, 3])), (2 - half, 2 + half), rtol=1e-6)


def test_many_samples_are_each_as_one_alone():
    samples = np.round(np.random.default_rng(0).normal(size=(50, 5)), 0)
    for interval in (student, tukey_mclaughlin):
        low, high = within(interval(samples), samples, (-4, 4))
        alone = [within(interval(sample), sample, (-4, 4)) for sample in samples]
        np.testing.assert_allclose(np.stack([low, high], axis=1), alone, rtol=1e-12)


def test_where_the_middle_half_agrees_the_others_speak():
    low, high = tukey_mclaughlin(np.array([0.7, 1, 1, 1, 1, 1, 1, 1]))
    assert low < 0.96 < 1 <= high
    assert low == student(np.array([0.7, 1, 1, 1, 1, 1, 1, 1]))[0]
    all_above = np.array([1.0, 1, 1, 1, 1, 1, 1, 50])
    assert tukey_mclaughlin(all_above)[0] <= 1 <= tukey_mclaughlin(all_above)[1]


def test_an_interval_keeps_to_the_limits():
    values = np.array([0.9, 1.0, 1.0, 0.2])
    low, high = within(student(values), values, (0, 1))
    assert 0 <= low < values.mean() < high == 1
    assert within(student(values), values, (0, 1 - 1e-16))[1] == 1  # a limit rounded below a value


@pytest.mark.parametrize(("value", "limits", "wanted"), [
    (1.0, (0, 1), (0.025 ** (1 / 8), 1)),
    (0.0, (0, 1), (0, 1 - 0.025 ** (1 / 8))),
    (400.0, (0, 800), (400 * 0.025 ** (1 / 8), 800 - 400 * 0.025 ** (1 / 8))),
    (0.5, (-INF, 1), (-INF, 1 - 0.5 * 0.025 ** (1 / 8))),
    (0.5, (-INF, INF), (-INF, INF)),
])  # fmt: skip
def test_no_spread_is_bounded_by_the_limits_alone(value, limits, wanted):
    values = np.full(8, value)
    np.testing.assert_allclose(within(student(values), values, limits), wanted, rtol=1e-12)


def test_an_interquartile_mean_of_few_that_agree_is_bounded_more_loosely():
    values = np.ones(5)
    assert within(student(values), values, (0, 1), trim=True)[0] == pytest.approx(2 * 0.025**0.2 - 0.5)
    assert within(student(values[:1]), values[:1], (0, 1), trim=True)[0] == 0


def test_the_page_says_where_they_fall_short():
    note = intervals.interval_note(timed=True)
    assert f"steps ({MEAN}) skewed, failing one time in ten, cut off at the budget or mostly exactly 1;" in note
    assert f"scores ({TRIMMED}) " in note
    assert "steps" not in intervals.interval_note(timed=False)
