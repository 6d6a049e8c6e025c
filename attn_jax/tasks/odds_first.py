"""Odds first: every other letter, then the ones that were left out.

    inputs    x1 x2 ... xL | empty x L
    targets    .  . ...  . | x1 x3 x5 ... x2 x4 x6 ...

A fixed rearrangement: where a letter goes depends on its place and on the length alone, never on the letters.
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
class OddsFirst(TaskConfig):
    """L letters, then L empty places for x1 x3 ... x2 x4 ...: 2 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters. Every answer is uniform whatever
    the place and the length, so chance is a guess, 1 / alphabet. Lengths go from 1; up to 2 the answer is a copy.
    Deletang et al. have two letters, lengths 1 to 40 to train and 41 to 500 to test; the default lengths are shorter.

    Args:
      alphabet: the number of letters.

    Raises:
      ValueError: `alphabet` is below 2.
    """

    alphabet: int = 2

    def __post_init__(self):
        if self.alphabet < 2:
            raise ValueError(f"OddsFirst: alphabet is {self.alphabet}, wanted at least 2")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: OddsFirst) -> TaskSpec:
    """What a study must know; 1 to 20 letters are trained on, and 50 asked for.

    >>> spec(OddsFirst()).io, spec(OddsFirst()).pairs_vocab_size
    (IO(num_classes=2, vocab_size=3, channels=None, out_channels=None), 4)
    """
    return TaskSpec(
        io=IO(num_classes=config.alphabet, vocab_size=config.alphabet + 1),
        metric="accuracy",
        chance="uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=(1, 20),
        test_lengths=(1, 5, 10, 15, 20, 25, 30, 40, 50),
        length_unit="letters",
        lengths=length_range,
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098",
        pairs_vocab_size=config.alphabet + 2,
    )


def num_tokens(length: int) -> int:
    """2 L: the letters, then a place for each.

    >>> num_tokens(20)
    40
    """
    return 2 * length


def sample(
    config: OddsFirst,
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
      max_length: static; T = 2 max_length.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, alphabet] and targets [B, T] int32 in [0, alphabet).

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> sample(OddsFirst(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 14)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(max_length), length, empty=config.alphabet)


def pairs(
    config: OddsFirst,
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
      max_length: static; S = max_length, T = max_length + 1.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, alphabet + 2).

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> pairs(OddsFirst(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 8)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.alphabet)


def _draw(config: OddsFirst, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Strings:
    """The letters, and those that answer place y takes: 0 2 4 ... 1 3 5 ..., counted from 0."""
    length_range(max_length, max_length)
    letters = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, config.alphabet, jnp.int32)
    place = jnp.arange(max_length)
    num_odds = (length + 1) // 2
    taken = jnp.where(place < num_odds, 2 * place, 2 * (place - num_odds) + 1)
    return Strings(letters, length, jnp.take(letters, taken, axis=1, mode="clip"), length)


def solve(config: OddsFirst, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Deals the letters up to the first empty token onto two piles in turn and puts one after the other.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(OddsFirst(4), np.array([[0, 1, 2, 3, 4, 4, 4, 4]]), np.ones((1, 8), bool)).tolist()
    [[0, 0, 0, 0, 0, 2, 1, 3]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs, valid, strict=True)):
        piles: tuple[list[int], list[int]] = ([], [])
        for turn, letter in enumerate(tokens[in_use & (tokens != config.alphabet)].tolist()):
            piles[turn % 2].append(letter)
        asked = np.flatnonzero(in_use & (tokens == config.alphabet))
        targets[row, asked] = (piles[0] + piles[1])[: len(asked)]
    return targets


def floors(config: OddsFirst, length: int) -> dict[str, Floor]:
    """A guess, 1 / alphabet: every letter is uniform at every place, so place and length add nothing to it.

    Args:
      config: the task.
      length: L, letters.

    Returns:
      The floor by name.

    >>> floors(OddsFirst(), 5)["uniform"].metric
    0.5
    """
    return {"uniform": uniform_floor(config.alphabet)}
