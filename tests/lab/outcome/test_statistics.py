"""Every statistic against its definition, written out in loops."""

import math
from fractions import Fraction

import numpy as np
import pytest

from attn_jax.lab.outcome.intervals import student, tukey_mclaughlin
from attn_jax.lab.outcome.statistics import (
    clopper_pearson,
    interquartile_mean,
    kaplan_meier,
    mean_interval,
    median_time,
    restricted_mean,
)

INF = float("inf")


def binomial_cdf(k: int, n: int, p: float) -> float:
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))


def bisect(rising, target: float) -> float:
    """x in [0, 1] with rising(x) = target."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2


def exact_interval(k: int, n: int) -> tuple[float, float]:
    """The shares at which k or more, and k or fewer, have probability .025."""
    low = 0.0 if k == 0 else bisect(lambda p: 1 - binomial_cdf(k - 1, n, p), 0.025)
    high = 1.0 if k == n else bisect(lambda p: 1 - binomial_cdf(k, n, p), 0.975)
    return low, high


def middle_half_mean(values: list[float]) -> float:
    cut = len(values) // 4
    kept = sorted(values)[cut : len(values) - cut]
    return math.fsum(kept) / len(kept)


def survival_area(steps: list[float], budget: float) -> float:
    """The area under the empirical survival curve, one run's rectangle at a time."""
    area, edge = 0.0, 0.0
    for time in sorted({*(s for s in steps if s < budget), budget}):
        area += (time - edge) * sum(s > edge for s in steps) / len(steps)
        edge = time
    return area


@pytest.mark.parametrize("n", [1, 5, 8, 13])
def test_clopper_pearson_is_the_bisection_of_the_binomial_cdf(n):
    for k in range(n + 1):
        value, low, high, _ = clopper_pearson(k, n)
        assert value == k / n
        np.testing.assert_allclose((low, high), exact_interval(k, n), atol=1e-9)


def test_clopper_pearson_says_how_little_few_seeds_say():
    assert [round(x, 3) for x in clopper_pearson(8, 8)[:3]] == [1, 0.631, 1]
    assert [round(x, 3) for x in clopper_pearson(0, 8)[:3]] == [0, 0, 0.369]
    assert round(clopper_pearson(5, 5).low, 3) == 0.478


def least_coverage(interval, n: int) -> float:
    bounds = [interval(k, n) for k in range(n + 1)]
    return min(
        sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k, (low, high) in enumerate(bounds) if low <= p <= high)
        for p in np.linspace(0.001, 0.999, 333)
    )


def test_clopper_pearson_covers_and_the_normal_interval_does_not():
    def normal(k, n):
        half = 1.96 * math.sqrt(k / n * (1 - k / n) / n)
        return k / n - half, k / n + half

    assert least_coverage(lambda k, n: clopper_pearson(k, n)[1:3], 8) >= 0.95
    assert least_coverage(normal, 8) < 0.5


@pytest.mark.parametrize(("k", "n"), [(9, 8), (-1, 8), (0, 0)])
def test_clopper_pearson_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match=rf"successes: got {k} of n = {n}, wanted"):
        clopper_pearson(k, n)


def test_kaplan_meier_with_one_horizon_is_the_empirical_curve():
    steps, observed = [250, 100, 400, 100, 400, 300], [True, True, False, True, False, True]
    curve = kaplan_meier(steps, observed, 400)
    assert curve.times.tolist() == [0, 100, 250, 300, 400]
    by_hand = [np.mean([o and s <= t for s, o in zip(steps, observed, strict=True)]) for t in curve.times]
    np.testing.assert_allclose(curve.solved, by_hand, atol=1e-15)


def test_kaplan_meier_multiplies_where_runs_are_censored_early():
    curve = kaplan_meier([100, 150, 200, 300], [True, False, True, False], 400)
    # 1 of 4 at 100; the run censored at 150 leaves 2 at risk at 200
    np.testing.assert_allclose(curve.solved, [0, 1 / 4, 1 - 3 / 4 * 1 / 2, 1 - 3 / 4 * 1 / 2], atol=1e-15)


@pytest.mark.parametrize(("steps", "end"), [([100, 400], 1.0), ([400, 400], 1.0), ([50, 50], 1.0)])
def test_kaplan_meier_ends_at_the_budget(steps, end):
    curve = kaplan_meier(steps, [True, True], 400)
    assert (curve.times[0], curve.solved[0]) == (0, 0)
    assert (curve.times[-1], curve.solved[-1]) == (400, end)
    assert (np.diff(curve.times) > 0).all()


def test_kaplan_meier_without_a_solved_run_stays_at_zero():
    assert kaplan_meier([400] * 3, [False] * 3, 400).solved.tolist() == [0, 0]


EXACT = [
    ([100.0] * 12, 12, 100.0),
    ([100.0, 200, 200, 300, 300], 5, 300.0),
    ([*range(1, 13)], 12, 12.0),
    ([*range(1, 12)], 12, None),
    ([*range(1, 51)], 50, 50.0),
]


@pytest.mark.parametrize(("solved", "unsolved", "median"), EXACT)
def test_half_of_the_runs_is_half(solved, unsolved, median):
    curve = kaplan_meier([*solved, *[800.0] * unsolved], [True] * len(solved) + [False] * unsolved, 800)
    assert median_time(curve) == median


@pytest.mark.parametrize("seed", range(20))
def test_kaplan_meier_is_the_exact_product(seed):
    """Against the product limit in fractions, run by run; where half have solved, the median is there."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    steps, observed = rng.integers(1, 9, n), rng.random(n) < 0.6
    curve = kaplan_meier(steps, observed, 8)
    survival = Fraction(1)
    for time, share in zip(curve.times, curve.solved, strict=True):
        at_risk = int((steps >= time).sum())
        survival *= 1 - Fraction(int(((steps == time) & observed).sum()), max(at_risk, 1))
        assert share == float(1 - survival)
    assert (np.diff(curve.times) > 0).all()


@pytest.mark.parametrize("steps", [[400, 100], [0, 100], [-5, 100]])
def test_a_solve_outside_of_the_budget_is_refused(steps):
    with pytest.raises(ValueError, match=r"^steps: got .* of solved runs, wanted steps above 0 up to 300"):
        kaplan_meier(steps, [True, True], 300)


def test_median_only_where_the_curve_crosses_one_half():
    assert median_time(kaplan_meier([100, 200, 400, 400], [True, True, False, False], 400)) == 200
    assert median_time(kaplan_meier([100, 400, 400], [True, False, False], 400)) is None


@pytest.mark.parametrize("seed", range(5))
def test_restricted_mean_is_the_area_under_kaplan_meier(seed):
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(8) < 0.3, INF, rng.integers(1, 16, 8) * 50.0)
    mean = restricted_mean(steps, 800).value
    curve = kaplan_meier(np.minimum(steps, 800), np.isfinite(steps), 800)
    area = float(np.sum(np.diff(curve.times) * (1 - curve.solved[:-1])))
    assert mean == pytest.approx(area, rel=1e-12)
    assert mean == pytest.approx(survival_area(steps.tolist(), 800), rel=1e-12)


def test_restricted_mean_counts_the_budget_where_a_mean_of_the_solved_would_not():
    mean = restricted_mean([100, 100, INF, INF], 800)
    assert mean.value == 450
    assert 0 <= mean.low < 450 < mean.high <= 800


def test_a_mean_has_students_interval_and_an_interquartile_mean_tukey_and_mclaughlins():
    values = [0.3, 0.8, 0.5, 0.9, 0.7, 0.6, 0.4, 0.2]
    mean, middle = mean_interval(values), interquartile_mean(values)
    assert mean[1:3] == student(np.array(values))
    assert middle[1:3] == tukey_mclaughlin(np.array(values))
    assert (mean.method, middle.method) == ("Student t", "Tukey-McLaughlin")


def test_intervals_keep_to_the_limits_of_their_measure():
    assert restricted_mean([50, 60, INF], 800)[1:] == (0, 800, "Student t")
    assert interquartile_mean([0.2, 0.9, 1, 1], (0, 1)).high == 1
    assert mean_interval([0.2, 0.9, 1, 1], (0, 1)).high == 1 < mean_interval([0.2, 0.9, 1, 1]).high


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 11])
def test_interquartile_mean_is_the_mean_of_the_middle_half(n):
    values = np.random.default_rng(n).normal(size=n).tolist()
    assert interquartile_mean(values).value == pytest.approx(middle_half_mean(values), rel=1e-12)


def test_interquartile_mean_ignores_one_run_that_ran_away():
    values = [0.98, 0.97, 0.99, 0.98, 0.97, 0.99, 0.98, -40.0]
    assert interquartile_mean(values).value > 0.97
    assert np.mean(values) < 0


@pytest.mark.parametrize("values", [[0.1] * 8, [0.0] * 8, [0.3]])
def test_no_spread_is_never_a_point_and_never_nan(values):
    for interval in (interquartile_mean(values, (0, 1)), restricted_mean(values, 800)):
        assert interval.value == values[0]
        assert interval.low <= values[0] <= interval.high
        assert interval.high - interval.low > 0.3
        assert interval.method == "no spread"
    assert interquartile_mean(values) == (values[0], -INF, INF, "no spread")


def test_the_same_data_gives_the_same_interval():
    values = np.random.default_rng(0).normal(size=8)
    assert interquartile_mean(values) == interquartile_mean(values)


@pytest.mark.parametrize("bad", [[], [[1.0]], [1.0, float("nan")]])
def test_what_is_no_sample_is_refused(bad):
    with pytest.raises(ValueError, match=r"^steps: got .*wanted"):
        restricted_mean(bad, 800)


def test_infinite_scores_are_refused():
    with pytest.raises(ValueError, match=r"^values: got .*wanted finite values"):
        interquartile_mean([1.0, INF])


def test_kaplan_meier_wants_one_flag_a_run():
    with pytest.raises(ValueError, match=r"observed: got shape \(1,\), wanted that of steps, \(2,\)"):
        kaplan_meier([1, 2], [True], 4)
