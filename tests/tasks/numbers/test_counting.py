"""Counting against list.count, its draws against the laws they are drawn from, its floors against every sequence."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.numbers.counting import Counting, floors
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size):
    return [np.asarray(a) for a in sample(config, jax.random.key(0), batch_size, length, max_length)]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("config", [Counting(), Counting(num_symbols=3, max_count=2)])
def test_contract(config):
    check_task(config, floor_samples=5_000)


@pytest.mark.parametrize("length", [7, 8, 12])
def test_the_query_is_counted(length):
    inputs, targets, weights, scored, valid = draw(Counting(16, 7), length, 12, 128)
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


def test_uniform_is_the_best_that_knows_neither_symbols_nor_query():
    _, targets, *_ = draw(Counting(max_count=7), 7, 7, 16_000)
    best = np.bincount(targets[:, 7]).max() / 16_000
    assert abs(best - 1 / 8) < 5 * 0.33 / math.sqrt(16_000)
    assert floors(Counting(max_count=7), 7)["uniform"][:2] == (1 / 8, pytest.approx(math.log(8)))


@pytest.mark.parametrize(("num_symbols", "max_count", "length"), [(2, 1, 4), (3, 2, 2), (3, 2, 6), (4, 3, 5)])
def test_floors_without_the_query_by_enumerating_every_sequence(num_symbols, max_count, length):
    commonest = rarest = 0.0
    for symbols in itertools.product(range(num_symbols), repeat=length):
        counts = [symbols.count(symbol) for symbol in range(num_symbols)]
        for count in counts:  # of a symbol that may be the query; the places, then the other symbols
            if count <= max_count:
                ways = num_symbols * (max_count + 1) * math.comb(length, count) * (num_symbols - 1) ** (length - count)
                commonest += (min(max(counts), max_count) == count) / ways
                rarest += (min(counts) == count) / ways
    found = floors(Counting(num_symbols, max_count), length)
    assert found["commonest_count"].value == pytest.approx(commonest, rel=1e-12)
    assert found["rarest_count"].value == pytest.approx(rarest, rel=1e-12)


def test_chance_is_below_best_and_near_it_at_short_lengths_only():
    spec = Counting().make().spec
    assert spec.chance == "commonest_count"
    # The largest count of a symbol ignores the query and is right far more often than 1 / 8 = "uniform".
    found = [floors(Counting(16, 7), length)["commonest_count"].value for length in (7, 14, 21, 35, 49)]
    assert found == pytest.approx([0.784, 0.675, 0.573, 0.396, 0.244], abs=1e-3)
    for config in (Counting(2, 1), Counting(2, 9), Counting(), Counting(40, 9)):
        shortest = config.max_count
        assert all(floors(config, length)["commonest_count"].value < 0.95 for length in range(shortest, shortest + 9))
    trained = [floors(Counting(), length) for length in range(spec.train_lengths[0], spec.train_lengths[1] + 1)]
    assert all(found["rarest_count"].value < found["commonest_count"].value < 0.5 for found in trained)


def test_counts_are_said_without_the_query():
    found = floors(Counting(3, 2), 6)
    inputs, valid = np.array([[0, 0, 1, 0, 1, 2, 4, 0]]), np.arange(8)[None] < 7
    assert found["commonest_count"].predict(inputs, valid)[0, 6].tolist() == [0, 0, 1]  # three times, at most 2
    assert found["rarest_count"].predict(inputs, valid)[0, 6].tolist() == [0, 1, 0]


def test_lengths_start_where_every_count_is_possible():
    spec = Counting().make().spec
    assert spec.lengths(5, 7) == (5, 6, 7)
    with pytest.raises(ValueError, match="got low=4, high=7, wanted 5 <= low <= high"):
        spec.lengths(4, 7)
    with pytest.raises(ValueError, match="max_length: got 4, wanted at least 5"):
        sample(Counting(), jax.random.key(0), 2, 4, 4)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="Counting: num_symbols is 1, wanted at least 2"):
        Counting(num_symbols=1)
    with pytest.raises(ValueError, match="Counting: max_count is 0, wanted at least 1"):
        Counting(max_count=0)
