"""Stack manipulation against a list, its floor against all sequences."""

import itertools
import math
from collections import defaultdict
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import as_strings, sample, solve

from attn_jax.tasks.languages.stack_manipulation import StackManipulation, _final_stack, floors
from attn_jax.testing.check_task import check_task

CONFIG = StackManipulation()
PUSHED = {0: 0, 1: 1, 3: 0, 4: 1}


def from_the_top(tokens):
    stack = []
    for token in tokens:
        if token in PUSHED:
            stack.append(PUSHED[token])
        elif stack:
            stack.pop()
    return stack[::-1]


def position_and_length(length):
    return floors(CONFIG, length)["position_and_length"].value


@pytest.mark.exhaustive
def test_contract():
    check_task(CONFIG)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9])
def test_sequences_are_written_out(length):
    inputs, targets, weights, scored, valid = map(np.asarray, sample(CONFIG, jax.random.key(0), 128, length, 9))
    padding = [0] * 2 * (9 - length)
    for row in range(128):
        tokens = inputs[row, :length].tolist()
        bits = list(itertools.takewhile(lambda token: token < 2, tokens))
        assert 1 <= len(bits) <= max(length - 1, 1)
        assert set(tokens[len(bits) :]) <= {2, 3, 4}
        answer = [*from_the_top(tokens), 2]
        after = [0] * (length + 1 - len(answer))
        assert inputs[row].tolist() == [*tokens, *[5] * (length + 1), *padding]
        assert targets[row].tolist() == [*[0] * length, *answer, *after, *padding]
        assert np.flatnonzero(scored[row]).tolist() == list(range(length, length + len(answer)))
    assert (weights == scored).all()
    assert (valid == (np.arange(19) < 2 * length + 1)).all()


@pytest.mark.parametrize("length", [1, 3, 9])
def test_strings_are_the_same_strings(length):
    inputs = np.asarray(sample(CONFIG, jax.random.key(0), 64, length, 9).inputs)
    source, source_valid, target_in, target, target_valid = map(
        np.asarray, as_strings(CONFIG, jax.random.key(0), 64, length, 9)
    )
    for row in range(64):
        tokens = inputs[row, :length].tolist()
        answer = from_the_top(tokens)
        padding = [0] * (9 - len(answer))
        assert source[row].tolist() == tokens + [0] * (9 - length)
        assert target_in[row].tolist() == [5, *answer, *padding]
        assert target[row].tolist() == [*answer, 6, *padding]
        assert target_valid[row].tolist() == [place <= len(answer) for place in range(10)]
    assert (source_valid == (np.arange(9) < length)).all()


def wrong_stacks(final_stack):
    """Over every sequence of 5 tokens: how many stacks differ from the list's."""
    sequences = list(itertools.product(range(6), repeat=5))
    answers, heights = map(np.asarray, jax.jit(final_stack)(np.array(sequences)))
    found = (answer[:height].tolist() for answer, height in zip(answers, heights, strict=True))
    wanted = (from_the_top(token for token in tokens if token != 5) for tokens in sequences)
    return sum(a != b for a, b in zip(found, wanted, strict=True))


def final_stack_of_pops_that_count(tokens):
    """What is left where the pop of an empty stack is not ignored but takes the next push."""
    reached = jnp.cumsum((tokens != 2) & (tokens != 5), axis=1) - jnp.cumsum(tokens == 2, axis=1)
    answer, height = _final_stack(tokens)
    return answer, jnp.minimum(height, jnp.maximum(reached[:, -1], 0))


def test_the_stack_is_right_for_every_sequence_of_five_tokens():
    assert wrong_stacks(_final_stack) == 0
    assert wrong_stacks(final_stack_of_pops_that_count) > 0


def test_bits_actions_and_where_they_meet_are_uniform():
    tokens = np.asarray(sample(CONFIG, jax.random.key(0), 14_000, 8, 9).inputs)[:, :8]
    num_bits = (tokens < 2).sum(axis=1)
    counts = np.bincount(num_bits)[1:]
    assert len(counts) == 7
    assert (abs(counts - 2000) < 5 * math.sqrt(2000)).all()
    actions = np.bincount(tokens[tokens >= 2] - 2) / (tokens >= 2).sum()
    assert (abs(actions - 1 / 3) < 5 * math.sqrt(2 / 9 / (tokens >= 2).sum())).all()
    for place in range(7):
        bits = tokens[num_bits > place, place]
        assert abs(bits.mean() - 0.5) < 5 * 0.5 / math.sqrt(len(bits))
    last = np.bincount(tokens[:, 7] - 2) / len(tokens)  # after at least one bit and at most seven
    assert (abs(last - 1 / 3) < 5 * math.sqrt(2 / 9 / len(tokens))).all()


def sequences_with_probability(length):
    for n in range(1, max(length, 2)):
        for bits in itertools.product((0, 1), repeat=n):
            for actions in itertools.product((2, 3, 4), repeat=length - n):
                yield bits + actions, Fraction(1, max(length - 1, 1) * 2**n * 3 ** (length - n))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6])
def test_floor_by_enumerating_every_sequence(length):
    mass = defaultdict(lambda: [Fraction(0)] * 3)
    for tokens, probability in sequences_with_probability(length):
        for place, answer in enumerate([*from_the_top(tokens), 2]):
            mass[place][answer] += probability
    best = sum(map(max, mass.values())) / sum(map(sum, mass.values()))
    assert sum(mass[0]) == 1
    assert position_and_length(length) == pytest.approx(float(best), rel=1e-12)


def test_floor_over_the_lengths_of_the_source():
    assert position_and_length(1) == 0.75
    assert np.mean([position_and_length(length) for length in range(41, 501)]) == pytest.approx(0.4963, abs=5e-5)


def test_chance_beats_a_guess_and_stays_below_the_best():
    spec = CONFIG.make().spec
    assert all(1 / 3 < position_and_length(length) < 1 for length in spec.test_lengths)
    assert spec.best == 1


def test_solve_pops_an_empty_stack_and_reads_prefixes():
    inputs = np.array([[1, 2, 2, 4, 3, 5, 5, 5, 5, 5, 5]])
    valid = np.ones((1, 11), bool)
    assert solve(CONFIG, inputs, valid).tolist() == [[0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0]]
    assert solve(CONFIG, inputs[:, :7], valid[:, :7]).tolist() == [[0, 0, 0, 0, 0, 0, 1]]
    assert solve(CONFIG, inputs[:, :4], valid[:, :4]).tolist() == [[0, 0, 0, 0]]
    assert solve(CONFIG, np.array([[1, 2, 5, 5, 5]]), valid[:, :5]).tolist() == [[0, 0, 2, 0, 0]]


def test_all_lengths_are_allowed_from_one():
    spec = CONFIG.make().spec
    assert spec.lengths(1, 3) == (1, 2, 3)
    assert spec.num_tokens(spec.train_lengths[1]) == 41
    with pytest.raises(ValueError, match="got low=0, high=3, wanted 1 <= low"):
        spec.lengths(0, 3)


@pytest.mark.parametrize("function", [sample, as_strings])
def test_bad_arguments_are_named(function):
    with pytest.raises(ValueError, match="max_length: got 0, wanted at least 1"):
        function(CONFIG, jax.random.key(0), 2, 0, 0)
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train"):
        function(CONFIG, jax.random.key(0), 2, 3, 3, split="dev")
