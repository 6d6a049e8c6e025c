"""Duplicate a string: say it twice.

    inputs    x1 x2 ... xL | empty x 2 L
    targets    .  . ...  . | x1 x2 ... xL x1 x2 ... xL

The answer is longer than what was read, so that a memory which gives each letter up as it says it fails halfway.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs


@dataclass(frozen=True)
class Duplicate(TaskConfig):
    """L letters, then 2 L empty places for the string and the string again: 3 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters. Every answer is uniform whatever
    the place and the length, so chance is a guess, 1 / alphabet. Lengths go from 1. Deletang et al. have two letters,
    lengths 1 to 40 to train and 41 to 500 to test; the default lengths are shorter.

    Args:
      alphabet: the number of letters.

    Raises:
      ValueError: `alphabet` is below 2.
    """

    alphabet: int = 2

    def __post_init__(self):
        if self.alphabet < 2:
            raise ValueError(f"Duplicate: alphabet is {self.alphabet}, wanted at least 2")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: Duplicate) -> TaskSpec:
    """What a study must know; 1 to 13 letters are trained on, and 33 asked for.

    >>> spec(Duplicate()).io, spec(Duplicate()).pairs_vocab_size
    (IO(num_classes=2, vocab_size=3, channels=None, out_channels=None), 4)
    """
    return TaskSpec(
        io=IO(num_classes=config.alphabet, vocab_size=config.alphabet + 1),
        metric="accuracy",
        chance="uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=(1, 13),
        test_lengths=(1, 4, 7, 10, 13, 17, 20, 27, 33),
        length_unit="letters",
        lengths=length_range,
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098",
        pairs_vocab_size=config.alphabet + 2,
    )


def num_tokens(length: int) -> int:
    """3 L: the letters, then two places for each.

    >>> num_tokens(13)
    39
    """
    return 3 * length


def sample(
    config: Duplicate,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` uniform letters, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 1 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = 3 max_length.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, alphabet] and targets [B, T] int32 in [0, alphabet).

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> sample(Duplicate(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 21)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(max_length), 2 * length, empty=config.alphabet)


def pairs(
    config: Duplicate,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The sequences of `sample` as a source and a target; BOS is `alphabet`, EOS alphabet + 1.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 1 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; S = max_length, T = 2 max_length + 1.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, alphabet + 2).

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> pairs(Duplicate(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 15)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.alphabet)


def _draw(config: Duplicate, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Strings:
    """The letters, and the letters twice: answer place y holds letter y mod L."""
    length_range(max_length, max_length)
    letters = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, config.alphabet, jnp.int32)
    return Strings(letters, length, letters[:, jnp.arange(2 * max_length) % length], 2 * length)


def solve(config: Duplicate, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Reads the letters up to the first empty token into a list and joins it to itself.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(Duplicate(), np.array([[1, 0, 2, 2, 2, 2]]), np.ones((1, 6), bool)).tolist()
    [[0, 0, 1, 0, 1, 0]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs, valid, strict=True)):
        letters = tokens[in_use & (tokens != config.alphabet)].tolist()
        asked = np.flatnonzero(in_use & (tokens == config.alphabet))
        targets[row, asked] = (letters + letters)[: len(asked)]
    return targets


def floors(config: Duplicate, length: int) -> dict[str, Floor]:
    """A guess, 1 / alphabet: every letter is uniform at every place, so place and length add nothing to it.

    Args:
      config: the task.
      length: L, letters.

    Returns:
      The floor by name.

    >>> floors(Duplicate(), 5)["uniform"].metric
    0.5
    """
    return {"uniform": uniform_floor(config.alphabet)}
