"""Copy memory against a sequence written out by hand."""

import math

import jax
import numpy as np
import pytest

from attn_jax.tasks import CopyMemory
from attn_jax.tasks.copy_memory import floors, sample, solve
from attn_jax.testing.check_task import check_task


def test_contract():
    check_task(CopyMemory())


def test_contract_other_sizes():
    check_task(CopyMemory(num_letters=2, num_copied=1), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_sequences_are_written_out(length):
    batch = sample(CopyMemory(), jax.random.key(1), 64, length, 7)
    inputs, targets, weights, scored, valid = (np.asarray(a) for a in batch)
    padding = [0] * (7 - length)
    for row in range(64):
        letters = inputs[row, :10].tolist()
        assert max(letters) < 8
        assert inputs[row].tolist() == letters + [8] * (length - 1) + [9] + [8] * 10 + padding
        assert targets[row].tolist() == [8] * (10 + length) + letters + padding
    assert (valid == (np.arange(27) < length + 20)).all()
    assert (weights == valid).all()
    assert (scored == valid & (np.arange(27) >= length + 10)).all()


def test_letters_are_uniform_and_independent():
    letters = np.asarray(sample(CopyMemory(), jax.random.key(0), 8000, 1, 1).inputs)[:, :10]
    for column in range(10):
        counts = np.bincount(letters[:, column], minlength=8)
        assert (abs(counts - 1000) < 5 * math.sqrt(1000)).all()
    joint = np.bincount(letters[:, 0] * 8 + letters[:, 9], minlength=64)
    assert (abs(joint - 125) < 5 * math.sqrt(125)).all()


def test_memoryless_loss_is_the_published_plateau():
    for length, published in ((50, 0.2971), (100, 0.1733), (200, 0.0945)):
        floor = floors(CopyMemory(), length)["memoryless"]
        assert floor.loss == pytest.approx(10 * math.log(8) / (length + 20))
        assert floor.loss == pytest.approx(published, abs=5e-5)
        assert floor.metric == 1 / 8


def test_memoryless_predictor_waits_for_the_signal():
    inputs = np.array([[3, 8, 9, 8, 0]])
    valid = np.array([[True, True, True, True, False]])
    probabilities = floors(CopyMemory(num_copied=1), 2)["memoryless"].predict(inputs, valid)
    assert probabilities[0, :3, 8].tolist() == [1, 1, 1]
    assert probabilities[0, 3].tolist() == [1 / 8] * 8 + [0]


def test_solve_of_a_prefix_says_as_much_as_was_read():
    inputs = np.array([[5, 6, 8, 9, 8]])
    assert solve(CopyMemory(8, 2), inputs, np.ones((1, 5), bool)).tolist() == [[8, 8, 8, 8, 5]]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_letters is 1, wanted at least 2"):
        CopyMemory(num_letters=1)
    with pytest.raises(ValueError, match="num_copied is 0, wanted at least 1"):
        CopyMemory(num_copied=0)
    with pytest.raises(ValueError, match="got low=0, high=0, wanted 1 <= low"):
        sample(CopyMemory(), jax.random.key(0), 2, 0, 0)
