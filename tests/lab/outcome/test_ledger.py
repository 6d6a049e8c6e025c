"""What the ledger says of invented results: every status, Holm over all of it, and a maximum against a maximum."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from attn_jax.config import Cell, DeclaredTest
from attn_jax.lab.outcome.decide import Pair, decide_pairs
from attn_jax.lab.outcome.ledger import comparable, decide_ledger, foreseen, reproduces, status_of

SEEDS = 12
CELL = Cell(97.0, "accuracy, %", "a GRU", "table 1", "A 2020", "maximum", 10, measure="s", model="a", unit=100)
SAME = replace(CELL, same_size=True)
NEAR = np.linspace(0.93, 0.99, 30)  # runs of the source's own size


def pair(difference, expect="more", seeds=SEEDS):
    """Models that differ by this, and a little by the seed."""
    noise = 0.01 * (np.arange(seeds) % 3)
    test = DeclaredTest("final", "a", "b", study="s", expect=expect)
    return Pair(test, 0.5 + difference + noise, np.full(seeds, 0.5))


def test_each_status():
    decided = decide_ledger({"as printed": pair(0.2), "contrary": pair(-0.2), "alike": pair(-0.01), "not run": None})
    answers = {name: [answer] for name, answer in decided.items()}
    assert status_of(CELL, answers["as printed"]) == "direction"
    assert status_of(CELL, answers["contrary"]) == "refuted"
    assert status_of(CELL, answers["alike"]) == "undecided"
    assert status_of(CELL, answers["not run"]) == "not tried"
    assert status_of(SAME, answers["as printed"], NEAR) == "reproduced"
    untried = replace(CELL, measure="", model="", reason="a week")
    assert status_of(untried, answers["as printed"]) == "not tried"
    assert status_of(CELL, []) == "not tried"


def test_a_cell_of_several_contrasts_needs_them_all():
    decided = decide_ledger({"as printed": pair(0.2), "contrary": pair(-0.2), "alike": pair(-0.01)})
    several = lambda *names: status_of(CELL, [decided[name] for name in names])  # noqa: E731
    assert several("as printed", "as printed") == "direction"
    assert several("as printed", "alike") == "undecided"
    assert several("as printed", "contrary") == "refuted"


def test_p_is_adjusted_over_the_whole_ledger_and_what_was_not_run_counts():
    one = pair(0.2)
    (alone,) = decide_pairs([one])
    assert alone.p == 2.0 ** (1 - SEEDS)
    for others in (0, 50, 101, 102):
        decided = decide_ledger({"it": one} | {f"other {i}": None for i in range(others)})["it"]
        assert decided.p == pytest.approx((1 + others) * alone.p)
        assert status_of(CELL, [decided]) == ("direction" if others < 102 else "undecided")


def test_a_difference_that_is_decided_alone_is_not_in_a_ledger():
    few = pair(0.2, seeds=7)
    assert decide_pairs([few])[0].outcome == "holds"
    assert decide_ledger({"it": few, "b": None, "c": None, "d": None})["it"].outcome == "undecided"


def test_what_is_doubted_decides_nothing_and_counts_all_the_same():
    decided = decide_ledger({"it": pair(0.2), "another": pair(0.2)}, doubted=["it"])
    assert [one.outcome for one in decided.values()] == ["undecided", "holds"]
    assert decided["it"].p == decided["another"].p == 2 * 2.0 ** (1 - SEEDS)


@pytest.mark.parametrize(("R", "k"), [(3, 2), (4, 3), (5, 1)])
def test_where_a_maximum_lies_is_exact_whatever_the_distribution(R, k):
    orders = list(itertools.permutations(range(R + k)))
    values = np.array([[*order] for order in orders], float)
    for level in (0.2, 0.5, 0.9):
        bounds = [foreseen(row[:R], "maximum", k, (-1, R + k), level) for row in values]
        low, high = np.transpose(bounds)
        best = values[:, R:].max(1)
        assert (best < low).mean() <= level / 2
        assert (best > high).mean() <= level / 2
    assert foreseen(values[0][:R], "maximum", k, (-1, R + k), 0.9) != (-1, R + k)  # it says something


def test_where_a_mean_lies_is_covered():
    rng = np.random.default_rng(0)
    drawn = rng.normal(0.5, 0.05, (2000, 8 + 3))
    bounds = np.array([foreseen(row[:8], "mean", 3) for row in drawn])
    inside = (bounds[:, 0] <= drawn[:, 8:].mean(1)) & (drawn[:, 8:].mean(1) <= bounds[:, 1])
    assert 0.93 < inside.mean() < 0.97
    assert foreseen(np.ones(8), "mean", 3)[0] < 0.7  # eight of eight say no more of the ninth


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        (CELL, NEAR),  # a reduced run, whatever it gives
        (SAME, NEAR[:9]),  # a maximum of 9 against one of 10
        (replace(SAME, runs=31), NEAR),
        (replace(SAME, value=80.0), NEAR),  # outside
        (SAME, np.linspace(0.5, 0.99, 30) ** 3),  # inside of what is too wide
        (replace(SAME, functional="mean", value=99.0), NEAR),  # the best of ours is no mean
    ],
)
def test_what_is_no_reproduction(cell, values):
    assert reproduces(SAME, NEAR)
    assert not reproduces(cell, values)


def test_a_maximum_is_held_against_where_a_maximum_lies_and_a_mean_against_a_mean():
    low, high = comparable(SAME, NEAR)
    assert low > NEAR.mean() and high == 1.0
    low, high = comparable(replace(SAME, functional="mean"), NEAR)
    assert low < NEAR.mean() < high < 0.99
