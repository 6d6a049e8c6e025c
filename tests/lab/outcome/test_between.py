"""Two studies of one task: tests of unpaired samples against obvious ones, and what each measure is compared by."""

import itertools

import numpy as np
import pytest
from scipy import stats

from attn_jax.lab.outcome.between import changes, is_paired, scores_differ, unpaired_difference, unpaired_solved
from attn_jax.lab.outcome.paired import paired_difference, paired_solved

A, B = np.array([3.0, 5.0, 4.0, 6.5, 5.5]), np.array([1.0, 2.0, 4.5, 2.5])


def handed_out_anew(a, b):
    """p over every division, by twice the smaller tail."""
    values, seen = np.concatenate([a, b]), a.mean() - b.mean()
    found = []
    for chosen in itertools.combinations(range(len(values)), len(a)):
        inside = np.isin(np.arange(len(values)), chosen)
        found.append(values[inside].mean() - values[~inside].mean())
    found = np.array(found)
    return min(1, 2 * min((found >= seen - 1e-12).mean(), (found <= seen + 1e-12).mean()))


def test_p_is_the_share_of_divisions_and_the_interval_welchs():
    difference = unpaired_difference(A, B)
    welch = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.95)
    assert difference.value == A.mean() - B.mean()
    np.testing.assert_allclose((difference.low, difference.high), (welch.low, welch.high), rtol=1e-12)
    assert difference.p == pytest.approx(handed_out_anew(A, B), rel=1e-12)


@pytest.mark.parametrize("wins", [(5, 0), (4, 1), (5, 5), (0, 3)])
def test_shares_are_compared_by_the_same_test(wins):
    a, b = (np.arange(5) < count for count in wins)
    difference = unpaired_solved(a, b)
    assert difference.p == pytest.approx(handed_out_anew(a.astype(float), b.astype(float)), rel=1e-12)
    assert -1 <= difference.low <= difference.value <= difference.high <= 1


def test_newcombes_own_example():
    """56 of 70 against 48 of 80: .2000, .0524 to .3339 (Newcombe 1998, table II, a, method 10)."""
    difference = unpaired_solved(np.arange(70) < 56, np.arange(80) < 48)
    np.testing.assert_allclose(difference[:3], (0.2, 0.0524, 0.3339), atol=5e-5)


def test_one_value_on_a_side_decides_nothing():
    alone = unpaired_difference([1.0], B)
    assert alone[:4] == (1.0 - B.mean(), -np.inf, np.inf, 1.0)
    assert unpaired_solved([True], [False, False]).p == 1.0


def test_no_spread_is_no_point():
    agree = unpaired_difference([1.0, 1.0], [1.0, 1.0])
    assert agree == (0.0, -np.inf, np.inf, 1.0, "no spread")
    low, high = unpaired_difference([1.0] * 8, [1.0] * 8, (0.0, 1.0))[1:3]
    assert (low, high) == pytest.approx((-0.369, 0.369), abs=1e-3)


def test_no_difference_is_beyond_the_limits():
    wide = unpaired_difference([0.0, 1.0], [0.0, 0.1], (0.0, 1.0))
    assert (wide.low, wide.high, wide.method) == (-1.0, 1.0, "Welch")


def summary(**models):
    """name -> [(steps to solve or None, final score)], one rate."""
    return {
        "models": {
            name: {
                "runs": [
                    {"seed": seed, "learning_rate": 0.1, "steps_to_solve": steps, "final": final}
                    for seed, (steps, final) in enumerate(runs)
                ],
                "chosen_learning_rates": [0.1] * len(runs),
            }
            for name, runs in models.items()
        }
    }


FIRST = summary(gru=[(100, 1.0), (None, 0.2), (None, 0.3), (200, 1.0)], lstm=[(None, 0.0)] * 4)
SECOND = summary(gru=[(50, 1.0), (300, 1.0), (150, 1.0), (350, 0.9)], rnn=[(None, 0.0)] * 4)


@pytest.mark.parametrize("paired", [True, False])
def test_steps_are_cut_off_at_the_smaller_budget_and_what_is_solved_later_is_not(paired):
    found = changes(FIRST, SECOND, 300, (-1.0, 1.0), paired=paired, timed=True)
    solved, steps, final = found
    assert [(change.model, change.measure) for change in found] == [
        ("gru", name) for name in ("solved", "steps", "final")
    ]
    assert (solved.first, solved.second) == (0.5, 0.75)
    assert (steps.first, steps.second) == (225, 200)
    tests = (paired_solved, paired_difference) if paired else (unpaired_solved, unpaired_difference)
    assert solved.difference[:3] == tests[0]([True, True, True, False], [True, False, False, True])[:3]
    assert steps.difference[:3] == tests[1]([50, 300, 150, 300], [100, 300, 300, 200], (0, 300))[:3]
    alone = tests[1]([1.0, 1.0, 1.0, 0.9], [1.0, 0.2, 0.3, 1.0], (-1, 1))
    assert final.difference[:3] == alone[:3]
    assert final.difference.p >= alone.p


def test_without_a_threshold_scores_alone_are_compared():
    assert [change.measure for change in changes(FIRST, SECOND, 300, (-1.0, 1.0), paired=True, timed=False)] == [
        "final"
    ]


def facts(**train):
    return {
        "config": {"task": {"name": "parity"}, "strings": False, "train": {"seeds": 8, "batch_size": 4} | train},
        "task": {"source": "here", "train_lengths": [2, 4]},
    }


def test_seeds_are_paired_where_their_batches_are_the_same():
    assert is_paired(facts(steps=10), facts(steps=20))
    assert not is_paired(facts(), facts(seeds=9))
    assert not is_paired(facts(), facts(batch_size=8))
    assert scores_differ(facts(), facts(seeds=9)) == []
    assert scores_differ(facts(), facts() | {"task": {"source": "there", "train_lengths": [2, 4]}}) == [
        "the task's source"
    ]
