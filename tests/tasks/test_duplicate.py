"""Duplicating against a list joined to itself."""

import math

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


@pytest.mark.parametrize("length", [1, 2, 6, 7])
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


@pytest.mark.parametrize("length", [1, 4, 7])
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


def test_floor_is_a_guess():
    assert floors(Duplicate(), 7)["uniform"][:2] == (1 / 2, math.log(2))


def test_all_lengths_are_allowed_from_one():
    spec = Duplicate().make().spec
    assert spec.lengths(1, 3) == (1, 2, 3)
    assert spec.num_tokens(spec.train_lengths[1]) <= 40
    assert spec.num_tokens(spec.test_lengths[-1]) <= 100
    with pytest.raises(ValueError, match="got low=0, high=3, wanted 1 <= low"):
        spec.lengths(0, 3)


@pytest.mark.parametrize("function", [sample, pairs])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="Duplicate: alphabet is 0, wanted at least 2"):
        Duplicate(alphabet=0)
    with pytest.raises(ValueError, match="got low=0, high=0, wanted 1 <= low"):
        function(Duplicate(), jax.random.key(0), 2, 0, 0)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(Duplicate(), jax.random.key(0), 2, 3, 3, split="dev")
