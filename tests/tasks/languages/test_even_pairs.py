"""Even pairs against its definition, row by row, and over all strings of bits."""

import itertools
from collections import defaultdict

import jax
import numpy as np
import pytest
from drawn import sample, solve

from attn_jax.tasks.languages.even_pairs import EvenPairs, floors
from attn_jax.testing.check_task import check_task


@pytest.mark.exhaustive
def test_contract():
    check_task(EvenPairs())


@pytest.mark.parametrize("length", [2, 3, 9])
def test_layout(length):
    inputs, targets, weights, scored, valid = map(np.asarray, sample(EvenPairs(), jax.random.key(0), 64, length, 9))
    padding = [0] * (9 - length)
    for row in range(64):
        bits = inputs[row, :length].tolist()
        text = "".join(map(str, bits))
        assert set(text) <= {"0", "1"}
        assert inputs[row].tolist() == [*bits, 2, *padding]
        changes = sum(text[t : t + 2] in ("01", "10") for t in range(length - 1))
        assert targets[row].tolist() == [*[0] * length, changes % 2, *padding]
    assert (scored == (np.arange(10) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(10) <= length)).all()


def test_one_bit_short_of_both_ends_nothing_helps():
    length = 5
    strings = np.array(list(itertools.product((0, 1), repeat=length)))
    inputs = np.pad(strings, ((0, 0), (0, 1)), constant_values=2)
    answers = solve(EvenPairs(), inputs, np.ones(inputs.shape, bool))[:, -1]
    assert (answers == (strings[:, 0] != strings[:, -1])).all()
    for hidden in (0, length - 1):
        counts = defaultdict(lambda: [0, 0])
        for bits, answer in zip(np.delete(strings, hidden, axis=1).tolist(), answers, strict=True):
            counts[tuple(bits)][answer] += 1
        assert all(count == [1, 1] for count in counts.values())
    assert floors(EvenPairs(), length)["uniform"].value == answers.mean() == 0.5


def test_bits_and_answers_are_balanced():
    inputs, targets, *_ = map(np.asarray, sample(EvenPairs(), jax.random.key(0), 10_000, 8, 8))
    assert (abs(inputs[:, :8].mean(axis=0) - 0.5) < 5 * 0.005).all()
    assert abs(targets[:, 8].mean() - 0.5) < 5 * 0.005


def test_one_bit_is_refused_for_its_answer_is_constant():
    lengths = EvenPairs().make().spec.lengths
    assert lengths(2, 4) == (2, 3, 4)
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low <= high"):
        lengths(1, 3)
    with pytest.raises(ValueError, match="max_length: got 1, wanted at least 2"):
        sample(EvenPairs(), jax.random.key(0), 2, 1, 1)
    batch = sample(EvenPairs(), jax.random.key(0), 16, 1, 4)  # a traced length is trusted: 0, as in the source
    assert not np.asarray(batch.targets).any()
