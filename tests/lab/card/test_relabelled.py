"""The exact test of a card against a rival: against an obvious loop, and how often it rejects where nothing differs."""

from itertools import combinations

import numpy as np
import pytest

from attn_jax.lab.card.relabelled import Runs, read_runs, relabelled_p, told_runs
from attn_jax.lab.outcome.selection import cross_fitted_rates

BUDGET = 300


def chosen(runs):
    """[S] each seed's score at the rate that is best on the other seeds."""
    solved = np.isfinite(runs.solved_at)
    return runs.final[np.arange(len(solved)), cross_fitted_rates(solved, runs.solved_at, runs.loss, BUDGET).places]


def rows(runs, seeds):
    return Runs(*(array[list(seeds)] for array in runs))


def p_of(apart):
    """Of differences or of t, the seen one first."""
    close = 1e-9 * max(1, abs(apart[0]))
    return min(1.0, 2 * min(np.mean(apart >= apart[0] - close), np.mean(apart <= apart[0] + close)))


def student(a, b):
    """t of two groups of scores with six digits, but for a factor of their counts."""
    within = (((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / (len(a) + len(b) - 2)
    return (a.mean() - b.mean()) / np.sqrt(within + 1e-12)


def difference(a, b):
    return a.mean() - b.mean()


def looped_p(table, n, statistic=student):
    """The first n rows against the others, every way chosen anew."""
    every = {*range(len(table.final))}
    groups = ((rows(table, own), rows(table, every - {*own})) for own in combinations(sorted(every), n))
    return p_of(np.array([statistic(chosen(own), chosen(other)) for own, other in groups]))


def broken_p(table, n):
    """As it was once: rates are chosen in the groups that were seen, and the scores handed out anew."""
    scores = np.concatenate([chosen(rows(table, range(n))), chosen(rows(table, range(n, len(table.final))))])
    taken = np.array([*combinations(range(len(scores)), n)])
    means = scores[taken].mean(1)
    return p_of(means - (scores.sum() - n * means) / (len(scores) - n))


def drawn(rng, seeds, rates=3):
    """Runs with ties in everything that chooses, some of them diverged."""
    shape, gone = (seeds, rates), rng.random((seeds, rates)) < 0.15
    solved_at = np.where(rng.random(shape) < 0.4, rng.integers(1, 10, shape) * 50.0, np.inf)  # some after the budget
    return Runs(
        np.where(gone, 0, rng.random(shape).round(2)),
        np.where(gone, np.inf, solved_at),
        np.where(gone, np.inf, rng.integers(1, 4, shape) / 2),
    )


@pytest.mark.parametrize(("n", "m", "rates"), [(4, 5, 3), (2, 2, 2), (2, 6, 3), (3, 4, 1)])
def test_p_is_that_of_a_loop_over_all_ways(n, m, rates):
    rng = np.random.default_rng([n, m])
    for _ in range(4):
        table = drawn(rng, n + m, rates)
        assert relabelled_p(rows(table, range(n)), rows(table, range(n, n + m)), BUDGET) == looped_p(table, n)


def of_another_rate(rng, seeds, best):
    """A mixer that wants one of two rates, and does little at the other."""
    final = np.where(np.arange(2) == best, (1.0, 0.3)[best], 0.1) + 0.02 * rng.normal(size=(seeds, 2))
    return Runs(final, np.full(final.shape, np.inf), 1 - final)


def test_mixers_that_want_different_rates_are_told_apart_and_by_differences_are_not_twin():
    rng = np.random.default_rng(2)
    table = Runs(*map(np.concatenate, zip(of_another_rate(rng, 3, 1), of_another_rate(rng, 6, 0), strict=True)))
    assert table.final.max(1)[:3].max() < 0.5 < table.final.max(1)[3:].min()  # no seed lies between
    assert relabelled_p(rows(table, range(3)), rows(table, range(3, 9)), BUDGET) == pytest.approx(2 / 84)
    assert looped_p(table, 3, difference) > 0.1


def test_seeds_without_spread_are_compared_by_their_means():
    alike, same = (np.array([[score]] * count) for score, count in ((0.5, 4), (1.0, 6)))
    own, other = (Runs(final, np.full(final.shape, np.inf), 1 - final) for final in (alike, same))
    assert relabelled_p(own, other, BUDGET) == pytest.approx(2 / 210)
    assert relabelled_p(own, own, BUDGET) == 1


def test_of_4_against_16_the_smallest_p_is_that_of_one_way_on_each_side():
    table = drawn(np.random.default_rng(0), 20)
    apart = table._replace(final=table.final + 10 * (np.arange(20) < 4)[:, None])
    assert relabelled_p(rows(apart, range(4)), rows(apart, range(4, 20)), BUDGET) == pytest.approx(2 / 4845)
    assert relabelled_p(rows(apart, range(1)), rows(apart, range(1, 20)), BUDGET) == 1


def luck_in_the_loss(rng, seeds):
    """Nearly tied rates: the best is the best by little, and the loss hardly tells."""
    final = np.array([0.9, 0.8, 0.7]) + 0.02 * rng.normal(size=(seeds, 3))
    return Runs(final, np.full(final.shape, np.inf), 1 - final + 0.3 * rng.normal(size=final.shape))


def luck_in_the_solving(rng, seeds):
    """Rates that are alike: a run solves or it does not."""
    solved = rng.random((seeds, 3)) < 0.6
    final = np.where(solved, 1, 0.3) + 0.01 * rng.normal(size=(seeds, 3))
    return Runs(final, np.where(solved, rng.integers(2, 6, solved.shape) * 50.0, np.inf), 1 - final)


@pytest.mark.parametrize(("draw", "too_often"), [(luck_in_the_loss, 0.2), (luck_in_the_solving, 0.075)])
def test_a_renamed_rival_is_told_from_it_no_more_often_than_p_says_and_the_old_way_far_more(draw, too_often):
    rng, n, m, times = np.random.default_rng(1), 3, 9, 600
    tables = [draw(rng, n + m) for _ in range(times)]
    exact = [relabelled_p(rows(table, range(n)), rows(table, range(n, n + m)), BUDGET) <= 0.05 for table in tables]
    broken = [broken_p(table, n) <= 0.05 for table in tables[:200]]
    assert np.mean(exact) <= 0.05 + 2 * (0.05 * 0.95 / times) ** 0.5
    assert np.mean(broken) > too_often


def test_runs_come_back_from_json_as_they_were():
    runs = drawn(np.random.default_rng(3), 4)
    for before, after in zip(runs, read_runs(told_runs(runs)), strict=True):
        np.testing.assert_array_equal(before, after)
