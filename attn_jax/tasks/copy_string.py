"""Copy a string, forwards or backwards: two mirrors, so that neither order of memory is favoured.

    inputs    x1 x2 ... xL | empty x L
    forward    .  . ...  . | x1 x2 ... xL
    reversed   .  . ...  . | xL ... x2 x1

Backwards is what a stack gives, forwards what a queue gives; attention points at either place, once it can count.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

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
class Copy(TaskConfig):
    """L letters, then L empty places at which they are said again: 2 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters.

    Chance is "most_frequent_letter", the plateau of a model that knows how often each letter was read but not where:
    E[max c] / L, for two letters .688 at L = 5, .588 at 20 and .528 over 41 .. 500, where published scores lie that are
    called unsolved. A guess, "uniform", is 1 / alphabet whatever the place and the length. At L = 1 the plateau is the
    answer, so lengths start at 2.

    Two letters are those of Deletang et al. (reversed; lengths 1 to 40 to train, 41 to 500 to test) and of
    tensor2tensor's binary40 problems (both orders; 1 to 40, then up to 400); ten are its decimal40 ones. The default
    lengths are shorter, so that a laptop trains them in a minute.

    Args:
      order: "forward", as the letters were read, or "reversed", the last one first.
      alphabet: the number of letters.

    Raises:
      ValueError: `order` is neither, or `alphabet` is below 2.
    """

    order: Literal["forward", "reversed"] = "forward"
    alphabet: int = 2

    def __post_init__(self):
        if self.order not in ("forward", "reversed"):
            raise ValueError(f"Copy: order is {self.order!r}, wanted 'forward' or 'reversed'")
        if self.alphabet < 2:
            raise ValueError(f"Copy: alphabet is {self.alphabet}, wanted at least 2")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: Copy) -> TaskSpec:
    """What a study must know; 2 to 20 letters are trained on, and 50 asked for.

    >>> spec(Copy()).io, spec(Copy()).pairs_vocab_size
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
        source="Deletang et al. 2023, arXiv 2207.02098"
        if config.order == "reversed"
        else "Vaswani et al. 2018, arXiv 1803.07416: tensor2tensor's algorithmic identity",
        pairs_vocab_size=config.alphabet + 2,
    )


def num_tokens(length: int) -> int:
    """2 L: the letters, then a place for each.

    >>> num_tokens(20)
    40
    """
    return 2 * length


def sample(
    config: Copy,
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

    >>> sample(Copy(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 14)

    Reference: Deletang et al. 2023, arXiv 2207.02098; Vaswani et al. 2018, arXiv 1803.07416.
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(max_length), length, empty=config.alphabet)


def pairs(
    config: Copy,
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

    >>> pairs(Copy(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 8)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.alphabet)


def _draw(config: Copy, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split) -> Strings:
    """The letters, and the same in the order of the answer."""
    check_max_length(max_length, smallest=_SMALLEST)
    letters = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, config.alphabet, jnp.int32)
    # Turning the whole row around leaves max_length - length ignored letters in front: the roll takes them to the end.
    reverse = config.order == "reversed"
    answer = jnp.roll(letters[:, ::-1], length - max_length, axis=1) if reverse else letters
    return Strings(letters, length, answer, length)


def solve(config: Copy, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Reads the letters up to the first empty token into a list and says it, or its reverse.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(Copy(), np.array([[1, 0, 0, 2, 2, 2]]), np.ones((1, 6), bool)).tolist()
    [[0, 0, 0, 1, 0, 0]]
    >>> solve(Copy(order="reversed"), np.array([[1, 0, 0, 2, 2, 2]]), np.ones((1, 6), bool)).tolist()
    [[0, 0, 0, 0, 0, 1]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs, valid, strict=True)):
        letters = tokens[in_use & (tokens != config.alphabet)].tolist()
        asked = np.flatnonzero(in_use & (tokens == config.alphabet))
        answer = list(reversed(letters)) if config.order == "reversed" else letters
        targets[row, asked] = answer[: len(asked)]
    return targets


def floors(config: Copy, length: int) -> dict[str, Floor]:
    """A guess, and the letter that was read most often: every letter is uniform at every place.

    uniform: 1 / alphabet, and place and length add nothing to it. most_frequent_letter, ties alike: E[max c] / L, c_v
    of the L letters v; no loss.

    Args:
      config: the task.
      length: L, letters.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 4) for name, floor in floors(Copy(), 5).items()}
    {'uniform': 0.5, 'most_frequent_letter': 0.6875}
    """
    return {"uniform": uniform_floor(config.alphabet), "most_frequent_letter": commonest_floor(length, config.alphabet)}
