"""Parity: is the number of ones even or odd, asked once at the end or at every bit.

    end        inputs  x1 x2 ... xL empty     targets   .  .      ...     .   sum x mod 2
    running    inputs  x1 x2 ... xL           targets  x1  x1+x2  ...  sum x (each mod 2)

One bit of state that every input flips: a recurrence has it, attention of a fixed depth must count.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import first_token_floor, uniform_floor
from attn_jax.tasks.sampling import check_max_length, first_places, length_range, split_key
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
        if self.labels not in ("end", "running"):
            raise ValueError(f"Parity: labels is {self.labels!r}, wanted 'end' or 'running'")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: Parity) -> TaskSpec:
    """What a study must know; 2 to 20 bits are trained on, and 100 asked for.

    >>> spec(Parity()).io, spec(Parity(labels="running")).chance
    (IO(num_classes=2, vocab_size=3, channels=None, out_channels=None), 'memoryless')
    """
    running = config.labels == "running"
    return TaskSpec(
        io=IO(num_classes=2, vocab_size=2 if running else 3),
        metric="accuracy",
        chance="memoryless" if running else "uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=(2, 20),
        test_lengths=(2, 5, 10, 20, 30, 40, 60, 80, 100),
        length_unit="bits",
        lengths=partial(length_range, smallest=_smallest(config)),
        num_tokens=partial(num_tokens, config),
        source="Deletang et al. 2023, arXiv 2207.02098" + (", asked at every bit" if running else ""),
    )


def _smallest(config: Parity) -> int:
    """The shortest length at which chance is below perfection."""
    return 2 if config.labels == "running" else 1


def num_tokens(config: Parity, length: int) -> int:
    """L + 1 with the answer's place, L where answers run along.

    >>> num_tokens(Parity(), 20), num_tokens(Parity(labels="running"), 20)
    (21, 20)
    """
    return length + (config.labels == "end")


def sample(
    config: Parity,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` uniform bits, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, the number of bits, at most max_length; may be traced, and is then trusted.
      max_length: static; T = max_length, plus one where the answer has a place of its own.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32, bits and the empty token 2, and targets [B, T] int32 in {0, 1}.

    Raises:
      ValueError: `max_length` is too small, or `split` is unknown.

    >>> sample(Parity(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 8)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    check_max_length(max_length, smallest=_smallest(config))
    num_places = num_tokens(config, max_length)
    is_bit = first_places(batch_size, num_places, length)
    valid = first_places(batch_size, num_places, length + (num_places - max_length))
    bits = jax.random.randint(split_key(key, split), (batch_size, num_places), 0, 2, jnp.int32)
    bits = jnp.where(is_bit, bits, 0)
    scored = valid if config.labels == "running" else valid & ~is_bit
    return Batch(
        inputs=jnp.where(valid & ~is_bit, _EMPTY, bits),
        targets=jnp.where(scored, jnp.cumsum(bits, axis=1) % 2, 0),
        weights=scored.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def solve(config: Parity, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Flips one bit of state at every one.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(Parity(), np.array([[1, 0, 0, 2]]), np.ones((1, 4), bool)).tolist()
    [[0, 0, 0, 1]]
    >>> solve(Parity(labels="running"), np.array([[1, 0, 1]]), np.ones((1, 3), bool)).tolist()
    [[1, 1, 0]]
    """
    parity = np.logical_xor.accumulate((inputs == 1) & valid, axis=1)
    asked = valid if config.labels == "running" else valid & (inputs == _EMPTY)
    return np.where(asked, parity, False).astype(np.int32)


def floors(config: Parity, length: int) -> dict[str, Floor]:
    """A coin, and where labels run also the first bit and a coin for the rest.

    uniform: accuracy 1 / 2, loss ln 2. memoryless: accuracy (1 + (L - 1) / 2) / L, loss (L - 1) ln(2) / L.

    Args:
      config: the task.
      length: L, bits.

    Returns:
      The floors by name.

    >>> {name: floor.metric for name, floor in floors(Parity(labels="running"), 4).items()}
    {'uniform': 0.5, 'memoryless': 0.625}
    """
    found = {"uniform": uniform_floor(2)}
    if config.labels == "running":
        found["memoryless"] = first_token_floor(2, length)
    return found
