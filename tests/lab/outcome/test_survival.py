"""Greenwood's band and the log-rank test against the textbook's leukaemia data, scipy, and all divisions by hand."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from attn_jax.lab.outcome.statistics import clopper_pearson, kaplan_meier
from attn_jax.lab.outcome.survival import greenwood, log_rank

# Remission of leukaemia in weeks, 6-mercaptopurine against placebo; Freireich et al. (1963), Blood 21. The share that
# is left and Greenwood's standard errors are as the textbooks print them; there the log-rank chi-squared is 16.79.
SEEN = [6, 6, 6, 7, 10, 13, 16, 22, 23]
TREATED = np.array([*SEEN, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], float)
RELAPSED = np.arange(len(TREATED)) < len(SEEN)
PLACEBO = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], float)
LEFT = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
ERRORS = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
# 95 % by log(-log S), as R's survfit(conf.type="log-log") and SAS's LIFETEST print them
LOW = [0.620, 0.563, 0.503, 0.432, 0.368, 0.268, 0.188]
HIGH = [0.952, 0.923, 0.889, 0.849, 0.805, 0.747, 0.680]
TIMES = [6, 7, 10, 13, 16, 22, 23]


def test_greenwood_of_the_textbook():
    curve = kaplan_meier(TREATED, RELAPSED, 35)
    assert np.allclose(1 - curve.solved[1:8], LEFT, atol=6e-4)
    low, high = greenwood(TREATED, RELAPSED, TIMES)
    assert np.allclose(1 - high, LOW, atol=6e-4)
    assert np.allclose(1 - low, HIGH, atol=6e-4)
    left = np.array(LEFT)  # the band is the printed standard error carried through log(-log S)
    spread = 1.959964 * np.array(ERRORS) / (left * abs(np.log(left)))
    assert np.allclose(1 - high, left ** np.exp(spread), atol=2e-3)


def test_greenwood_stays_within_0_and_1_and_never_is_a_point():
    draw = np.random.default_rng(0)
    for n in (1, 2, 5, 8, 20):
        steps = draw.integers(1, 9, n) * 50.0
        observed = steps < 400
        low, high = greenwood(steps, observed, curve := kaplan_meier(steps, observed, 400).times)
        solved = kaplan_meier(steps, observed, 400).solved
        assert len(low) == len(curve)
        assert (low >= 0).all()
        assert (high <= 1).all()
        assert (low <= solved).all()
        assert (solved <= high).all()
        assert (low < high).all()


def test_without_a_solved_run_and_with_all_it_is_clopper_and_pearsons():
    low, high = greenwood([400.0] * 8, [False] * 8, [0, 400])
    assert np.allclose([low, high], [[0, 0], [clopper_pearson(0, 8).high] * 2])
    low, high = greenwood([100.0] * 8, [True] * 8, [0, 100, 400])
    assert np.allclose(low, [0, clopper_pearson(8, 8).low, clopper_pearson(8, 8).low])
    assert np.allclose(high, [clopper_pearson(0, 8).high, 1, 1])


def test_log_rank_of_the_textbook():
    test = log_rank(TREATED, RELAPSED, PLACEBO, np.ones(21, bool))
    assert test.z**2 == pytest.approx(16.79, abs=0.005)
    assert test.z < 0  # fewer of the treated relapse: 9, of 19.25 expected
    assert test.p < 0.001
    assert test.method == "permutation"


@pytest.mark.parametrize("seed", range(4))
def test_log_rank_is_scipys_statistic(seed):
    draw = np.random.default_rng(seed)
    (a, b), budget = (draw.integers(1, 20, n) * 50.0 for n in (8, 11)), 600.0
    solved_a, solved_b = a <= budget, b <= budget
    a, b = np.minimum(a, budget), np.minimum(b, budget)
    censored = [stats.CensoredData(x[seen], right=x[~seen]) for x, seen in ((a, solved_a), (b, solved_b))]
    wanted = stats.logrank(*censored).statistic
    assert log_rank(a, solved_a, b, solved_b).z == pytest.approx(wanted)
    assert log_rank(b, solved_b, a, solved_a).z == pytest.approx(-wanted)


def observed_less_expected(steps, solved, chosen):
    """One table a time, by hand."""
    total = 0.0
    for time in np.unique(steps[solved]):
        risk, now = steps >= time, solved & (steps == time)
        total += (now & chosen).sum() - now.sum() * (risk & chosen).sum() / risk.sum()
    return total


def test_p_counts_every_division():
    a, b = np.array([100.0, 150, 300]), np.array([200.0, 400, 400])
    steps, solved = np.concatenate([a, b]), np.array([True, True, True, True, False, False])
    sums = [observed_less_expected(steps, solved, np.isin(np.arange(6), order[:3])) for order in permutations(range(6))]
    seen = observed_less_expected(steps, solved, np.arange(6) < 3)
    test = log_rank(a, solved[:3], b, solved[3:])
    assert test.p == pytest.approx(np.mean(np.abs(sums) >= abs(seen) - 1e-9))
    assert test.method == "exact permutation"


def test_eight_against_eight_can_be_decided_and_equals_are_not():
    fast, slow = np.full(8, 100.0), np.full(8, 400.0)
    assert log_rank(fast, [True] * 8, slow, [False] * 8).p == pytest.approx(2 / 12_870)
    assert log_rank(slow, [False] * 8, slow, [False] * 8)[:2] == (0.0, 1.0)
    assert log_rank(fast, [True] * 8, fast, [True] * 8)[:2] == (0.0, 1.0)


def test_many_runs_are_drawn_the_same_each_time():
    draw = np.random.default_rng(1)
    a, b = draw.integers(1, 9, 30) * 50.0, draw.integers(3, 11, 30) * 50.0
    first, second = (log_rank(a, a < 400, b, b < 400) for _ in range(2))
    assert first == second
    asymptotic = 2 * stats.norm.sf(abs(first.z))
    assert first.p == pytest.approx(asymptotic, rel=0.5, abs=1e-3)


def test_one_flag_a_run():
    with pytest.raises(ValueError, match="solved: got 3 flags for 4 runs"):
        log_rank([1, 2], [True], [3, 4], [True, False])
