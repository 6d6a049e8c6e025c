"""Cycle navigation: steps back, none or forward on a ring, and the position is asked once at the end.

    inputs   x1 x2 ... xL empty        0 is a step back, 1 none, 2 a step forward
    targets   .  .      .  sum (x - 1) mod 5

The smallest counter with more than two states: a recurrence turns it, attention of a fixed depth must count.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch
from attn_jax.types import IO, Array, Batch, Key

_EMPTY = 3  # the token at which the answer is read


@dataclass(frozen=True)
class CycleNavigation(TaskConfig):
    """The place on a ring of `num_positions` after L steps from place 0.

    Steps are uniform over back, none and forward; then one empty token 3 at which alone the answer is asked and
    trained; L + 1 tokens, L >= 1. A short walk has not gone far: the likeliest place is right 1/3 of the time at
    L = 1 and .2015 at L = 9, against .2 for a guess, so chance is this "position_and_length" floor.

    Args:
      num_positions: how long the ring is.

    Raises:
      ValueError: `num_positions` is below 2.
    """

    num_positions: int = 5

    def __post_init__(self):
        if self.num_positions < 2:
            raise ValueError(f"CycleNavigation: num_positions is {self.num_positions}, wanted at least 2")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: CycleNavigation) -> TaskSpec:
    """What a study must know; 1 to 20 steps are trained on, and 100 asked for.

    >>> spec(CycleNavigation()).io.num_classes
    5
    """
    return TaskSpec(
        io=IO(num_classes=config.num_positions, vocab_size=4),
        metric="accuracy",
        chance="position_and_length",
        best=1.0,
        threshold=0.95,
        train_lengths=(1, 20),
        test_lengths=(1, 2, 5, 10, 20, 30, 40, 60, 80, 100),
        length_unit="steps",
        lengths=length_range,
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098",
    )


def num_tokens(length: int) -> int:
    """L + 1: the steps and the answer's place.

    >>> num_tokens(20)
    21
    """
    return length + 1


def sample(
    config: CycleNavigation,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws walks of `length` steps, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, the number of steps, 1 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32, steps and the empty token 3, and targets [B, T] int32 in [0, num_positions).

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> sample(CycleNavigation(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 8)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    check_max_length(max_length)
    steps = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, 3, jnp.int32)
    gone = jnp.where(jnp.arange(max_length) < length, steps - 1, 0).sum(axis=1, keepdims=True, dtype=jnp.int32)
    walk = Strings(steps, length, gone % config.num_positions, 1)
    return strings_batch(walk, num_tokens(max_length), 1, empty=_EMPTY)


def solve(config: CycleNavigation, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Walks: a table says which place each step leads to from each.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(CycleNavigation(), np.array([[0, 0, 1, 2, 3]]), np.ones((1, 5), bool)).tolist()
    [[0, 0, 0, 0, 4]]
    """
    ring = np.arange(config.num_positions)
    leads_to = np.stack([np.roll(ring, 1), ring, np.roll(ring, -1), ring])  # the empty token leads nowhere
    position = np.zeros(len(inputs), np.int32)
    targets = np.zeros(inputs.shape, np.int32)
    for t in range(inputs.shape[1]):
        position = leads_to[inputs[:, t], position]
        targets[:, t] = np.where(valid[:, t] & (inputs[:, t] == _EMPTY), position, 0)
    return targets


def floors(config: CycleNavigation, length: int) -> dict[str, Floor]:
    """Any place, and the likeliest place after `length` steps.

    uniform: 1 / n. position_and_length: max_v P(v), from the eigenvalues of a step on the ring of n places:
    P(v) = 1/n sum_k ((1 + 2 cos(2 pi k / n)) / 3)^L cos(2 pi k v / n).

    Args:
      config: the task.
      length: L, steps.

    Returns:
      The floors by name.

    >>> [round(floors(CycleNavigation(), length)["position_and_length"].metric, 4) for length in (1, 2, 9, 41)]
    [0.3333, 0.3333, 0.2015, 0.2]
    """
    angles = 2 * math.pi * np.arange(config.num_positions) / config.num_positions
    eigenvalues = (1 + 2 * np.cos(angles)) / 3
    reached = eigenvalues**length @ np.cos(np.outer(angles, np.arange(config.num_positions))) / config.num_positions
    return {
        "uniform": uniform_floor(config.num_positions),
        "position_and_length": guess_floor(reached[None], length),
    }
