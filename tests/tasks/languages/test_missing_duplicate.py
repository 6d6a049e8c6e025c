"""Missing duplicate against its definition, its floors over all strings and hidden places."""

import itertools

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.languages.missing_duplicate import MissingDuplicate, floors
from attn_jax.testing.check_task import check_task


def all_questions(length):
    """Every string, every hidden place: rows with the empty token, and the hidden bits."""
    words = itertools.product((0, 1), repeat=length // 2)
    for word, hidden in itertools.product(words, range(length)):
        doubled = [*word, *word]
        yield [*doubled[:hidden], 2, *doubled[hidden + 1 :], 3], doubled[hidden]


@pytest.mark.exhaustive
def test_contract():
    check_task(MissingDuplicate())


@pytest.mark.parametrize("length", [4, 6, 12])
def test_layout(length):
    batch = sample(MissingDuplicate(), jax.random.key(0), 64, length, 12)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * (12 - length)
    half = length // 2
    for row in range(64):
        tokens = inputs[row, :length].tolist()
        hidden = tokens.index(2)
        answer = tokens[(hidden + half) % length]
        tokens[hidden] = answer
        assert set(tokens) <= {0, 1}
        assert tokens[:half] == tokens[half:]
        assert inputs[row, length:].tolist() == [3, *padding]
        assert targets[row].tolist() == [*[0] * length, answer, *padding]
    assert (scored == (np.arange(13) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(13) <= length)).all()


def test_places_and_bits_are_uniform():
    inputs, targets, *_ = map(np.asarray, sample(MissingDuplicate(), jax.random.key(0), 12_000, 6, 8))
    hidden = np.bincount((inputs == 2).argmax(axis=1), minlength=6)
    assert len(hidden) == 6
    assert (abs(hidden - 2000) < 5 * np.sqrt(12_000 * 5 / 36)).all()
    answers = targets[:, 6]
    assert abs(answers.mean() - 0.5) < 5 * 0.5 / np.sqrt(12_000)
    for place in range(6):  # nor does the place leak the bit
        assert abs(answers[inputs[:, place] == 2].mean() - 0.5) < 5 * 0.5 / np.sqrt(1700)


@pytest.mark.parametrize("length", [4, 6, 8, 10])
def test_floors_by_enumerating_every_question(length):
    questions, answers = map(np.array, zip(*all_questions(length), strict=True))
    valid = np.ones(questions.shape, bool)
    majority = (questions == 1).sum(axis=1) > (questions == 0).sum(axis=1)
    found = floors(MissingDuplicate(), length)
    assert found["uniform"].value == answers.mean() == 0.5
    assert found["majority_bit"].value == (majority == answers).mean()
    assert (found["majority_bit"].predict(questions, valid)[:, -1, 1] == majority).all()
    assert (solve(MissingDuplicate(), questions, valid)[:, -1] == answers).all()


def test_the_parity_of_the_ones_seen_is_the_answer():
    inputs, targets, _, _, _ = map(np.asarray, sample(MissingDuplicate(), jax.random.key(1), 256, 20, 20))
    assert ((inputs == 1).sum(axis=1) % 2 == targets[:, 20]).all()


def test_floor_of_the_published_lengths():
    metrics = [floors(MissingDuplicate(), length)["majority_bit"].value for length in range(42, 501, 2)]
    assert np.mean(metrics) == pytest.approx(0.5197, abs=5e-5)
    assert metrics[1::2] == [0.5] * 115


def test_lengths_are_even_and_not_two():
    lengths = MissingDuplicate().make().spec.lengths
    assert lengths(4, 9) == (4, 6, 8)
    with pytest.raises(ValueError, match="got low=5, high=5"):
        lengths(5, 5)
    with pytest.raises(ValueError, match="got low=2, high=8, wanted 4 <= low"):
        lengths(2, 8)
    with pytest.raises(ValueError, match="max_length: got 7, wanted at least 4, in steps of 2"):
        sample(MissingDuplicate(), jax.random.key(0), 2, 4, 7)
