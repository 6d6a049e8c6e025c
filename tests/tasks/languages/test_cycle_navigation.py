"""Cycle navigation against a walk, its floors over all walks and against those quoted."""

import itertools
import math

import jax
import numpy as np
import pytest
from drawn import sample

from attn_jax.tasks.languages.cycle_navigation import CycleNavigation, floors
from attn_jax.testing.check_task import check_task


@pytest.mark.parametrize("num_positions", [5, 2])
@pytest.mark.exhaustive
def test_contract(num_positions):
    check_task(CycleNavigation(num_positions), floor_samples=4096)


@pytest.mark.parametrize("length", [1, 4, 9])
def test_layout(length):
    batch = sample(CycleNavigation(), jax.random.key(0), 64, length, 9)
    inputs, targets, weights, scored, valid = map(np.asarray, batch)
    padding = [0] * (9 - length)
    for row in range(64):
        steps = inputs[row, :length].tolist()
        assert set(steps) <= {0, 1, 2}
        assert inputs[row].tolist() == [*steps, 3, *padding]
        assert targets[row].tolist() == [*[0] * length, (steps.count(2) - steps.count(0)) % 5, *padding]
    assert (scored == (np.arange(10) == length)).all()
    assert (weights == scored).all()
    assert (valid == (np.arange(10) <= length)).all()


def test_steps_are_uniform():
    inputs = np.asarray(sample(CycleNavigation(), jax.random.key(0), 9_000, 6, 6).inputs)
    for place in range(6):
        counts = np.bincount(inputs[:, place], minlength=3)
        assert len(counts) == 3
        assert (abs(counts - 3000) < 5 * math.sqrt(2000)).all()


@pytest.mark.parametrize("num_positions", [2, 3, 5, 6])
@pytest.mark.parametrize("length", [1, 2, 3, 6])
def test_floor_by_walking_every_way(num_positions, length):
    counts = np.zeros(num_positions, int)
    for steps in itertools.product((-1, 0, 1), repeat=length):
        counts[sum(steps) % num_positions] += 1
    floor = floors(CycleNavigation(num_positions), length)["position_and_length"]
    assert floor.value == pytest.approx(counts.max() / 3**length, rel=1e-12)
    said = floor.predict(np.zeros((1, length + 1), int), np.ones((1, length + 1), bool))[0, -1]
    likeliest = counts == counts.max()
    assert said == pytest.approx(likeliest / likeliest.sum())


def test_floor_of_the_published_lengths():
    metrics = [floors(CycleNavigation(), length)["position_and_length"].value for length in range(41, 501)]
    assert metrics == pytest.approx([0.2] * 460, abs=1e-10)


def test_the_ring_is_checked():
    with pytest.raises(ValueError, match="CycleNavigation: num_positions is 1, wanted at least 2"):
        CycleNavigation(num_positions=1)
    assert CycleNavigation().make().spec.lengths(1, 3) == (1, 2, 3)
    with pytest.raises(ValueError, match="max_length: got 0, wanted at least 1"):
        sample(CycleNavigation(), jax.random.key(0), 2, 0, 0)
