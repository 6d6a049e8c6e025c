"""Regions between margins, and shares tested at other differences than 0."""

import math

import numpy as np
import pytest
from test_paired import binomial_p

from attn_jax.lab.outcome.paired import paired_solved
from attn_jax.lab.outcome.sides import Side, excludes, room, shares_p, side_of


def pairs(wins, losses, n):
    """n pairs of solved and not."""
    places = np.arange(n)
    return places < wins, (places >= wins) & (places < wins + losses)


def counts(n):
    return [(wins, losses) for wins in range(n + 1) for losses in range(n + 1 - wins)]


@pytest.mark.parametrize("expect", ["less", "more", "different", "equal"])
def test_every_difference_has_one_side(expect):
    expected = {"less": [0, 0, 0, 1], "more": [1, 0, 0, 0], "different": [1, 0, 0, 1], "equal": [0, 1, 1, 0]}[expect]
    assert [side_of(value, expect, 1.0).expected for value in (2.0, 0.5, -0.5, -2.0)] == list(map(bool, expected))


def test_at_zero_it_is_mcnemars():
    for wins, losses in counts(7):
        assert shares_p(wins, losses, 7, 0.0) == pytest.approx(binomial_p(wins, wins + losses))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_interval_that_leaves_a_border_out_is_that_of_paired_solved(level):
    n = 6
    for wins, losses in counts(n):
        _, low, high, *_ = paired_solved(*pairs(wins, losses, n), level)
        for border in (-0.61, -0.2, 0.05, 0.33, 0.8):
            assert bool(excludes(wins, losses, n, border, 1 - level)) == (low > border or high < border)
            assert (shares_p(wins, losses, n, border) < 1 - level) == (low > border or high < border)


@pytest.mark.parametrize("border", [-0.3, 0.1, 0.5])
@pytest.mark.parametrize("p", [0.01, 0.05, 0.1])
def test_shares_that_differ_by_the_border_are_seldom_told_from_it(border, p):
    """Enumerated, over all shares that differ by it: the test is valid, and each of its sides at half the level."""
    n = 8
    table = np.array(counts(n))
    out = excludes(table[:, 0], table[:, 1], n, border, p)
    above = (table[:, 0] - table[:, 1]) / n > border
    ways = np.array([math.comb(n, w) * math.comb(n - w, x) for w, x in table])
    for lost in np.linspace(max(0, -border), min(1, (1 - border) / 2), 15):
        won = lost + border
        chance = ways * won ** table[:, 0] * lost ** table[:, 1] * max(0, 1 - won - lost) ** (n - table.sum(axis=1))
        assert chance.sum() == pytest.approx(1)
        assert (chance * out * above).sum() <= p / 2 + 1e-12
        assert (chance * out * ~above).sum() <= p / 2 + 1e-12


@pytest.mark.parametrize(
    ("side", "bounds", "value", "shift"),
    [
        (Side((0.0,), 2, True), (0.5, 3.0), 2.0, -1.5),
        (Side((0.0,), 2, True), (-3.0, -0.5), -2.0, 1.5),
        (Side((0.0,), 2, True), (-0.5, 3.0), 2.0, None),
        (Side((0.0,), 2, True), (-math.inf, math.inf), 2.0, None),
        (Side((-1.0, 1.0), 1, True), (-0.25, 0.5), 0.25, 0.25),
        (Side((-1.0, 1.0), 1, True), (-0.75, 0.5), 0.0, -0.75),
        (Side((-1.0, 1.0), 1, True), (-0.25, 1.5), 0.25, None),
    ],
)
def test_the_end_of_an_interval_nearest_to_a_border(side, bounds, value, shift):
    assert room(side, bounds, value) == shift
