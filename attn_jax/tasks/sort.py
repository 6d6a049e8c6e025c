"""Sort a string, letters with repetition: bucket sort over 5 letters, and the same over more of them.

    inputs    x1 x2 ... xL | empty x L
    targets    .  . ...  . | smallest ... largest

Counting how often each letter came is enough. The longer the string, the better its sorted form is known before any
letter is read: the task that shows why a score means nothing without its floor.
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
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs


@dataclass(frozen=True)
class Sort(TaskConfig):
    """L letters, then L empty places for the same in ascending order: 2 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, uniform and independent, so that they repeat; the empty token `alphabet`. Classes
    are letters. Lengths go from 1. Chance is "position_and_length", the likeliest letter at each place: with 5 letters
    .78 at L = 41 and .94 at L = 500, .90 on average over the lengths on which the source calls .90 solved.

    5 letters are the bucket sort of Deletang et al. (lengths 1 to 40 to train, 41 to 500 to test). 20 are
    tensor2tensor's algorithmic sort problem, as many as its longest test string has letters (lengths 1 to 10 to train,
    up to 20 to test), drawn with replacement, which is its default: distinct letters would bound the length by the
    alphabet, and at that bound the answer would be known unread. The default lengths are the same for both.

    Args:
      alphabet: the number of letters.

    Raises:
      ValueError: `alphabet` is below 2.
    """

    alphabet: int = 5

    def __post_init__(self):
        if self.alphabet < 2:
            raise ValueError(f"Sort: alphabet is {self.alphabet}, wanted at least 2")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: Sort) -> TaskSpec:
    """What a study must know; 1 to 20 letters are trained on, and 50 asked for.

    >>> spec(Sort()).io, spec(Sort()).pairs_vocab_size
    (IO(num_classes=5, vocab_size=6, channels=None, out_channels=None), 7)
    """
    return TaskSpec(
        io=IO(num_classes=config.alphabet, vocab_size=config.alphabet + 1),
        metric="accuracy",
        chance="position_and_length",
        best=1.0,
        threshold=0.95,
        train_lengths=(1, 20),
        test_lengths=(1, 5, 10, 15, 20, 25, 30, 40, 50),
        length_unit="letters",
        lengths=length_range,
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098"
        if config.alphabet == 5
        else "Vaswani et al. 2018, arXiv 1803.07416: tensor2tensor's algorithmic sort",
        pairs_vocab_size=config.alphabet + 2,
    )


def num_tokens(length: int) -> int:
    """2 L: the letters, then a place for each.

    >>> num_tokens(20)
    40
    """
    return 2 * length


def sample(
    config: Sort,
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

    >>> sample(Sort(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 14)

    Reference: Deletang et al. 2023, arXiv 2207.02098; Vaswani et al. 2018, arXiv 1803.07416.
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(max_length), length, empty=config.alphabet)


def pairs(
    config: Sort,
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

    >>> pairs(Sort(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 8)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.alphabet)


def _draw(config: Sort, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Strings:
    """The letters, and the same sorted."""
    check_max_length(max_length)
    letters = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, config.alphabet, jnp.int32)
    # Letters beyond the length are made larger than all others, so that they come last, where they are ignored.
    answer = jnp.sort(jnp.where(jnp.arange(max_length) < length, letters, config.alphabet), axis=1)
    return Strings(letters, length, answer, length)


def solve(config: Sort, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Throws the letters up to the first empty token into buckets and empties one bucket after the other.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(Sort(), np.array([[3, 0, 4, 0, 5, 5, 5, 5]]), np.ones((1, 8), bool)).tolist()
    [[0, 0, 0, 0, 0, 0, 3, 4]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs, valid, strict=True)):
        buckets = np.bincount(tokens[in_use], minlength=config.alphabet + 1)[: config.alphabet]
        asked = np.flatnonzero(in_use & (tokens == config.alphabet))
        targets[row, asked] = np.repeat(np.arange(config.alphabet), buckets)[: len(asked)]
    return targets


def floors(config: Sort, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest letter at each place of the sorted string, of L letters out of V.

    The y-th smallest letter (y from 0) is at most v where at least y + 1 letters are: with p = (v + 1) / V,
    P(class <= v at y) = sum_{j > y} C(L, j) p^j (1 - p)^(L - j). position_and_length: the mean over y of the largest
    difference of two such neighbours; it has no loss. uniform: 1 / V.

    Args:
      config: the task.
      length: L, letters.

    Returns:
      The floors by name.

    >>> [round(floors(Sort(), length)["position_and_length"].metric, 4) for length in (1, 41, 500)]
    [0.2, 0.7796, 0.9365]
    """
    return {
        "uniform": uniform_floor(config.alphabet),
        "position_and_length": guess_floor(_order_statistics(length, config.alphabet), length),
    }


def _order_statistics(length: int, alphabet: int) -> np.ndarray:
    """[L, V] float64: the probability that the y-th smallest of L uniform letters is v."""
    total = alphabet**length
    choices = [math.comb(length, j) for j in range(length + 1)]
    at_most = np.zeros((length, alphabet + 1))  # column v + 1: that it is at most v
    for v in range(alphabet):
        strings = 0  # in integers, so that the sum is exact: strings with more than y letters up to v
        for j in range(length, 0, -1):
            strings += choices[j] * (v + 1) ** j * (alphabet - v - 1) ** (length - j)
            at_most[j - 1, v + 1] = strings / total
    return np.diff(at_most, axis=1)
