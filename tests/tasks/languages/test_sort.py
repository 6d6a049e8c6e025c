"""Sorting against `sorted`, its floor against all strings and against the binomial distribution."""

import itertools
import math
from collections import Counter, defaultdict

import jax
import numpy as np
import pytest
from drawn import as_strings, sample, solve
from scipy.stats import binom

from attn_jax.tasks.languages.sort import Sort, floors
from attn_jax.testing.check_task import check_task


def position_and_length(length, alphabet=5):
    return floors(Sort(alphabet), length)["position_and_length"].value


@pytest.mark.parametrize("alphabet", [5, 20])
@pytest.mark.exhaustive
def test_contract(alphabet):
    check_task(Sort(alphabet), floor_samples=10_000)


@pytest.mark.exhaustive
def test_contract_other_sizes():
    check_task(Sort(alphabet=2), num_samples=64, floor_samples=2048)


@pytest.mark.parametrize("length", [1, 2, 6, 7])
def test_sequences_are_written_out(length):
    inputs, targets, weights, scored, valid = map(np.asarray, sample(Sort(), jax.random.key(0), 64, length, 7))
    padding = [0] * 2 * (7 - length)
    for row in range(64):
        letters = inputs[row, :length].tolist()
        assert max(letters) < 5
        assert inputs[row].tolist() == [*letters, *[5] * length, *padding]
        assert targets[row].tolist() == [*[0] * length, *sorted(letters), *padding]
    place = np.arange(14)
    assert (scored == ((place >= length) & (place < 2 * length))).all()
    assert (weights == scored).all()
    assert (valid == (place < 2 * length)).all()


@pytest.mark.parametrize("length", [1, 4, 7])
def test_strings_are_the_same_strings(length):
    inputs = np.asarray(sample(Sort(), jax.random.key(0), 32, length, 7).inputs)
    source, source_valid, target_in, target, target_valid = map(
        np.asarray, as_strings(Sort(), jax.random.key(0), 32, length, 7)
    )
    padding = [0] * (7 - length)
    for row in range(32):
        letters = inputs[row, :length].tolist()
        assert source[row].tolist() == letters + padding
        assert target_in[row].tolist() == [5, *sorted(letters), *padding]
        assert target[row].tolist() == [*sorted(letters), 6, *padding]
    assert (source_valid == (np.arange(7) < length)).all()
    assert (target_valid == (np.arange(8) <= length)).all()


def test_letters_are_uniform_and_repeat_freely():
    letters = np.asarray(sample(Sort(), jax.random.key(0), 10_000, 6, 8).inputs)[:, :6]
    for column in letters.T:
        assert (abs(np.bincount(column, minlength=5) - 2000) < 5 * math.sqrt(2000)).all()
    joint = np.bincount(letters[:, 0] * 5 + letters[:, 5], minlength=25)
    assert (abs(joint - 400) < 5 * math.sqrt(400)).all()


def test_solve_of_a_prefix_says_as_much_as_was_read():
    assert solve(Sort(), np.array([[4, 1, 3, 5, 5]]), np.ones((1, 5), bool)).tolist() == [[0, 0, 0, 1, 3]]
    assert solve(Sort(), np.array([[4, 1]]), np.ones((1, 2), bool)).tolist() == [[0, 0]]


@pytest.mark.parametrize(("length", "alphabet"), [(1, 5), (2, 5), (5, 5), (9, 2), (4, 7)])
def test_floor_by_enumerating_every_string(length, alphabet):
    counts = defaultdict(Counter)
    for letters in itertools.product(range(alphabet), repeat=length):
        for place, letter in enumerate(sorted(letters)):
            counts[place][letter] += 1
    best = sum(max(counter.values()) for counter in counts.values()) / (length * alphabet**length)
    assert position_and_length(length, alphabet) == pytest.approx(best, rel=1e-12)
    assert floors(Sort(alphabet), length)["uniform"][:2] == (1 / alphabet, math.log(alphabet))


@pytest.mark.parametrize(("length", "alphabet"), [(41, 5), (50, 20), (500, 5)])
def test_floor_by_the_binomial_distribution(length, alphabet):
    share = np.arange(alphabet + 1) / alphabet
    at_most = binom.sf(np.arange(length)[:, None], length, share)  # more than y letters at or below v
    best = np.diff(at_most, axis=1).max(axis=1).mean()
    assert position_and_length(length, alphabet) == pytest.approx(best, rel=1e-9)


@pytest.mark.exhaustive
def test_floor_is_what_the_source_calls_solved():
    assert position_and_length(41) == pytest.approx(0.7796, abs=5e-5)
    assert position_and_length(500) == pytest.approx(0.9365, abs=5e-5)
    mean = np.mean([position_and_length(length) for length in range(41, 501)])
    assert mean == pytest.approx(0.9013, abs=5e-5)


def test_chance_rises_with_length_and_stays_below_the_best():
    for alphabet in (5, 20):
        spec = Sort(alphabet).make().spec
        rising = [position_and_length(length, alphabet) for length in spec.test_lengths]
        assert rising[0] == pytest.approx(1 / alphabet)
        assert rising == sorted(rising)
        assert rising[-1] < 1 == spec.best


def test_all_lengths_are_allowed_from_one():
    spec = Sort().make().spec
    assert spec.lengths(1, 3) == (1, 2, 3)
    assert spec.num_tokens(spec.train_lengths[1]) == 40
    assert spec.num_tokens(spec.test_lengths[-1]) == 100
    with pytest.raises(ValueError, match="got low=0, high=3, wanted 1 <= low"):
        spec.lengths(0, 3)


@pytest.mark.parametrize("function", [sample, as_strings])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="Sort: alphabet is 1, wanted at least 2"):
        Sort(alphabet=1)
    with pytest.raises(ValueError, match="max_length: got 0, wanted at least 1"):
        function(Sort(), jax.random.key(0), 2, 0, 0)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(Sort(), jax.random.key(0), 2, 3, 3, split="dev")
