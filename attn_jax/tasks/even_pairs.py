"""Even pairs: is the number of changes in a string of bits even or odd, asked once at the end.

    inputs   x1 x2 ... xL empty
    targets   .  .      .  (changes from one bit to the next) mod 2 = [x1 != xL]

The negative control: it sounds like parity, but two bits decide it, and models of every kind learn it.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch
from attn_jax.types import IO, Array, Batch, Key

_EMPTY = 2  # the token at which the answer is read


@dataclass(frozen=True)
class EvenPairs(TaskConfig):
    """The number of pairs 01 and 10 in L bits, modulo 2: two classes.

    The bits, then one empty token 2 at which alone the answer is asked and trained; L + 1 tokens. The answer is 1
    where the first bit differs from the last. It is a coin to whoever lacks either bit, so chance is "uniform". At
    L = 1 it is always 0 and nothing is left to score, so lengths start at 2; the source trains on 1 to 40.
    """

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: EvenPairs) -> TaskSpec:
    """What a study must know; 2 to 20 bits are trained on, and 100 asked for.

    >>> spec(EvenPairs()).io.num_classes
    2
    """
    return TaskSpec(
        io=IO(num_classes=2, vocab_size=3),
        metric="accuracy",
        chance="uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=(2, 20),
        test_lengths=(2, 5, 10, 20, 30, 40, 60, 80, 100),
        length_unit="bits",
        lengths=partial(length_range, smallest=2),
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098",
    )


def num_tokens(length: int) -> int:
    """L + 1: the bits and the answer's place.

    >>> num_tokens(20)
    21
    """
    return length + 1


def sample(
    config: EvenPairs,
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
      length: L, the number of bits, 2 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32, bits and the empty token 2, and targets [B, T] int32 in {0, 1}.

    Raises:
      ValueError: `max_length` is below 2, or `split` is unknown.

    >>> sample(EvenPairs(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 8)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    check_max_length(max_length, smallest=2)
    bits = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, 2, jnp.int32)
    last = jax.lax.dynamic_slice_in_dim(bits, length - 1, 1, axis=1)
    differ = (bits[:, :1] != last).astype(jnp.int32)
    return strings_batch(Strings(bits, length, differ, 1), num_tokens(max_length), 1, empty=_EMPTY)


def solve(config: EvenPairs, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Counts the changes, as the name of the task says.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(EvenPairs(), np.array([[0, 0, 1, 0, 1, 2], [0, 0, 1, 1, 0, 2]]), np.ones((2, 6), bool))[:, 5].tolist()
    [1, 0]
    """
    is_bit = valid & (inputs != _EMPTY)
    changes = (inputs[:, 1:] != inputs[:, :-1]) & is_bit[:, 1:]
    count = np.pad(np.cumsum(changes, axis=1), ((0, 0), (1, 0)))
    return np.where(valid & ~is_bit, count % 2, 0).astype(np.int32)


def floors(config: EvenPairs, length: int) -> dict[str, Floor]:
    """A coin: accuracy 1 / 2, loss ln 2; length, place and all bits but one say no more.

    Args:
      config: the task.
      length: L, bits.

    Returns:
      The floors by name.

    >>> floors(EvenPairs(), 20)["uniform"].metric
    0.5
    """
    return {"uniform": uniform_floor(2)}
