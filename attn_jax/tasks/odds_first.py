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
from attn_jax.tasks.counts import commonest_floor
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs

_SMALLEST = 2


@dataclass(frozen=True)
class OddsFirst(TaskConfig):
    """L letters, then L empty places for x1 x3 ... x2 x4 ...: 2 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters.

    Chance is "most_frequent_letter", the plateau of a model that knows how often each letter was read but not where:
    E[max c] / L, for two letters .688 at L = 5, .588 at 20 and .528 over 41 .. 500, where published scores lie that are
    called unsolved. A guess, "uniform", is 1 / alphabet whatever the place and the length. At L = 1 the plateau is the
    answer, so lengths start at 2, where it is a copy.

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
    """What a study must know; 2 to 20 letters are trained on, and 50 asked for.

    >>> spec(OddsFirst()).io, spec(OddsFirst()).pairs_vocab_size
    (IO(num_classes=2, vocab_size=3, channels=None, out_channels=None), 4)
    """
    return TaskSpec(
        io=IO(num_classes=config.alphabet, vocab_size=config.alphabet + 1),
        metric="accuracy",
        chance="most_frequent_letter",
        best=1.0,
        threshold=0.95,
        train_lengths=(2, 20),
        test_lengths=(2, 5, 10, 15, 20, 25, 30, 40, 50),
        length_unit="letters",
        lengths=partial(length_range, smallest=_SMALLEST),
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
      length: L, 2 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = 2 max_length.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, alphabet] and targets [B, T] int32 in [0, alphabet).

    Raises:
      ValueError: `max_length` is below 2, or `split` is unknown.

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
      length: L, 2 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; S = max_length, T = max_length + 1.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, alphabet + 2).

    Raises:
      ValueError: `max_length` is below 2, or `split` is unknown.

    >>> pairs(OddsFirst(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 8)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.alphabet)


def _draw(config: OddsFirst, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Strings:
    """The letters, and those that answer place y takes: 0 2 4 ... 1 3 5 ..., counted from 0."""
    check_max_length(max_length, smallest=_SMALLEST)
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
    """A guess, and the letter that was read most often: every letter is uniform at every place.

    uniform: 1 / alphabet, and place and length add nothing to it. most_frequent_letter, ties alike: E[max c] / L, c_v
    of the L letters v; no loss.

    Args:
      config: the task.
      length: L, letters.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 4) for name, floor in floors(OddsFirst(), 5).items()}
    {'uniform': 0.5, 'most_frequent_letter': 0.6875}
    """
    return {"uniform": uniform_floor(config.alphabet), "most_frequent_letter": commonest_floor(length, config.alphabet)}
