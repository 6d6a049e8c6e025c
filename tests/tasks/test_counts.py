"""Scores of counting against enumeration of all draws."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from attn_jax.tasks.counts import (
    as_commonest,
    as_shares,
    at_last_place,
    at_least,
    at_most,
    commonest_share,
    drawn_share,
)
from attn_jax.tasks.recall.associative_recall import expected_max_count


@pytest.mark.parametrize(("num_draws", "num_values"), [(1, 2), (5, 2), (4, 5), (6, 3)])
def test_shares_by_enumerating_every_draw(num_draws, num_values):
    most = within = loss = 0.0
    for draws in itertools.product(range(num_values), repeat=num_draws):
        counts = Counter(draws)
        most += max(counts.values()) / num_draws
        within += sum(counts[v] / num_draws for v in draws) / num_draws
        loss -= sum(math.log(counts[v] / num_draws) for v in draws) / num_draws
    total = num_values**num_draws
    assert commonest_share(num_draws, num_values) == pytest.approx(most / total, rel=1e-12)
    assert drawn_share(num_draws, num_values) == pytest.approx((within / total, loss / total), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(("num_draws", "num_values"), [(16, 14), (29, 18), (40, 15), (60, 2)])
def test_commonest_agrees_with_whole_numbers(num_draws, num_values):
    exact = float(expected_max_count(num_draws, num_values) / num_draws)
    assert commonest_share(num_draws, num_values) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize(("num_draws", "num_values"), [(0, 3), (1, 1), (5, 2), (4, 5), (7, 3)])
def test_extreme_counts_by_enumerating_every_draw(num_draws, num_values):
    counts = [np.bincount(draws, minlength=num_values) for draws in every_draw(num_draws, num_values)]
    for count in range(-1, num_draws + 2):
        within = np.mean([c.max() <= count for c in counts])
        assert at_most(num_draws, num_values, count) == pytest.approx(within, abs=1e-12)
        within = np.mean([c.min() >= count for c in counts])
        assert at_least(num_draws, num_values, count) == pytest.approx(within, abs=1e-12)


def every_draw(num_draws, num_values):
    return (np.array(draws, np.int64) for draws in itertools.product(range(num_values), repeat=num_draws))


def test_windows_of_large_counts_lose_nothing():
    # With two values the larger count is known: n / 2 + E|c - n / 2|, and the mean deviation of a coin is exact.
    n = 4096
    deviation = n / 2 * math.exp(math.lgamma(n + 1) - 2 * math.lgamma(n / 2 + 1) - n * math.log(2))
    assert commonest_share(n, 2) == pytest.approx(0.5 + deviation / n, rel=1e-9)


def test_predictors_count_valid_tokens_only():
    inputs = np.array([[3, 1, 3, 2, 0, 3]])
    valid = np.array([[True, True, True, True, True, False]])
    tokens = np.array([1, 2, 3])
    assert at_last_place(as_shares, tokens, 4, inputs, valid)[0, 4].tolist() == [0, 0.25, 0.25, 0.5]
    assert at_last_place(as_commonest, tokens, 4, inputs, valid)[0, 4].tolist() == [0, 0, 0, 1]
    assert at_last_place(as_commonest, tokens, 4, inputs, valid)[0, 3].tolist() == [0.25] * 4
