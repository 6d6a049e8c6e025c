"""What looking again costs: false alarms of studies that grow until they decide, many at once."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats
from test_summary import all_solved, none_solved, study

from attn_jax.lab.outcome.looks import look_factor
from attn_jax.lab.outcome.summary import summarize

STUDIES, EVERY = 20_000, 8


def p_of_looks(looks):
    """[STUDIES, looks] p of Student's test after 8, 16 ... seeds of noise: on normal differences it is exact."""
    d = np.random.default_rng(0).normal(size=(STUDIES, EVERY * looks))
    n = EVERY * np.arange(1, looks + 1)
    total, squares = np.cumsum(d, 1)[:, n - 1], np.cumsum(d**2, 1)[:, n - 1]
    mean = total / n
    t = mean / np.sqrt((squares / n - mean**2) / (n - 1))
    return 2 * stats.t.sf(np.abs(t), n - 1)


def alarms(factors):
    """The share of studies that decide at one of the looks that nothing is something."""
    return (p_of_looks(len(factors)) * factors < 0.05).any(axis=1).mean()


def test_whoever_looks_again_and_again_is_seldom_wrong():
    spent = lambda looks: [look_factor(k) for k in range(1, looks + 1)]  # noqa: E731
    assert alarms(spent(1)) < alarms(spent(4)) <= 0.05  # at 8, 16, 24 and 32 seeds
    assert alarms(spent(24)) <= 0.05
    assert alarms([1, 1, 1, 1]) > 0.12
    assert alarms([1, 2, 3, 4]) > 0.06  # p times the looks so far
    assert alarms([1, *spent(4)[1:]]) > 0.05  # a first look that spends all


@pytest.mark.parametrize("looks", [1, 2, 1000])
def test_what_is_spent_sums_to_less_than_one(looks):
    shares = [Fraction(19, 20)] + [1 / Fraction(look_factor(k)) for k in range(2, looks + 1)]
    assert 1 / shares[0] == pytest.approx(look_factor(1))
    assert 1 - sum(shares) == Fraction(1, 20 * looks)


def test_a_grown_study_says_at_which_look_it_was_decided():
    found = study(all_solved(), none_solved("lstm"))
    first, second = (summarize(replace(found, looks=looks)) for looks in ((8,), (4, 8)))
    assert [row["p"] for row in second["comparisons"]] == [pytest.approx(3 * 40 * 2 / 256)] * 3
    assert first == summarize(found) | {"looks": [8]}
    assert second["looks"] == [4, 8]
    assert (
        "(p < .05 after Holm's correction over 3 tests, decided at look 2); 8 paired seeds cannot, 13 are the"
        in (second["verdict"])
    )
