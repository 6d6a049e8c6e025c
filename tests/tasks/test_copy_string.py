"""Copying and reversing against slices of a list."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest

from attn_jax.tasks.copy_string import Copy, floors, pairs, sample
from attn_jax.testing.check_task import check_task

SAMPLE = jax.jit(sample, static_argnums=(0, 2, 4))  # one program for all lengths
PAIRS = jax.jit(pairs, static_argnums=(0, 2, 4))
STEP = {"forward": 1, "reversed": -1}


@pytest.mark.parametrize("order", STEP)
def test_contract(order):
    check_task(Copy(order=order))


def test_contract_other_sizes():
    check_task(Copy(order="reversed", alphabet=10), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("order", STEP)
@pytest.mark.parametrize("length", [2, 3, 6, 7])
def test_sequences_are_written_out(order, length):
    batch = SAMPLE(Copy(order, alphabet=3), jax.random.key(0), 64, length, 7)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * 2 * (7 - length)
    for row in range(64):
        letters = inputs[row, :length].tolist()
        assert max(letters) < 3
        assert inputs[row].tolist() == [*letters, *[3] * length, *padding]
        assert targets[row].tolist() == [0] * length + letters[:: STEP[order]] + padding
    place = np.arange(14)
    assert (scored == ((place >= length) & (place < 2 * length))).all()
    assert (weights == scored).all()
    assert (valid == (place < 2 * length)).all()


@pytest.mark.parametrize("order", STEP)
@pytest.mark.parametrize("length", [2, 4, 7])
def test_pairs_are_the_same_strings(order, length):
    config = Copy(order, alphabet=3)
    inputs = np.asarray(SAMPLE(config, jax.random.key(0), 32, length, 7).inputs)
    source, source_valid, target_in, target, target_valid = map(
        np.asarray, PAIRS(config, jax.random.key(0), 32, length, 7)
    )
    padding = [0] * (7 - length)
    for row in range(32):
        letters = inputs[row, :length].tolist()
        answer = letters[:: STEP[order]]
        assert source[row].tolist() == letters + padding
        assert target_in[row].tolist() == [3, *answer, *padding]
        assert target[row].tolist() == [*answer, 4, *padding]
    assert (source_valid == (np.arange(7) < length)).all()
    assert (target_valid == (np.arange(8) <= length)).all()


def test_orders_are_mirrors():
    forward, backward = (SAMPLE(Copy(order), jax.random.key(3), 32, 5, 7) for order in STEP)
    assert (np.asarray(forward.inputs) == backward.inputs).all()
    assert (np.asarray(forward.targets)[:, 5:10] == np.asarray(backward.targets)[:, 9:4:-1]).all()
    assert (np.asarray(forward.targets) != backward.targets).any()


@pytest.mark.parametrize("order", STEP)
def test_no_place_favours_a_letter(order):
    targets = np.asarray(SAMPLE(Copy(order, alphabet=4), jax.random.key(0), 8000, 6, 9).targets)[:, 6:12]
    for column in targets.T:
        assert (abs(np.bincount(column, minlength=4) - 2000) < 5 * math.sqrt(2000)).all()
    joint = np.bincount(targets[:, 0] * 4 + targets[:, 5], minlength=16)
    assert (abs(joint - 500) < 5 * math.sqrt(500)).all()


def test_guess():
    assert floors(Copy(alphabet=10), 7)["uniform"][:2] == (1 / 10, math.log(10))


@pytest.mark.parametrize(("alphabet", "length"), [(2, 2), (2, 5), (3, 4)])
def test_chance_is_the_best_that_has_lost_the_places(alphabet, length):
    bags = Counter(tuple(sorted(letters)) for letters in itertools.product(range(alphabet), repeat=length))
    exact = sum(ways * max(Counter(bag).values()) / length for bag, ways in bags.items()) / alphabet**length
    found = floors(Copy(alphabet=alphabet), length)["most_frequent_letter"]
    assert found[:2] == (pytest.approx(exact, rel=1e-12), None)
    row = [0, 1, *[0] * (length - 1), *[alphabet] * length][1:]
    said = found.predict(np.array([row + [0] * 3]), np.arange(len(row) + 3)[None] < len(row))
    best = [1.0, 0.0] if length > 2 else [0.5, 0.5]
    assert said[0, length : len(row)].tolist() == [best + [0.0] * (alphabet - 2)] * (len(row) - length)


def test_chance_where_scores_are_published():
    config = Copy()
    assert config.make().spec.chance == "most_frequent_letter"
    found = {length: floors(config, length)["most_frequent_letter"].metric for length in (2, 5, 20, 50)}
    assert found == pytest.approx({2: 0.75, 5: 0.6875, 20: 0.588, 50: 0.556}, abs=5e-4)
    unseen = [floors(config, length)["most_frequent_letter"].metric for length in range(41, 501, 9)]
    assert np.mean(unseen) == pytest.approx(0.528, abs=5e-4)


def test_all_lengths_are_allowed_from_two():
    spec = Copy().make().spec
    assert spec.lengths(2, 4) == (2, 3, 4)
    assert spec.train_lengths[0] == spec.test_lengths[0] == 2
    assert spec.num_tokens(spec.train_lengths[1]) == 40
    assert spec.num_tokens(spec.test_lengths[-1]) == 100
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low"):
        spec.lengths(1, 3)


@pytest.mark.parametrize("function", [sample, pairs])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="order is 'backward', wanted 'forward' or 'reversed'"):
        Copy(order="backward")
    with pytest.raises(ValueError, match="Copy: alphabet is 1, wanted at least 2"):
        Copy(alphabet=1)
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        function(Copy(), jax.random.key(0), 2, 1, 1)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(Copy(), jax.random.key(0), 2, 3, 3, split="dev")
