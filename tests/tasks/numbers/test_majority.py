"""Majority against a counter, its floor against all sequences with their ties broken in every way."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.numbers.majority import Majority, expected_winning_count, floors
from attn_jax.testing.check_task import check_task


def broken_ties(symbols):
    """(probability, sequence, winner): what the definition makes of a uniform sequence."""
    counts = Counter(symbols)
    most = [symbol for symbol in counts if counts[symbol] == max(counts.values())]
    if len(most) == 1:
        yield 1.0, symbols, most[0]
        return
    for winner in most:
        losing = [place for place, symbol in enumerate(symbols) if symbol != winner]
        for place in losing:
            changed = (*symbols[:place], winner, *symbols[place + 1 :])
            yield 1 / len(most) / len(losing), changed, winner


def draw(config, length, max_length, batch_size):
    return [np.asarray(a) for a in sample(config, jax.random.key(0), batch_size, length, max_length)]


@pytest.mark.parametrize("num_symbols", [2, 5])
@pytest.mark.exhaustive
def test_contract(num_symbols):
    check_task(Majority(num_symbols), floor_samples=10_000)


@pytest.mark.parametrize("length", [3, 4, 9, 10])
@pytest.mark.parametrize("num_symbols", [2, 3])
def test_winner_is_unique_and_said_at_the_end(num_symbols, length):
    inputs, targets, weights, scored, valid = draw(Majority(num_symbols), length, 10, 128)
    for row in range(128):
        symbols = inputs[row, :length].tolist()
        assert set(symbols) <= set(range(num_symbols))
        (winner, most), *rest = Counter(symbols).most_common()
        assert not rest or rest[0][1] < most
        assert inputs[row, length:].tolist() == [num_symbols] + [0] * (10 - length)
        assert targets[row].tolist() == [0] * length + [winner] + [0] * (10 - length)
    assert (scored == (np.arange(11) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(11) <= length)).all()


@pytest.mark.parametrize(("num_symbols", "length"), [(2, 3), (2, 4), (3, 4)])
def test_sequences_follow_the_definition(num_symbols, length):
    exact = Counter()
    for symbols in itertools.product(range(num_symbols), repeat=length):
        for probability, changed, _ in broken_ties(symbols):
            exact[changed] += probability / num_symbols**length
    inputs, *_ = draw(Majority(num_symbols), length, length, 20_000)
    found = Counter(map(tuple, inputs[:, :length].tolist()))
    assert set(found) == set(exact)
    for symbols, share in exact.items():
        assert abs(found[symbols] - 20_000 * share) < 5 * math.sqrt(20_000 * share)


@pytest.mark.parametrize(("num_symbols", "length"), [(2, 3), (2, 4), (2, 5), (2, 8), (3, 3), (3, 6), (4, 5)])
def test_one_symbol_floor_is_the_best_at_each_place(num_symbols, length):
    joint = np.zeros((length, num_symbols, num_symbols))  # place, its symbol, the winner
    for symbols in itertools.product(range(num_symbols), repeat=length):
        for probability, changed, winner in broken_ties(symbols):
            joint[np.arange(length), changed, winner] += probability / num_symbols**length
    best = joint.max(axis=2).sum(axis=1)
    found = floors(Majority(num_symbols), length)
    assert best == pytest.approx([found["one_symbol"].value] * length, rel=1e-12)
    assert joint.sum(axis=(0, 1)) / length == pytest.approx([1 / num_symbols] * num_symbols)
    assert found["uniform"][:2] == (1 / num_symbols, math.log(num_symbols))


def test_long_floors_are_the_binomial_ones():
    for length in (21, 99, 301):
        exact = sum(math.comb(length, n) * max(n, length - n) for n in range(length + 1)) / 2**length
        assert expected_winning_count(length, 2) == pytest.approx(exact, rel=1e-10)
    assert 1 / 20 < expected_winning_count(200, 20) / 200 < 0.1


@pytest.mark.parametrize(("num_symbols", "length"), [(2, 1), (2, 6), (3, 6), (3, 9), (5, 6)])
def test_winning_counts_of_every_sequence(num_symbols, length):
    total = 0
    for symbols in itertools.product(range(num_symbols), repeat=length):
        counts = sorted(Counter(symbols).values(), reverse=True)
        total += counts[0] + (counts[1:2] == counts[:1])
    expected = total / num_symbols**length
    assert expected_winning_count(length, num_symbols) == pytest.approx(expected, rel=1e-12)


def test_winning_counts_of_thousands_of_draws():
    # Two symbols, L even: the mean deviation of a coin, and a tie with the chance of as many heads as tails.
    length = 4400
    tie = math.exp(math.lgamma(length + 1) - 2 * math.lgamma(length / 2 + 1) - length * math.log(2))
    expected = length / 2 + length / 2 * tie + tie
    assert expected_winning_count(length, 2) == pytest.approx(expected, rel=1e-10)
    assert 1 / 16 < expected_winning_count(2200, 16) / 2200 < 0.08


def test_order_is_free():
    inputs, targets, _, _, valid = draw(Majority(), 20, 20, 64)
    shuffled = inputs.copy()
    np.random.default_rng(0).permuted(inputs[:, :20], axis=1, out=shuffled[:, :20])
    assert (solve(Majority(), shuffled, valid)[:, 20] == targets[:, 20]).all()


def test_one_symbol_predicts_what_stands_before():
    said = floors(Majority(), 3)["one_symbol"].predict(np.array([[1, 0, 0, 2]]), np.ones((1, 4), bool))
    assert said[0].tolist() == [[0.5, 0.5], [0, 1], [1, 0], [1, 0]]


def test_errors():
    spec = Majority().make().spec
    assert spec.lengths(3, 5) == (3, 4, 5)
    with pytest.raises(ValueError, match="got low=2, high=5, wanted 3 <= low <= high"):
        spec.lengths(2, 5)
    with pytest.raises(ValueError, match="max_length: got 2, wanted at least 3"):
        sample(Majority(), jax.random.key(0), 2, 2, 2)
    with pytest.raises(ValueError, match="Majority: num_symbols is 1, wanted at least 2"):
        Majority(1)
