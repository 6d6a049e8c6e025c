"""Floors in every metric: the exact claim passes, a claim that is off is refused."""

import dataclasses
import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.tasks import Parity, TaskConfig
from attn_jax.tasks.base import Floor, Task, TaskSpec
from attn_jax.tasks.floors import constant_floor, guess_floor
from attn_jax.tasks.sampling import first_places, length_range, split_key
from attn_jax.testing.check_task import check_task
from attn_jax.types import IO, Batch

RUNNING = Parity(labels="running")


@dataclass(frozen=True)
class Scored(TaskConfig):
    """Running parity scored by another metric, its floors multiplied by `factor`."""

    metric: str
    best: float
    factor: float = 1.0

    def make(self):
        task = RUNNING.make()
        spec = dataclasses.replace(
            task.spec, metric=self.metric, chance="uniform", best=self.best, train_lengths=(2, 4), test_lengths=(2, 4)
        )
        return task._replace(spec=spec, floors=self.floors)

    def floors(self, length):
        uniform = RUNNING.make().floors(length)["uniform"]
        metric = {"exact_match": 0.5**length, "cross_entropy": math.log(2), "bits_per_token": 1.0}[self.metric]
        return {"uniform": uniform._replace(value=self.factor * metric)}


@dataclass(frozen=True)
class Uniform(TaskConfig):
    """A real number read must be said: two channels out, so that their mean and sum differ."""

    metric_claimed: float = 1 / 12
    loss_claimed: float = 2 / 12
    noise: float = 0.0

    def make(self):
        spec = TaskSpec(
            io=IO(out_channels=2, channels=2),
            metric="mse",
            chance="mean",
            best=0.0,
            train_lengths=(2, 4),
            test_lengths=(2, 4),
            length_unit="places",
            lengths=length_range,
            num_tokens=lambda n: n,
            source="-",
        )
        return Task(self.sample, self.floors, lambda inputs, valid: inputs, spec)

    def sample(self, key, batch_size, length, max_length, *, split="train"):
        numbers = jax.random.uniform(split_key(key, split), (batch_size, max_length, 2))
        valid = first_places(batch_size, max_length, length)
        numbers = jnp.where(valid[..., None], numbers, 0)
        return Batch(numbers, numbers + self.noise * valid[..., None], valid * 1.0, valid, valid)

    def floors(self, length):
        say_half = Floor(self.metric_claimed, self.loss_claimed, lambda x, v: np.full(x.shape, 0.5))
        return {"mean": say_half}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("metric", "best"), [("exact_match", 1.0), ("cross_entropy", 0.0), ("bits_per_token", 0.0)])
def test_each_metric_is_measured(metric, best):
    check_task(Scored(metric, best), num_samples=64, floor_samples=64)
    with pytest.raises(AssertionError, match=r"value of floor 'uniform': .* is stated"):
        check_task(Scored(metric, best, factor=1.1), num_samples=64, floor_samples=64)
    with pytest.raises(AssertionError, match="is as good as the best"):
        check_task(Scored(metric, 1e-9 if best else 2.0), num_samples=64, floor_samples=64)


def test_real_answers_are_measured():
    check_task(Uniform(), num_samples=64, floor_samples=4096)


@pytest.mark.parametrize(
    ("claimed", "floor_samples", "sentence"),
    [
        ({"metric_claimed": 0.1}, 4096, r"value of floor 'mean': 0\.1"),
        ({"loss_claimed": 0.1}, 4096, r"loss of floor 'mean': 0\.1"),
        ({"noise": 0.01}, 64, "targets differ from solve at"),
    ],
)
def test_real_answers_claimed_to_be_others_are_refused(claimed, floor_samples, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_task(Uniform(**claimed), num_samples=64, floor_samples=floor_samples)


def test_constant_floor():
    frequencies = np.array([0.5, 0.25, 0.25])
    assert constant_floor(frequencies, frequencies)[:2] == (0.375, pytest.approx(1.5 * math.log(2)))
    assert constant_floor(np.eye(3)[0], frequencies)[:2] == (0.5, None)
    assert constant_floor(np.eye(3)[0], np.eye(3)[0])[:2] == (1.0, 0.0)


def test_guess_floor_counts_scored_places_and_shares_ties():
    table = np.array([[0.6, 0.4], [0.25, 0.25]])  # the second place is scored half of the time
    floor = guess_floor(table, 2)
    assert floor.value == pytest.approx((0.6 + 0.25) / 1.5)
    guessed = floor.predict(np.zeros((1, 5)), np.ones((1, 5), bool))
    assert guessed.tolist() == [[[0.5, 0.5]] * 2 + [[1, 0], [0.5, 0.5]] + [[0.5, 0.5]]]
    assert floor.predict(np.zeros((1, 3)), np.ones((1, 3), bool)).shape == (1, 3, 2)
