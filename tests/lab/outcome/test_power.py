"""The number of seeds that would decide, against the power of fresh studies of that many."""

import math
import time

import numpy as np
import pytest
from test_paired import binomial_p
from test_paired import sign_flip_p as enumerated
from test_summary import NEVER, model, study

from attn_jax.lab.outcome.decide import all_against_reference, decide
from attn_jax.lab.outcome.paired import sign_flip_p
from attn_jax.lab.outcome.power import MOST_SEEDS, _flipped_p, seeds_to_decide
from attn_jax.lab.outcome.sides import Side

BEYOND, WITHIN = Side((0.0,), 2, True), Side((-1.0, 1.0), 1, True)


def normal(mean, n=200):
    """Values of exactly this mean and of variance 1, as the normal distribution has them."""
    values = np.random.default_rng(5).normal(size=n)
    return (values - values.mean()) / values.std() + mean


def fresh(n, mean, draws=400):
    """[draws, n] studies of a normal effect."""
    return np.random.default_rng(9).normal(mean, 1, (draws, n))


def tail(studies, flips=4000):
    """[draws] one-sided p that the mean is not above 0, by sums of random flips."""
    flipped = np.random.default_rng(8).choice([-1.0, 1.0], (flips, studies.shape[1])) @ studies.T
    return (1 + (flipped >= studies.sum(axis=1)).sum(axis=0)) / (1 + flips)


def power(n, mean, level):
    """The share of fresh studies that decide which side of 0 the mean is on."""
    studies = fresh(n, mean)
    return np.mean(2 * tail(studies * np.sign(mean)) < level)


@pytest.mark.parametrize(("mean", "level"), [(0.5, 0.05), (1.2, 0.01), (-0.8, 0.02)])
def test_so_many_seeds_decide_four_times_of_five(mean, level):
    n = seeds_to_decide(normal(mean), BEYOND, level, shares=False)
    assert 0.72 < power(n, mean, level) < 0.88
    assert power(n // 2, mean, level) < 0.72  # what half as many would do


def test_so_many_seeds_show_what_is_equal():
    n = seeds_to_decide(normal(0.2), WITHIN, 0.05, shares=False)
    studies = fresh(n, 0.2)
    assert 0.72 < np.mean(np.maximum(tail(studies + 1), tail(1 - studies)) < 0.05) < 0.88


def test_a_shift_asks_for_another_effect():
    far, near = normal(1.0), normal(0.6)
    shifted = seeds_to_decide(far, BEYOND, 0.05, shares=False, shift=-0.4)
    assert (
        shifted == seeds_to_decide(near, BEYOND, 0.05, shares=False) > seeds_to_decide(far, BEYOND, 0.05, shares=False)
    )


@pytest.mark.parametrize(("won", "lost"), [(10, 2), (16, 0), (2, 12)])
def test_seeds_that_decide_shares_have_the_power_that_is_enumerated(won, lost):
    d = np.array([1.0] * won + [-1.0] * lost + [0.0] * (20 - won - lost))
    n = seeds_to_decide(d, BEYOND, 0.05, shares=True)

    def exact(n):
        tied = 20 - won - lost
        return sum(
            math.comb(n, w) * math.comb(n - w, x) * won**w * lost**x * tied ** (n - w - x) / 20**n
            for w in range(n + 1)
            for x in range(n + 1 - w)
            if binomial_p(w, w + x) < 0.05
        )

    assert 0.75 < exact(n) < 0.92  # exact tests go in steps
    assert exact(n - 2) < 0.82


def test_flipped_p_is_that_of_all_flips():
    drawn = np.random.default_rng(2).normal(0.4, 1, (6, 9))
    drawn[0] = [1, 1, -1, 2, -2, 0, 0, 3, 1]  # ties
    np.testing.assert_allclose(_flipped_p(drawn), [enumerated(row.tolist()) for row in drawn], atol=1e-6)


@pytest.mark.parametrize("n", [13, 32, 33, 60])
def test_flipped_p_of_many_seeds_is_near_that_of_more_flips(n):
    drawn = np.random.default_rng(n).normal(2 / n**0.5, 1, (12, n))
    np.testing.assert_allclose(_flipped_p(drawn), [sign_flip_p(row) for row in drawn], atol=0.025)


def test_no_spread_needs_the_fewest_and_no_effect_finds_none():
    assert seeds_to_decide(np.full(8, 2.0), BEYOND, 0.05, shares=False) == 6
    assert seeds_to_decide(np.full(8, 2.0), BEYOND, 0.05 / 6, shares=False) == 8
    assert seeds_to_decide(np.full(8, 1.0), BEYOND, 0.05, shares=True) == 6
    assert seeds_to_decide(np.zeros(8), BEYOND, 0.05, shares=False) is None
    assert seeds_to_decide(np.array([2.0]), BEYOND, 0.05, shares=False) is None
    assert seeds_to_decide(normal(0.5 / MOST_SEEDS**0.5), BEYOND, 0.05, shares=False) is None


def test_a_whole_table_is_quick_and_the_same_twice():
    rng = np.random.default_rng(0)
    firsts = lambda: [[int(f) if f < 700 else NEVER] for f in rng.integers(4, 18, 8) * 50]  # noqa: E731
    results = study(*(model(name, firsts(), rng.random((8, 1))) for name in "abc"))
    tests = all_against_reference(results)
    first = decide(results, tests)
    start = time.process_time()
    assert decide(results, tests) == first
    assert time.process_time() - start < 0.5
    assert sum(one.seeds_to_decide is not None for one in first) >= 1
