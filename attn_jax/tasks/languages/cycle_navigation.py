"""Cycle navigation: steps back, none or forward on a ring, and the position is asked once at the end.

    inputs   x1 x2 ... xL empty        0 is a step back, 1 none, 2 a step forward
    targets   .  .      .  sum (x - 1) mod 5

The smallest counter with more than two states: a recurrence turns it, attention of a fixed depth must count.
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import letters, string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


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
        check_at_least(self, 2, "num_positions")

    def make(self) -> Task:
        """The task of this configuration; 1 to 20 steps are trained on, and 100 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.num_positions,
            empty=3,
            num_tokens=lambda length: length + 1,  # the steps and the answer's place
            num_answered=one_answer,
            strings=False,
            chance="position_and_length",
            train_lengths=(1, 20),
            test_lengths=(1, 2, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="steps",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: CycleNavigation, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws walks of `length` steps."""
    steps = letters(key, batch_size, max_length, 3)
    gone = jnp.where(jnp.arange(max_length) < length, steps - 1, 0).sum(axis=1, keepdims=True, dtype=jnp.int32)
    return Strings(steps, length, gone % config.num_positions, 1)


def answer(config: CycleNavigation, question: list[int]) -> list[int]:
    """Walks: a table says which place each step leads to from each.

    >>> answer(CycleNavigation(), [0, 0, 1, 2])
    [4]
    """
    ring = list(range(config.num_positions))
    leads_to = [ring[-1:] + ring[:-1], ring, ring[1:] + ring[:1]]
    position = 0
    for step in question:
        position = leads_to[step][position]
    return [position]


def floors(config: CycleNavigation, length: int) -> dict[str, Floor]:
    """Any place, and the likeliest place after `length` steps.

    uniform: 1 / n. position_and_length: max_v P(v), from the eigenvalues of a step on the ring of n places:
    P(v) = 1/n sum_k ((1 + 2 cos(2 pi k / n)) / 3)^L cos(2 pi k v / n).

    >>> [round(floors(CycleNavigation(), length)["position_and_length"].value, 4) for length in (1, 2, 9, 41)]
    [0.3333, 0.3333, 0.2015, 0.2]
    """
    angles = 2 * math.pi * np.arange(config.num_positions) / config.num_positions
    eigenvalues = (1 + 2 * np.cos(angles)) / 3
    reached = eigenvalues**length @ np.cos(np.outer(angles, np.arange(config.num_positions))) / config.num_positions
    return {
        "uniform": uniform_floor(config.num_positions),
        "position_and_length": guess_floor(reached[None], length),
    }
