"""Parity: is the number of ones even or odd, asked once at the end or at every bit.

    end        inputs  x1 x2 ... xL empty     targets   .  .      ...     .   sum x mod 2
    running    inputs  x1 x2 ... xL           targets  x1  x1+x2  ...  sum x (each mod 2)

One bit of state that every input flips: a recurrence has it, attention of a fixed depth must count.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_one_of
from attn_jax.tasks.floors import first_token_floor, uniform_floor
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key

_EMPTY = 2  # the token at which the answer is read, labels="end"


@dataclass(frozen=True)
class Parity(TaskConfig):
    """The sum of L bits modulo 2: two classes.

    labels="end": the bits, then one empty token 2 at which alone the answer is asked; L + 1 tokens, L >= 1. No
    predictor that lacks a single bit is better than a coin, so chance is "uniform".

    labels="running": asked at every bit; L tokens, L >= 2. The first answer is the first bit itself, so that a
    predictor that sees its own token and place, and remembers nothing, is right (1 + (L - 1) / 2) / L of the time,
    .75 at L = 2. Chance is this "memoryless" floor, so that a model that holds nothing has score 0 at every
    length; with a coin as chance it would have .5 at L = 2. At L = 1 it is perfect, so lengths start at 2.

    Args:
      labels: where the answer is asked, "end" or "running".

    Raises:
      ValueError: `labels` is neither.
    """

    labels: Literal["end", "running"] = "end"

    def __post_init__(self):
        check_one_of(self, "labels")

    def make(self) -> Task:
        """The task of this configuration; 2 to 20 bits are trained on, and 100 asked for."""
        running = self.labels == "running"
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=2, vocab_size=2 if running else 3),
            num_tokens=lambda length: length + (not running),  # and the answer's place, but where answers run along
            num_answered=None if running else one_answer,
            lengths={"smallest": 2 if running else 1},
            chance="memoryless" if running else "uniform",
            train_lengths=(2, 20),
            test_lengths=(2, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="bits",
            source="Deletang et al. 2023, arXiv 2207.02098" + (", asked at every bit" if running else ""),
        )


def draw(config: Parity, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` uniform bits."""
    num_places = max_length + (config.labels == "end")
    is_bit = first_places(batch_size, num_places, length)
    valid = first_places(batch_size, num_places, length + (num_places - max_length))
    bits = jax.random.randint(key, (batch_size, num_places), 0, 2, jnp.int32)
    bits = jnp.where(is_bit, bits, 0)
    scored = valid if config.labels == "running" else valid & ~is_bit
    return Batch.of(jnp.where(is_bit, bits, _EMPTY), jnp.cumsum(bits, axis=1) % 2, scored, valid)


def answer(config: Parity, tokens: list[int]) -> list[int]:
    """Flips one bit of state at every one.

    >>> answer(Parity(), [1, 0, 0, 2]), answer(Parity(labels="running"), [1, 0, 1])
    ([0, 0, 0, 1], [1, 1, 0])
    """
    state, said = 0, []
    for token in tokens:
        state = 1 - state if token == 1 else state
        said.append(state if config.labels == "running" or token == _EMPTY else 0)
    return said


def floors(config: Parity, length: int) -> dict[str, Floor]:
    """A coin, and where labels run also the first bit and a coin for the rest.

    uniform: accuracy 1 / 2, loss ln 2. memoryless: accuracy (1 + (L - 1) / 2) / L, loss (L - 1) ln(2) / L.

    >>> {name: floor.value for name, floor in floors(Parity(labels="running"), 4).items()}
    {'uniform': 0.5, 'memoryless': 0.625}
    """
    found = {"uniform": uniform_floor(2)}
    if config.labels == "running":
        found["memoryless"] = first_token_floor(2, length)
    return found
