"""Counting: some symbols, then one of them as a query: how often did it occur?

    inputs    b a c a b a | a        (a, b, c = 0, 1, 2; the query is its own token, num_symbols + 0)
    targets   . . . . . . | 3

An order-free control: any permutation of the symbols has the same answer, so that positions should not matter.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import first_places, length_range, split_key
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class Counting(TaskConfig):
    """L symbols and a query at which alone the answer is asked: 0 .. max_count occurrences, max_count + 1 classes.

    Tokens: symbols 0 .. num_symbols - 1, queries num_symbols .. 2 num_symbols - 1. This is the query count of Yehudai
    et al. (the histogram of Weiss et al. asks it of every symbol at once). Queries have tokens of their own, so that
    the end of the sequence is seen, as in other tasks.

    Counts are drawn, not left to chance: the query is uniform, its count c is uniform over 0 .. max_count, the c places
    are uniform, and the other L - c symbols are uniform over the others. Counts of uniform sequences would grow with L,
    with classes at long lengths that were never trained; here answers are balanced at every length, neither length nor
    place says anything of them, and lengths start at max_count, where each count is possible. (At long lengths the
    query's symbol is the rarer one: a model that counts all symbols but cannot find the query is above chance.)

    Args:
      num_symbols: how many symbols there are.
      max_count: the largest count.

    Raises:
      ValueError: `num_symbols` is below 2, or `max_count` below 1.
    """

    num_symbols: int = 16
    max_count: int = 7

    def __post_init__(self):
        for name, least in (("num_symbols", 2), ("max_count", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"Counting: {name} is {getattr(self, name)}, wanted at least {least}")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: Counting) -> TaskSpec:
    """What a study must know; max_count to five times as many symbols are trained on, 7 to 35 by default.

    >>> spec(Counting()).io, spec(Counting()).train_lengths
    (IO(num_classes=8, vocab_size=32, channels=None, out_channels=None), (7, 35))
    """
    return TaskSpec(
        io=IO(num_classes=config.max_count + 1, vocab_size=2 * config.num_symbols),
        metric="accuracy",
        chance="uniform",
        best=1.0,
        threshold=0.95,
        train_lengths=(config.max_count, 5 * config.max_count),
        test_lengths=tuple(times * config.max_count for times in (1, 2, 3, 5, 7, 10, 14)),
        length_unit="symbols",
        lengths=partial(length_range, smallest=config.max_count),
        num_tokens=num_tokens,
        source="Yehudai et al. 2024, arXiv 2407.15160, with balanced counts",
    )


def num_tokens(length: int) -> int:
    """L + 1: the symbols and the query.

    >>> num_tokens(35)
    36
    """
    return length + 1


def sample(
    config: Counting,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` symbols, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, max_count <= length <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, 2 num_symbols) and targets [B, T] int32 in [0, max_count].

    Raises:
      ValueError: `max_length` is below `max_count`, or `split` is unknown.

    >>> sample(Counting(), jax.random.key(0), 2, 8, 10).inputs.shape
    (2, 11)

    Reference: Yehudai et al. 2024, arXiv 2407.15160; Weiss et al. 2021, arXiv 2106.06981.
    """
    length_range(max_length, max_length, smallest=config.max_count)
    # One flat draw for all four: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(split_key(key, split), (batch_size * (2 + 2 * max_length),)).reshape(batch_size, -1)
    for_query, for_count, for_places, for_symbols = jnp.split(drawn, (1, 2, 2 + max_length), axis=1)
    query = (for_query * config.num_symbols).astype(jnp.int32)
    count = (for_count * (config.max_count + 1)).astype(jnp.int32)
    others = (for_symbols * (config.num_symbols - 1)).astype(jnp.int32)
    others = others + (others >= query)  # every symbol but the query
    places = jnp.arange(max_length)
    # The c places with the largest numbers: top_k of float32 is the fastest way to distinct ones on a CPU.
    largest = jax.lax.top_k(jnp.where(places < length, for_places, -1.0), config.max_count)[1]
    taken = jnp.arange(config.max_count) < count
    is_query = ((largest[:, :, None] == places) & taken[:, :, None]).any(axis=1)
    symbols = jnp.pad(jnp.where(is_query, query, others), ((0, 0), (0, 1)))
    valid = first_places(batch_size, max_length + 1, length + 1)
    scored = valid & ~first_places(batch_size, max_length + 1, length)
    return Batch(
        inputs=jnp.where(scored, config.num_symbols + query, jnp.where(valid, symbols, 0)),
        targets=jnp.where(scored, count, 0),
        weights=scored.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def solve(config: Counting, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Counts in Python lists.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(Counting(3), np.array([[1, 0, 2, 0, 1, 0, 3]]), np.ones((1, 7), bool)).tolist()
    [[0, 0, 0, 0, 0, 0, 3]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, place in np.argwhere(valid & (inputs >= config.num_symbols)):
        before = inputs[row, :place].tolist()
        targets[row, place] = before.count(inputs[row, place] - config.num_symbols)
    return targets


def floors(config: Counting, length: int) -> dict[str, Floor]:
    """uniform: every count is as likely at every length, accuracy 1 / (max_count + 1), loss ln(max_count + 1).

    Args:
      config: the task.
      length: L, symbols.

    Returns:
      The floors by name.

    >>> floors(Counting(), 20)["uniform"].metric
    0.125
    """
    return {"uniform": uniform_floor(config.max_count + 1)}
