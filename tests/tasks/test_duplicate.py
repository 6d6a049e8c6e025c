"""Duplicating against a list joined to itself."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest

from attn_jax.tasks.duplicate import Duplicate, floors, pairs, sample, solve
from attn_jax.testing.check_task import check_task

SAMPLE = jax.jit(sample, static_argnums=(0, 2, 4))  # one program for all lengths
PAIRS = jax.jit(pairs, static_argnums=(0, 2, 4))


def test_contract():
    check_task(Duplicate())


def test_contract_other_sizes():
    check_task(Duplicate(alphabet=5), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [2, 3, 6, 7])
def test_sequences_are_written_out(length):
    inputs, targets, weights, scored, valid = map(np.asarray, SAMPLE(Duplicate(), jax.random.key(0), 64, length, 7))
    padding = [0] * 3 * (7 - length)
    for row in range(64):
        letters = inputs[row, :length].tolist()
        assert inputs[row].tolist() == [*letters, *[2] * 2 * length, *padding]
        assert targets[row].tolist() == [*[0] * length, *letters, *letters, *padding]
    place = np.arange(21)
    assert (scored == ((place >= length) & (place < 3 * length))).all()
    assert (weights == scored).all()
    assert (valid == (place < 3 * length)).all()


@pytest.mark.parametrize("length", [2, 4, 7])
def test_pairs_are_the_same_strings(length):
    inputs = np.asarray(SAMPLE(Duplicate(), jax.random.key(0), 32, length, 7).inputs)
    found = PAIRS(Duplicate(), jax.random.key(0), 32, length, 7)
    source, source_valid, target_in, target, target_valid = map(np.asarray, found)
    padding = [0] * 2 * (7 - length)
    for row in range(32):
        letters = inputs[row, :length].tolist()
        assert source[row].tolist() == letters + [0] * (7 - length)
        assert target_in[row].tolist() == [2, *letters, *letters, *padding]
        assert target[row].tolist() == [*letters, *letters, 3, *padding]
    assert (source_valid == (np.arange(7) < length)).all()
    assert (target_valid == (np.arange(15) <= 2 * length)).all()


def test_no_place_favours_a_letter():
    targets = np.asarray(SAMPLE(Duplicate(), jax.random.key(0), 10_000, 5, 6).targets)[:, 5:15]
    assert (abs(targets.mean(axis=0) - 0.5) < 5 * 0.005).all()
    joint = np.bincount(targets[:, 0] * 2 + targets[:, 4], minlength=4)
    assert (abs(joint - 2500) < 5 * math.sqrt(2500)).all()


def test_solve_of_a_prefix_says_as_much_as_was_read():
    assert solve(Duplicate(), np.array([[0, 1, 2, 2, 2]]), np.ones((1, 5), bool)).tolist() == [[0, 0, 0, 1, 0]]
    assert solve(Duplicate(), np.array([[0, 1]]), np.ones((1, 2), bool)).tolist() == [[0, 0]]


def test_guess():
    assert floors(Duplicate(), 7)["uniform"][:2] == (1 / 2, math.log(2))


@pytest.mark.parametrize(("alphabet", "length"), [(2, 2), (2, 5), (3, 4)])
def test_chance_is_the_best_that_has_lost_the_places(alphabet, length):
    bags = Counter(tuple(sorted(letters)) for letters in itertools.product(range(alphabet), repeat=length))
    exact = sum(ways * max(Counter(bag).values()) / length for bag, ways in bags.items()) / alphabet**length
    found = floors(Duplicate(alphabet=alphabet), length)["most_frequent_letter"]
    assert found[:2] == (pytest.approx(exact, rel=1e-12), None)
    row = [0, 1, *[0] * (length - 1), *[alphabet] * 2 * length][1:]
    said = found.predict(np.array([row + [0] * 3]), np.arange(len(row) + 3)[None] < len(row))
    best = [1.0, 0.0] if length > 2 else [0.5, 0.5]
    assert said[0, length : len(row)].tolist() == [best + [0.0] * (alphabet - 2)] * (len(row) - length)


def test_chance_where_scores_are_published():
    config = Duplicate()
    assert config.make().spec.chance == "most_frequent_letter"
    found = {length: floors(config, length)["most_frequent_letter"].metric for length in (2, 5, 20, 50)}
    assert found == pytest.approx({2: 0.75, 5: 0.6875, 20: 0.588, 50: 0.556}, abs=5e-4)


def test_all_lengths_are_allowed_from_two():
    spec = Duplicate().make().spec
    assert spec.lengths(2, 4) == (2, 3, 4)
    assert spec.train_lengths[0] == spec.test_lengths[0] == 2
    assert spec.num_tokens(spec.train_lengths[1]) <= 40
    assert spec.num_tokens(spec.test_lengths[-1]) <= 100
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low"):
        spec.lengths(1, 3)


@pytest.mark.parametrize("function", [sample, pairs])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="Duplicate: alphabet is 0, wanted at least 2"):
        Duplicate(alphabet=0)
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        function(Duplicate(), jax.random.key(0), 2, 1, 1)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(Duplicate(), jax.random.key(0), 2, 3, 3, split="dev")
