"""Markov chains in context: their law against integrals, their floors against all sequences."""

import itertools
import math
from collections import Counter

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.laws import markov_law
from attn_jax.tasks.laws.markov_law import expected_losses, leaving_probabilities
from attn_jax.tasks.numbers.markov import MarkovChain, floors
from attn_jax.testing.check_task import check_task


def draw(config, length, max_length, batch_size=256, seed=0, split="train"):
    drawn = sample(config, jax.random.key(seed), batch_size, np.int32(length), max_length, split=split)
    return [np.asarray(values) for values in drawn]


def probability(states, num_nodes=200):
    """Of a sequence of two states, by the midpoint rule over the square of (leave 0, leave 1): right to 1e-5."""
    a, b = np.meshgrid(*[(np.arange(num_nodes) + 0.5) / num_nodes] * 2)
    rows = ((1 - a, a), (b, 1 - b))
    density = (b, a)[states[0]] / (a + b)
    for i, j in itertools.pairwise(states):
        density = density * rows[i][j]
    return density.mean()


@pytest.mark.parametrize(
    "config", [MarkovChain(), MarkovChain(3, train_lengths=(10, 10), test_lengths=(4, 10))], ids=["2", "3"]
)
@pytest.mark.exhaustive
def test_contract(config):
    check_task(config, num_samples=128, floor_samples=6000)


def test_targets_are_the_next_inputs():
    inputs, targets, weights, scored, valid = draw(MarkovChain(3), 6, 9, 64)
    assert (targets[:, :5] == inputs[:, 1:6]).all()
    assert not targets[:, 6:].any()
    assert (valid == (np.arange(9) < 6)).all()
    assert (scored == valid).all()
    assert (weights == valid).all()


def test_sequences_have_the_law_of_a_stationary_start():
    inputs, targets, *_ = draw(MarkovChain(), 4, 4, 40_000)
    counts = Counter(map(tuple, np.concatenate([inputs, targets[:, 3:]], axis=1).tolist()))
    total = 0.0
    for states in itertools.product((0, 1), repeat=5):
        mean = 40_000 * probability(states)
        total += mean
        assert abs(counts[states] - mean) < 5 * math.sqrt(mean)
    assert total == pytest.approx(40_000, rel=1e-4)


def test_a_uniform_start_would_be_seen():
    # two alike follow each other with 1 / 2 from a uniform start, with 1 - 2 E[a b / (a + b)] from a stationary one
    inputs = draw(MarkovChain(), 4, 4, 40_000, seed=3)[0]
    alike = (inputs[:, 0] == inputs[:, 1]).mean()
    assert abs(alike - (1 - 4 / 3 * (1 - math.log(2)))) < 5 * 0.5 / 200
    assert abs(alike - 0.5) > 10 * 0.5 / 200


@pytest.mark.parametrize("num_states", [2, 5])
def test_rows_are_uniform_on_the_simplex_and_states_stay_as_common(num_states):
    inputs, targets, *_ = draw(MarkovChain(num_states), 60, 60, 8000)
    share = (inputs == 0).mean(axis=0)
    assert (abs(share - 1 / num_states) < 5 / math.sqrt(8000)).all()
    # a chain's frequencies early and late are those of the same law
    early, late = ((part == 0).mean(axis=1) for part in (inputs[:, :30], targets[:, 30:]))
    assert abs((early - late).mean()) < 5 * (early - late).std() / math.sqrt(8000)


@pytest.mark.parametrize("length", [1, 2, 4, 7])
def test_exact_losses_by_enumerating_sequences(length):
    states_loss = transitions_loss = 0.0
    for states in itertools.product((0, 1), repeat=length + 1):
        transitions, read, code = Counter(), Counter(), [0.0, 0.0]
        for n, (i, j) in enumerate(itertools.pairwise(states)):
            read[i] += 1
            code[0] -= math.log((read[j] + 1) / (n + 3))
            code[1] -= math.log((transitions[i, j] + 1) / (transitions[i, 0] + transitions[i, 1] + 2))
            transitions[i, j] += 1
        states_loss += probability(states) * code[0] / length
        transitions_loss += probability(states) * code[1] / length
    assert expected_losses(2, length) == pytest.approx((states_loss, transitions_loss), abs=2e-5)


def test_integration_rule_is_exact():
    a, b, weights = leaving_probabilities(40)
    # E[b / (a + b) a^m b^n], over a first: sum over both triangles of 1 / (m + n + 2) int u^m or u^(n + 1) / (1 + u)
    u, u_weights = np.polynomial.legendre.leggauss(80)
    u, u_weights = (u + 1) / 2, u_weights / 2
    for m, n in ((0, 0), (5, 1), (20, 20), (40, 0)):
        wanted = u_weights @ ((u**m + u ** (n + 1)) / (1 + u)) / (m + n + 2)
        assert weights @ (b / (a + b) * a**m * b**n) == pytest.approx(wanted, rel=1e-12)


def test_lattice_agrees_with_the_exact_sum():
    for length in (4, 20):
        found = np.array(markov_law._of_more_states(2, length)) / length
        assert np.allclose(found, expected_losses(2, length), atol=5e-4)


def test_first_state_says_little_of_the_rows():
    a, b, weights = leaving_probabilities(40)
    law = np.stack([b, a]) / (a + b)
    gain = math.log(2) + weights @ (law * np.log(law)).sum(axis=0)
    assert gain == pytest.approx(0.1293, abs=5e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("num_states", [2, 3])
def test_phases_come_in_order(num_states):
    for length in (4, 20, 40):
        found = floors(MarkovChain(num_states), length)
        assert found["uniform"].value == math.log(num_states)
        assert found["uniform"].value > found["unigram"].value > found["bayes"].value


def test_predictors_count_what_was_read():
    inputs, valid = np.array([[0, 1, 0, 1, 1]]), np.ones((1, 5), bool)
    found = floors(MarkovChain(), 5)
    assert np.allclose(found["unigram"].predict(inputs, valid)[0, :, 1], [1 / 3, 2 / 4, 2 / 5, 3 / 6, 4 / 7])
    assert np.allclose(found["bayes"].predict(inputs, valid)[0, :, 1], [1 / 2, 1 / 2, 2 / 3, 1 / 3, 2 / 4])


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_states is 1, wanted at least 2"):
        MarkovChain(1)
    with pytest.raises(ValueError, match="got low=3, high=9, wanted 4 <= low"):
        MarkovChain().make().spec.lengths(3, 9)
    assert MarkovChain(5).make().spec.chance == "uniform"
