"""Paired tests against enumeration, and what each refuses to decide."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from attn_jax.lab.outcome.paired import fewest_seeds, holm, mcnemar_exact, paired_difference, paired_solved


def sign_flip_p(differences: list[float]) -> float:
    """The share of all sign vectors whose sum is at least as far from 0."""
    observed = abs(math.fsum(differences))
    flips = list(itertools.product([1, -1], repeat=len(differences)))
    extreme = [
        abs(math.fsum(s * d for s, d in zip(f, differences, strict=True))) >= observed * (1 - 1e-12) for f in flips
    ]
    return sum(extreme) / len(flips)


def binomial_p(wins: int, trials: int) -> float:
    """Two-sided: twice the smaller tail of a fair coin, at most 1."""
    tail = sum(math.comb(trials, k) for k in range(min(wins, trials - wins) + 1)) / 2**trials
    return min(1.0, 2 * tail)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 10])
@pytest.mark.parametrize("draw", ["normal", "tied"])
def test_sign_flip_p_is_the_brute_force_share(n, draw):
    rng = np.random.default_rng(n)
    b = rng.integers(0, 4, n).astype(float)
    a = b + (rng.normal(0.5, 1, n) if draw == "normal" else rng.integers(-1, 3, n))
    assert paired_difference(a, b).p == sign_flip_p((a - b).tolist())


def test_eight_seeds_reach_two_in_256_and_no_less():
    assert paired_difference(np.arange(1, 9) + 5.0, np.zeros(8)).p == 2 / 256


@pytest.mark.parametrize("n", [2, 5, 8, 20])
def test_the_interval_is_students_of_the_differences(n):
    rng = np.random.default_rng(n)
    a, b = rng.normal(1, 1, n), rng.normal(0, 1, n)
    wanted = stats.ttest_rel(a, b).confidence_interval()
    result = paired_difference(a, b)
    np.testing.assert_allclose(result[:3], ((a - b).mean(), wanted.low, wanted.high), rtol=1e-9)
    assert result.method == "Student t"
    assert result == paired_difference(a, b)


def test_a_difference_keeps_to_the_limits_of_its_measure():
    result = paired_difference([1, 0.1], [0, 0], (0, 1))
    assert (result.low, result.high) == (-1, 1)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_pairs_that_agree_are_bounded_by_the_limits_alone(n):
    unlimited = paired_difference(np.full(n, 9.0), np.zeros(n))
    assert (unlimited.value, unlimited.low, unlimited.high) == (9, -math.inf, math.inf)
    assert unlimited.p == 2 / 2**n
    limited = paired_difference(np.full(n, 9.0), np.zeros(n), (0, 10))
    share = 0.025 ** (1 / n)
    np.testing.assert_allclose((limited.low, limited.high), (-10 + 19 * share, 10 - share), rtol=1e-12)
    assert unlimited.method == limited.method == "no spread"


def test_identical_models_do_not_differ():
    same = np.array([0.2, 0.9, 0.5, 0.4, 0.3, 0.8, 0.7, 0.1])
    result = paired_difference(same, same, (0, 1))
    assert (result.value, result.p, result.method) == (0, 1, "no spread")
    assert result.low == pytest.approx(-(1 - 0.025 ** (1 / 8)))
    assert result.high == -result.low
    assert paired_solved([True] * 8, [True] * 8)[::3] == (0, 1)


def test_pairing_sees_what_the_unpaired_spread_hides():
    hard = np.array([100, 200, 300, 400, 500, 600, 700, 800.0])
    paired = paired_difference(hard - 10, hard)
    assert (paired.value, paired.p) == (-10, 2 / 256)
    assert paired_difference((hard - 10)[[3, 0, 7, 1, 6, 2, 5, 4]], hard).p > 0.5


def test_many_pairs_are_flipped_at_random_and_the_same_each_time():
    rng = np.random.default_rng(0)
    d = rng.normal(1, 1, 20)
    assert paired_difference(d, np.zeros(20)).p < 0.01
    assert paired_difference(d, np.zeros(20)) == paired_difference(d, np.zeros(20))


def test_unpaired_seeds_are_refused():
    with pytest.raises(ValueError, match=r"b: got shape \(3,\), wanted that of a, \(2,\)"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"a: got .*wanted finite values"):
        paired_difference([math.inf], [1])


@pytest.mark.parametrize("n", [1, 4, 8])
def test_mcnemar_is_the_binomial_sum_over_discordant_seeds(n):
    for wins in range(n + 1):
        a = np.arange(n + 3) < wins
        b = (np.arange(n + 3) >= wins) & (np.arange(n + 3) < n)
        assert mcnemar_exact(a, b) == pytest.approx(binomial_p(wins, n), rel=1e-12)
        assert mcnemar_exact(np.r_[a, [True] * 4], np.r_[b, [True] * 4]) == mcnemar_exact(a, b)


def test_mcnemar_decides_where_overlapping_intervals_would_not():
    """6 of 8 against 0 of 8: the two Clopper-Pearson intervals overlap; paired, they differ."""
    result = paired_solved([True] * 6 + [False] * 2, [False] * 8)
    assert result.p == 2 / 64
    assert result.value == 0.75
    assert 0 < result.low < 0.75 < result.high <= 1


@pytest.mark.parametrize(("a", "b"), [((2,), (3,)), ((2, 1), (2, 1)), ((0,), (0,))])
def test_mcnemar_refuses_unpaired_seeds(a, b):
    with pytest.raises(ValueError, match=r"solved_b: got shape .*wanted that of solved_a"):
        mcnemar_exact(np.zeros(a, bool), np.zeros(b, bool))


def solved_coverage(n: int, share_a: float, share_b: float, interval) -> float:
    """Probability that the interval holds share_a - share_b, over all counts of discordant seeds."""
    covered = 0.0
    for wins in range(n + 1):
        for losses in range(n + 1 - wins):
            low, high = interval(wins, losses)
            if low - 1e-12 <= share_a - share_b <= high + 1e-12:
                ways = math.comb(n, wins) * math.comb(n - wins, losses)
                rest = (1 - share_a - share_b) ** (n - wins - losses)
                covered += ways * share_a**wins * share_b**losses * rest
    return covered


def test_the_interval_of_solved_fractions_covers_and_the_normal_one_does_not():
    n = 6

    def ours(wins, losses):
        places = np.arange(n)
        return paired_solved(places < wins, (places >= wins) & (places < wins + losses))[1:3]

    def normal(wins, losses):
        spread = math.sqrt(max((wins + losses) / n - ((wins - losses) / n) ** 2, 0) / n)
        return (wins - losses) / n - 1.96 * spread, (wins - losses) / n + 1.96 * spread

    table = {(w, x): ours(w, x) for w in range(n + 1) for x in range(n + 1 - w)}
    shares = [(a / 10, b / 10) for a in range(11) for b in range(11 - a)]
    assert min(solved_coverage(n, a, b, lambda w, x: table[w, x]) for a, b in shares) >= 0.95
    assert min(solved_coverage(n, a, b, normal) for a, b in shares) < 0.5
    for (wins, losses), (low, high) in table.items():
        assert (low > 0 or high < 0) == (binomial_p(wins, wins + losses) < 0.05)


def holm_by_definition(p: list[float]) -> list[float]:
    """The smallest level at which the step-down procedure rejects each hypothesis."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    return [max(min(1, (len(p) - j) * p[order[j]]) for j in range(order.index(i) + 1)) for i in range(len(p))]


@pytest.mark.parametrize("m", [0, 1, 2, 6, 15])
def test_holm_is_its_definition(m):
    p = np.random.default_rng(m).random(m) ** 3
    np.testing.assert_allclose(holm(p.tolist()), holm_by_definition(p.tolist()), rtol=1e-12)


def test_holm_never_falls_below_p_nor_above_bonferroni():
    p = np.random.default_rng(1).random(9) ** 4
    adjusted = np.array(holm(p.tolist()))
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, 9 * p) + 1e-15).all()
    assert (adjusted < np.minimum(1, 9 * p)).any()


def test_holm_keeps_the_family_error_where_single_tests_do_not():
    p = np.random.default_rng(2).random((1000, 6))  # six true null hypotheses each
    assert np.mean([min(holm(row.tolist())) < 0.05 for row in p]) < 0.07
    assert np.mean(p.min(axis=1) < 0.05) > 0.2


@pytest.mark.parametrize("bad", [[-0.1], [1.5], [math.nan]])
def test_holm_refuses_what_is_no_p(bad):
    with pytest.raises(ValueError, match=r"p_values: got .*wanted values in \[0, 1\]"):
        holm(bad)


def test_fewest_seeds_is_where_the_smallest_p_survives_holm():
    for tests in (1, 3, 6, 9):
        n = fewest_seeds(tests)
        assert tests * sign_flip_p([1.0] * n) < 0.05 <= tests * sign_flip_p([1.0] * (n - 1))
