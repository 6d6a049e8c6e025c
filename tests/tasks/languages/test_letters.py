"""Copy, reverse, duplicate and odds first: one rearrangement of uniform letters each, against slices of a list."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import jax
import numpy as np
import pytest
from drawn import as_strings, sample, solve

from attn_jax.tasks import Copy, Duplicate, OddsFirst
from attn_jax.testing.check_task import check_task

ANSWERS = {
    Copy(alphabet=6): lambda letters: letters,
    Copy(order="reversed", alphabet=6): lambda letters: letters[::-1],
    Duplicate(alphabet=6): lambda letters: letters + letters,
    OddsFirst(alphabet=6): lambda letters: letters[1::2] + letters[0::2],  # as the published code has it
}
EACH = pytest.mark.parametrize("config", ANSWERS, ids=["copy", "reverse", "duplicate", "odds_first"])
LONGEST = 7


def places(config, length):
    """How many places an answer has."""
    return len(ANSWERS[config]([0] * length))


@EACH
@pytest.mark.exhaustive
def test_contract(config):
    check_task(replace(config, alphabet=2))


@EACH
def test_sequences_are_written_out(config):
    for length in (2, 3, 6, 7):
        asked, num_places = places(config, length), LONGEST + places(config, LONGEST)
        inputs, targets, weights, scored, valid = map(
            np.asarray, sample(config, jax.random.key(0), 64, length, LONGEST)
        )
        padding = [0] * (num_places - length - asked)
        for row in range(64):
            letters = inputs[row, :length].tolist()
            assert max(letters) < 6
            assert inputs[row].tolist() == [*letters, *[6] * asked, *padding]
            assert targets[row].tolist() == [*[0] * length, *ANSWERS[config](letters), *padding]
        place = np.arange(num_places)
        assert (scored == ((place >= length) & (place < length + asked))).all()
        assert (weights == scored).all()
        assert (valid == (place < length + asked)).all()


@EACH
def test_strings_are_the_same_strings(config):
    for length in (2, 4, 7):
        inputs = np.asarray(sample(config, jax.random.key(0), 64, length, LONGEST).inputs)
        found = as_strings(config, jax.random.key(0), 64, length, LONGEST)
        source, source_valid, target_in, target, target_valid = map(np.asarray, found)
        padding = [0] * (places(config, LONGEST) - places(config, length))
        for row in range(64):
            letters = inputs[row, :length].tolist()
            answer = ANSWERS[config](letters)
            assert source[row].tolist() == letters + [0] * (LONGEST - length)
            assert target_in[row].tolist() == [6, *answer, *padding]
            assert target[row].tolist() == [*answer, 7, *padding]
        assert (source_valid == (np.arange(LONGEST) < length)).all()
        assert (target_valid == (np.arange(target.shape[1]) <= places(config, length))).all()


def test_orders_are_mirrors():
    forward, backward = (sample(Copy(order), jax.random.key(3), 32, 5, 7) for order in ("forward", "reversed"))
    assert (np.asarray(forward.inputs) == backward.inputs).all()
    assert (np.asarray(forward.targets)[:, 5:10] == np.asarray(backward.targets)[:, 9:4:-1]).all()
    assert (np.asarray(forward.targets) != backward.targets).any()


@EACH
def test_no_place_favours_a_letter(config):
    targets = np.asarray(sample(config, jax.random.key(0), 10_000, 6, LONGEST).targets)
    answers = targets[:, 6 : 6 + places(config, 6)]
    for column in answers.T:
        assert (abs(np.bincount(column, minlength=6) - 10_000 / 6) < 5 * math.sqrt(10_000 / 6)).all()
    for other in (1, 3, 5):
        joint = np.bincount(answers[:, 0] * 6 + answers[:, other], minlength=36)
        assert (abs(joint - 10_000 / 36) < 5 * math.sqrt(10_000 / 36)).all()


@EACH
def test_solve_of_a_prefix_says_as_much_as_was_read(config):
    row = np.array([[4, 1, 5, 2, 6, 6]])
    assert solve(config, row, np.ones((1, 6), bool)).tolist() == [[0] * 4 + ANSWERS[config]([4, 1, 5, 2])[:2]]
    assert solve(config, row[:, :2], np.ones((1, 2), bool)).tolist() == [[0, 0]]


@EACH
@pytest.mark.parametrize(("alphabet", "length"), [(2, 2), (2, 5), (3, 4)])
def test_chance_is_the_best_that_has_lost_the_places(config, alphabet, length):
    bags = Counter(tuple(sorted(letters)) for letters in itertools.product(range(alphabet), repeat=length))
    exact = sum(ways * max(Counter(bag).values()) / length for bag, ways in bags.items()) / alphabet**length
    task = replace(config, alphabet=alphabet).make()
    assert task.spec.chance == "most_frequent_letter"
    found = task.floors(length)["most_frequent_letter"]
    assert found[:2] == (pytest.approx(exact, rel=1e-12), None)
    row = [0, 1, *[0] * (length - 1), *[alphabet] * places(config, length)][1:]
    said = found.predict(np.array([row + [0] * 3]), np.arange(len(row) + 3)[None] < len(row))
    best = [1.0, 0.0] if length > 2 else [0.5, 0.5]
    assert said[0, length : len(row)].tolist() == [best + [0.0] * (alphabet - 2)] * (len(row) - length)


@EACH
def test_floors_where_scores_are_published(config):
    floors = replace(config, alphabet=2).make().floors
    found = {length: floors(length)["most_frequent_letter"].value for length in (2, 5, 20, 50)}
    assert found == pytest.approx({2: 0.75, 5: 0.6875, 20: 0.588, 50: 0.556}, abs=5e-4)
    unseen = [floors(length)["most_frequent_letter"].value for length in range(41, 501, 9)]
    assert np.mean(unseen) == pytest.approx(0.528, abs=5e-4)
    assert config.make().floors(7)["uniform"][:2] == (1 / 6, math.log(6))


@EACH
def test_all_lengths_are_allowed_from_two(config):
    spec = config.make().spec
    assert spec.lengths(2, 4) == (2, 3, 4)
    assert spec.train_lengths[0] == spec.test_lengths[0] == 2
    assert [spec.num_tokens(length) for length in (2, 7)] == [2 + places(config, 2), 7 + places(config, 7)]
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low"):
        spec.lengths(1, 3)


@EACH
@pytest.mark.parametrize("function", [sample, as_strings])
def test_bad_arguments_are_named(config, function):
    with pytest.raises(ValueError, match=f"{type(config).__name__}: alphabet is 1, wanted at least 2"):
        replace(config, alphabet=1)
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        function(config, jax.random.key(0), 2, 1, 1)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(config, jax.random.key(0), 2, 3, 3, split="dev")


def test_an_order_that_is_neither_is_named():
    with pytest.raises(ValueError, match="Copy: order is 'backward', wanted 'forward' or 'reversed'"):
        Copy(order="backward")
