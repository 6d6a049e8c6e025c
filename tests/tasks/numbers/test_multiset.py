"""Multiset equality against sorting, and that nothing but counting both halves tells equal from unequal ones."""

import itertools
import math
from collections import Counter, defaultdict
from fractions import Fraction

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.numbers.multiset import Multiset, floors, probability_of_same_set
from attn_jax.testing.check_task import check_task


def draw(num_symbols, length, max_length, batch_size):
    """(first halves, second halves, equal or not, the rest of the batch)."""
    batch = sample(Multiset(num_symbols), jax.random.key(0), batch_size, length, max_length)
    inputs, targets, *rest = map(np.asarray, batch)
    return inputs[:, :length], inputs[:, length + 1 : 2 * length + 1], targets[:, 2 * length + 1], [inputs, *rest]


def twins(num_symbols, length):
    """(probability, A, B): what the definition makes of every sequence."""
    for symbols in itertools.product(range(num_symbols), repeat=length):
        a, b = symbols[:2]
        others = set(range(num_symbols)) - {a, b}
        for other in others:
            share = Fraction(1, num_symbols**length * len(others))
            yield share, symbols, (other, (a + b - other) % num_symbols, *symbols[2:])


@pytest.mark.parametrize("num_symbols", [4, 7])
@pytest.mark.exhaustive
def test_contract(num_symbols):
    check_task(Multiset(num_symbols), floor_samples=10_000)


@pytest.mark.parametrize("length", [5, 6, 8])
def test_layout(length):
    first, second, equal, (inputs, weights, scored, valid) = draw(4, length, 8, 128)
    used = 2 * length + 2
    for row in range(128):
        assert inputs[row].tolist() == [*first[row], 4, *second[row], 5] + [0] * (18 - used)
        assert {*first[row], *second[row]} <= {0, 1, 2, 3}
        assert equal[row] == (Counter(first[row].tolist()) == Counter(second[row].tolist()))
    assert (scored == (np.arange(18) == used - 1)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(18) < used)).all()


@pytest.mark.parametrize("num_symbols", [3, 4])
def test_sequences_follow_the_definition(num_symbols):
    exact = defaultdict(float)
    for share, one, other in twins(num_symbols, 5):
        a, b = tuple(sorted(one)), tuple(sorted(other))
        for halves in ((a, a), (b, b), (a, b), (b, a)):
            exact[halves] += float(share) / 4
    first, second, *_ = draw(num_symbols, 5, 5, 20_000)
    found = Counter(zip(map(tuple, np.sort(first).tolist()), map(tuple, np.sort(second).tolist()), strict=True))
    assert set(found) <= set(exact)
    for halves, share in exact.items():
        assert abs(found[halves] - 20_000 * share) < 5 * math.sqrt(20_000 * share) + 5


def test_one_half_says_nothing():
    by_answer = [defaultdict(Fraction), defaultdict(Fraction)]
    for share, one, other in twins(4, 5):
        a, b = tuple(sorted(one)), tuple(sorted(other))
        for half, equal in ((a, 1), (b, 1), (a, 0), (b, 0)):
            by_answer[equal][half] += share
    assert by_answer[0] == by_answer[1]
    first, second, equal, _ = draw(4, 6, 8, 20_000)
    for half in (first, second):
        for count in range(4):
            shares = [np.mean((half[equal == e] == 0).sum(axis=1) == count) for e in (0, 1)]
            assert abs(shares[0] - shares[1]) < 5 * math.sqrt(2 * 0.25 / 10_000)


def test_answers_are_balanced_at_every_length():
    for length in (5, 8):
        _, _, equal, _ = draw(4, length, 8, 20_000)
        assert abs(equal.mean() - 0.5) < 5 * 0.5 / math.sqrt(20_000)


@pytest.mark.parametrize("num_symbols", [3, 4, 7])
def test_sums_modulo_the_symbols_say_nothing(num_symbols):
    first, second, equal, _ = draw(num_symbols, 6, 8, 2_000)
    assert (first.sum(axis=1) % num_symbols == second.sum(axis=1) % num_symbols).all()
    assert 0 < equal.mean() < 1


def test_places_are_alike():
    first, second, equal, _ = draw(4, 6, 8, 20_000)
    same = first[:, :, None] == second[:, None, :]
    for answer in (0, 1):
        shares = same[equal == answer].mean(axis=0)
        assert (abs(shares - shares.mean()) < 5 * 0.5 / math.sqrt(10_000)).all()


def test_order_is_free_within_a_half():
    _, _, equal, (inputs, _, _, valid) = draw(4, 8, 8, 64)
    shuffled = inputs.copy()
    random = np.random.default_rng(0)
    for half in (slice(0, 8), slice(9, 17)):
        shuffled[:, half] = random.permuted(inputs[:, half], axis=1)
    assert (solve(Multiset(), shuffled, valid)[:, 17] == equal).all()


@pytest.mark.parametrize(("num_symbols", "length"), [(3, 5), (3, 7), (4, 4), (4, 6), (5, 5)])
def test_same_set_by_enumeration(num_symbols, length):
    exact = sum(share for share, one, other in twins(num_symbols, length) if set(one) == set(other))
    assert probability_of_same_set(length, num_symbols) == exact
    assert floors(Multiset(num_symbols), length)["same_set"].value == float(1 - exact / 2)


def test_shorter_halves_may_be_told_apart_by_their_sets():
    assert probability_of_same_set(4, 3) == probability_of_same_set(3, 4) == 0
    assert all(probability_of_same_set(5, num_symbols) > 0 for num_symbols in range(3, 20))


def test_floors_of_the_docstring():
    assert round(floors(Multiset(), 8)["same_set"].value, 3) == 0.77
    assert round(floors(Multiset(), 16)["same_set"].value, 3) == 0.53


def test_same_set_predictor():
    inputs = np.array([[0, 1, 2, 2, 0, 3, 1, 1, 0, 2, 0, 4], [0, 1, 2, 2, 0, 3, 1, 1, 0, 1, 0, 4]])
    said = floors(Multiset(3), 5)["same_set"].predict(inputs, np.ones((2, 12), bool))
    assert said[:, -1].tolist() == [[0, 1], [1, 0]]


def test_errors():
    spec = Multiset().make().spec
    assert spec.lengths(5, 7) == (5, 6, 7)
    with pytest.raises(ValueError, match="got low=4, high=7, wanted 5 <= low <= high"):
        spec.lengths(4, 7)
    with pytest.raises(ValueError, match="max_length: got 4, wanted at least 5"):
        sample(Multiset(), jax.random.key(0), 2, 4, 4)
    with pytest.raises(ValueError, match="Multiset: num_symbols is 2, wanted at least 3"):
        Multiset(2)
