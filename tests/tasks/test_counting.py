"""Counting against list.count, and its counts, queries and places against the laws they are drawn from."""

import math
from collections import Counter

import jax
import numpy as np
import pytest

from attn_jax.tasks.counting import Counting, floors, sample, solve
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size):
    return [np.asarray(a) for a in sample(config, jax.random.key(0), batch_size, length, max_length)]


@pytest.mark.parametrize("config", [Counting(), Counting(num_symbols=3, max_count=2)])
def test_contract(config):
    check_task(config, floor_samples=5_000)


@pytest.mark.parametrize("length", [7, 8, 12])
def test_the_query_is_counted(length):
    inputs, targets, weights, scored, valid = draw(Counting(), length, 12, 128)
    for row in range(128):
        symbols, query = inputs[row, :length].tolist(), inputs[row, length] - 16
        assert all(0 <= symbol < 16 for symbol in symbols)
        assert 0 <= query < 16
        assert targets[row].tolist() == [0] * length + [symbols.count(query)] + [0] * (12 - length)
        assert not inputs[row, length + 1 :].any()
    assert (scored == (np.arange(13) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(13) <= length)).all()


@pytest.mark.parametrize("length", [3, 9])
def test_counts_queries_places_and_others_are_uniform(length):
    inputs, targets, *_ = draw(Counting(num_symbols=4, max_count=3), length, 9, 16_000)
    counts, queries = targets[:, length], inputs[:, length] - 4
    joint = Counter(zip(counts.tolist(), queries.tolist(), strict=True))
    assert len(joint) == 16
    assert all(abs(n - 1000) < 5 * math.sqrt(1000) for n in joint.values())
    is_query = inputs[:, :length] == queries[:, None]
    for count in range(4):
        rows = is_query[counts == count]
        assert (abs(rows.mean(axis=0) - count / length) < 5 * 0.5 / math.sqrt(len(rows))).all()
        others = ((inputs[:, :length] - queries[:, None]) % 4)[(counts == count)[:, None] & ~is_query]
        if len(others):
            shares = np.bincount(others, minlength=4)[1:] / len(others)
            assert (abs(shares - 1 / 3) < 5 * 0.5 / math.sqrt(len(others))).all()


def test_order_is_free():
    inputs, targets, _, _, valid = draw(Counting(), 20, 20, 64)
    shuffled = inputs.copy()
    np.random.default_rng(0).permuted(inputs[:, :20], axis=1, out=shuffled[:, :20])
    assert (solve(Counting(), shuffled, valid)[:, 20] == targets[:, 20]).all()


def test_floor_is_the_best_that_knows_neither_symbols_nor_query():
    _, targets, *_ = draw(Counting(), 7, 7, 16_000)
    best = np.bincount(targets[:, 7]).max() / 16_000
    assert abs(best - 1 / 8) < 5 * 0.33 / math.sqrt(16_000)
    assert floors(Counting(), 7)["uniform"][:2] == (1 / 8, pytest.approx(math.log(8)))


def test_lengths_start_where_every_count_is_possible():
    spec = Counting().make().spec
    assert spec.lengths(7, 9) == (7, 8, 9)
    with pytest.raises(ValueError, match="got low=6, high=9, wanted 7 <= low <= high"):
        spec.lengths(6, 9)
    with pytest.raises(ValueError, match="got low=6, high=6, wanted 7 <= low"):
        sample(Counting(), jax.random.key(0), 2, 6, 6)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="Counting: num_symbols is 1, wanted at least 2"):
        Counting(num_symbols=1)
    with pytest.raises(ValueError, match="Counting: max_count is 0, wanted at least 1"):
        Counting(max_count=0)
