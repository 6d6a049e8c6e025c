"""Parity against a loop, its floors against all sequences of bits."""

import itertools
import math
from collections import defaultdict

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks import Parity
from attn_jax.tasks.languages.parity import floors
from attn_jax.testing.check_task import check_task

RUNNING = Parity(labels="running")


@pytest.mark.exhaustive
@pytest.mark.parametrize("labels", ["end", "running"])
def test_contract(labels):
    check_task(Parity(labels=labels))


@pytest.mark.parametrize("length", [2, 5, 9])
def test_end_asks_once_for_the_sum(length):
    inputs, targets, weights, scored, valid = map(np.asarray, sample(Parity(), jax.random.key(0), 64, length, 9))
    padding = [0] * (9 - length)
    for row in range(64):
        bits = inputs[row, :length].tolist()
        assert set(bits) <= {0, 1}
        assert inputs[row].tolist() == [*bits, 2, *padding]
        assert targets[row].tolist() == [*[0] * length, sum(bits) % 2, *padding]
    assert (scored == (np.arange(10) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(10) <= length)).all()


@pytest.mark.parametrize("length", [2, 5, 9])
def test_running_asks_at_every_bit(length):
    inputs, targets, weights, scored, valid = map(np.asarray, sample(RUNNING, jax.random.key(0), 64, length, 9))
    for row in range(64):
        bits = inputs[row, :length].tolist()
        assert inputs[row].tolist() == bits + [0] * (9 - length)
        assert targets[row].tolist() == [sum(bits[: t + 1]) % 2 for t in range(length)] + [0] * (9 - length)
    assert (valid == (np.arange(9) < length)).all()
    assert (scored == valid).all()
    assert (weights == valid).all()


def test_bits_and_answers_are_balanced():
    inputs, targets, *_ = map(np.asarray, sample(RUNNING, jax.random.key(0), 10_000, 8, 8))
    assert (abs(inputs.mean(axis=0) - 0.5) < 5 * 0.005).all()
    assert (abs(targets.mean(axis=0) - 0.5) < 5 * 0.005).all()


@pytest.mark.parametrize("length", [2, 3, 8])
def test_memoryless_floor_is_the_best_of_all_that_see_one_token_and_its_place(length):
    seen = defaultdict(lambda: [0, 0])
    for bits in itertools.product((0, 1), repeat=length):
        for t in range(length):
            seen[t, bits[t]][sum(bits[: t + 1]) % 2] += 1
    total = length * 2**length
    best = sum(max(counts) for counts in seen.values()) / total
    loss = -sum(n * math.log(n / sum(counts)) for counts in seen.values() for n in counts if n) / total
    floor = floors(RUNNING, length)["memoryless"]
    assert floor.value == pytest.approx(best)
    assert floor.loss == pytest.approx(loss)
    assert best == (1 + (length - 1) / 2) / length


def test_nothing_short_of_all_bits_helps_at_the_end():
    length = 6
    counts = defaultdict(lambda: [0, 0])
    for bits in itertools.product((0, 1), repeat=length):
        for hidden in range(length):
            counts[hidden, bits[:hidden] + bits[hidden + 1 :]][sum(bits) % 2] += 1
    assert all(count == [1, 1] for count in counts.values())
    assert floors(Parity(), length)["uniform"][:2] == (0.5, math.log(2))


def test_chance_is_chosen_by_labels():
    assert Parity().make().spec.chance == "uniform"
    assert RUNNING.make().spec.chance == "memoryless"
    assert Parity().make().spec.lengths(1, 3) == (1, 2, 3)
    with pytest.raises(ValueError, match="got low=1, high=3, wanted 2 <= low <= high"):
        RUNNING.make().spec.lengths(1, 3)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="labels is 'every', wanted 'end' or 'running'"):
        Parity(labels="every")
    with pytest.raises(ValueError, match="split: got 'dev', wanted one of train, validation, test"):
        sample(Parity(), jax.random.key(0), 2, 3, 3, split="dev")
