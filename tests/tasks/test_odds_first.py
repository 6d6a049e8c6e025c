"""Odds first against two slices of a list."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest

from attn_jax.tasks.odds_first import OddsFirst, floors, pairs, sample, solve
from attn_jax.testing.check_task import check_task

SAMPLE = jax.jit(sample, static_argnums=(0, 2, 4))  # one program for all lengths
PAIRS = jax.jit(pairs, static_argnums=(0, 2, 4))


def test_contract():
    check_task(OddsFirst())


def test_contract_other_sizes():
    check_task(OddsFirst(alphabet=5), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [2, 3, 6, 7])
def test_sequences_are_written_out(length):
    batch = SAMPLE(OddsFirst(alphabet=6), jax.random.key(0), 64, length, 7)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * 2 * (7 - length)
    for row in range(64):
        letters = inputs[row, :length].tolist()
        assert inputs[row].tolist() == [*letters, *[6] * length, *padding]
        assert targets[row].tolist() == [0] * length + letters[0::2] + letters[1::2] + padding
    place = np.arange(14)
    assert (scored == ((place >= length) & (place < 2 * length))).all()
    assert (weights == scored).all()
    assert (valid == (place < 2 * length)).all()


@pytest.mark.parametrize("length", [2, 4, 7])
def test_pairs_are_the_same_strings(length):
    inputs = np.asarray(SAMPLE(OddsFirst(), jax.random.key(0), 32, length, 7).inputs)
    found = PAIRS(OddsFirst(), jax.random.key(0), 32, length, 7)
    source, source_valid, target_in, target, target_valid = map(np.asarray, found)
    padding = [0] * (7 - length)
    for row in range(32):
        letters = inputs[row, :length].tolist()
        answer = letters[0::2] + letters[1::2]
        assert source[row].tolist() == letters + padding
        assert target_in[row].tolist() == [2, *answer, *padding]
        assert target[row].tolist() == [*answer, 3, *padding]
    assert (source_valid == (np.arange(7) < length)).all()
    assert (target_valid == (np.arange(8) <= length)).all()


def test_no_place_favours_a_letter():
    targets = np.asarray(SAMPLE(OddsFirst(), jax.random.key(0), 10_000, 7, 8).targets)[:, 7:14]
    assert (abs(targets.mean(axis=0) - 0.5) < 5 * 0.005).all()
    joint = np.bincount(targets[:, 3] * 2 + targets[:, 4], minlength=4)
    assert (abs(joint - 2500) < 5 * math.sqrt(2500)).all()


def test_solve_of_a_prefix_says_as_much_as_was_read():
    inputs = np.array([[0, 1, 2, 5, 5]])
    assert solve(OddsFirst(5), inputs, np.ones((1, 5), bool)).tolist() == [[0, 0, 0, 0, 2]]
    assert solve(OddsFirst(5), inputs[:, :3], np.ones((1, 3), bool)).tolist() == [[0, 0, 0]]


def test_guess():
    assert floors(OddsFirst(), 7)["uniform"][:2] == (1 / 2, math.log(2))


@pytest.mark.parametrize(("alphabet", "length"), [(2, 2), (2, 5), (3, 4)])
def test_chance_is_the_best_that_has_lost_the_places(alphabet, length):
    bags = Counter(tuple(sorted(letters)) for letters in itertools.product(range(alphabet), repeat=length))
    exact = sum(ways * max(Counter(bag).values()) / length for bag, ways in bags.items()) / alphabet**length
    found = floors(OddsFirst(alphabet=alphabet), length)["most_frequent_letter"]
    assert found[:2] == (pytest.approx(exact, rel=1e-12), None)
    row = [0, 1, *[0] * (length - 1), *[alphabet] * length][1:]
    said = found.predict(np.array([row + [0] * 3]), np.arange(len(row) + 3)[None] < len(row))
    best = [1.0, 0.0] if length > 2 else [0.5, 0.5]
    assert said[0, length : len(row)].tolist() == [best + [0.0] * (alphabet - 2)] * (len(row) - length)


def test_chance_where_scores_are_published():
    config = OddsFirst()
    assert config.make().spec.chance == "most_frequent_letter"
    found = {length: floors(config, length)["most_frequent_letter"].metric for length in (2, 5, 20, 50)}
    assert found == pytest.approx({2: 0.75, 5: 0.6875, 20: 0.588, 50: 0.556}, abs=5e-4)


def test_all_lengths_are_allowed_from_two():
    spec = OddsFirst().make().spec
    assert spec.lengths(2, 4) == (2, 3, 4)
    assert spec.train_lengths[0] == spec.test_lengths[0] == 2
    assert spec.num_tokens(spec.train_lengths[1]) == 40
    assert spec.num_tokens(spec.test_lengths[-1]) == 100
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low"):
        spec.lengths(1, 3)


@pytest.mark.parametrize("function", [sample, pairs])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="OddsFirst: alphabet is 1, wanted at least 2"):
        OddsFirst(alphabet=1)
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        function(OddsFirst(), jax.random.key(0), 2, 1, 1)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(OddsFirst(), jax.random.key(0), 2, 3, 3, split="dev")
