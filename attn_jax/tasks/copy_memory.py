"""Copy memory: a few letters, a long silence, a signal, and the letters must be said again.

    inputs    a1 ... a10 | blank x (T - 1) | signal | blank x 10
    targets   blank x 10 | blank x (T - 1) | blank  | a1 ... a10

The classic test of how long a recurrence can hold what it read: nothing in the silence helps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.counts import as_commonest, commonest_share, counted_answer
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, first_places, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs


@dataclass(frozen=True)
class CopyMemory(TaskConfig):
    """`num_copied` letters over a delay of `length` blanks: length + 2 num_copied tokens.

    Tokens: letters 0 .. num_letters - 1, the blank num_letters, the signal num_letters + 1. Classes are the letters
    and the blank. As in the source the loss is taken over *all* places, blanks included, so that the plateau of a model
    without memory is at num_copied ln(num_letters) / (length + 2 num_copied); the metric counts the answers only (its
    plateau is 1 / num_letters), because blanks are right from the first steps on.

    Chance is "memoryless", as in the source and in the results published of `configs/copy_memory.py`. It is not the
    strongest: "most_frequent_letter", where a model rests that holds the letters but not their order, has the score
    .20 on this scale by default. Read no score below as copying.

    `pairs` gives everything up to the signal as source and the letters as target.

    Args:
      num_letters: how many letters there are.
      num_copied: how many are to be held.

    Raises:
      ValueError: `num_letters` is below 2 or `num_copied` below 1.
    """

    num_letters: int = 8
    num_copied: int = 10

    def __post_init__(self):
        for name, least in (("num_letters", 2), ("num_copied", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"CopyMemory: {name} is {getattr(self, name)}, wanted at least {least}")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: CopyMemory) -> TaskSpec:
    """What a study must know; a delay of 30 is trained on.

    >>> spec(CopyMemory()).io, spec(CopyMemory()).pairs_vocab_size
    (IO(num_classes=9, vocab_size=10, channels=None, out_channels=None), 12)
    """
    return TaskSpec(
        io=IO(num_classes=config.num_letters + 1, vocab_size=config.num_letters + 2),
        metric="accuracy",
        chance="memoryless",
        best=1.0,
        threshold=0.95,
        train_lengths=(30, 30),
        test_lengths=(10, 20, 30, 40, 60, 100),
        length_unit="steps of delay",
        lengths=length_range,
        num_tokens=partial(num_tokens, config),
        source="Hochreiter & Schmidhuber 1997; Arjovsky et al. 2015, arXiv 1511.06464",
        loss_places="all",
        pairs_vocab_size=config.num_letters + 4,
    )


def num_tokens(config: CopyMemory, length: int) -> int:
    """T + 20 for the default 10 letters.

    >>> num_tokens(CopyMemory(), 30)
    50
    """
    return length + 2 * config.num_copied


def sample(
    config: CopyMemory,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences with a delay of `length`, padded to that of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: the delay, 1 <= length <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 2 num_copied.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, num_letters + 2) and targets [B, T] int32 in [0, num_letters].

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> sample(CopyMemory(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 27)

    Reference: Arjovsky et al. 2015, arXiv 1511.06464.
    """
    check_max_length(max_length)
    num_places = num_tokens(config, max_length)
    letters = jax.random.randint(
        split_key(key, split), (batch_size, config.num_copied), 0, config.num_letters, jnp.int32
    )
    blanks = jnp.full((batch_size, num_places), config.num_letters, jnp.int32)
    valid = first_places(batch_size, num_places, length + 2 * config.num_copied)
    scored = valid & ~first_places(batch_size, num_places, length + config.num_copied)
    is_signal = jnp.arange(num_places) == length + config.num_copied - 1
    inputs = jnp.where(is_signal, config.num_letters + 1, blanks.at[:, : config.num_copied].set(letters))
    # The answers end at length + 2 num_copied <= T, so the slice always fits and is never clamped.
    targets = jax.lax.dynamic_update_slice_in_dim(blanks, letters, length + config.num_copied, axis=1)
    return Batch(
        inputs=jnp.where(valid, inputs, 0),
        targets=jnp.where(valid, targets, 0),
        weights=valid.astype(jnp.float32),
        scored=scored,
        valid=valid,
    )


def pairs(
    config: CopyMemory,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The sequences of `sample` with the same key: letters, blanks and signal, and the letters; BOS is num_letters + 2.

    Args:
      config: the task.
      key, batch_size, length, max_length, split: as for `sample`.

    Returns:
      Pairs with S = max_length + num_copied and T = num_copied + 1.

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> pairs(CopyMemory(), jax.random.key(0), 2, 5, 7).source.shape
    (2, 17)
    """
    inputs = sample(config, key, batch_size, length, max_length, split=split).inputs
    letters = inputs[:, : config.num_copied]
    read = inputs[:, : config.num_copied + max_length]
    strings = Strings(read, config.num_copied + length, letters, config.num_copied)
    return strings_pairs(strings, bos=config.num_letters + 2)


def solve(config: CopyMemory, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Reads the tape after the signal: the i-th place after it holds the i-th token of the sequence.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes; 0 at padding.

    >>> solve(CopyMemory(8, 2), np.array([[5, 6, 8, 9, 8, 8]]), np.ones((1, 6), bool)).tolist()
    [[8, 8, 8, 8, 5, 6]]
    """
    targets = np.where(valid, config.num_letters, 0).astype(np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs, valid, strict=True)):
        for signal in np.flatnonzero(in_use & (tokens == config.num_letters + 1)):
            answers = tokens[: min(config.num_copied, in_use.sum() - signal - 1)]
            targets[row, signal + 1 : signal + 1 + len(answers)] = answers
    return targets


def floors(config: CopyMemory, length: int) -> dict[str, Floor]:
    """What is reached without order: all but uniform say blanks until the signal has come, then a letter.

    memoryless: accuracy 1 / num_letters at the answers; loss num_copied ln(num_letters) / (length + 2 num_copied) a
    place: .2971 at a delay of 50, .1733 at 100, .0945 at 200. most_frequent_letter, of those read, ties alike:
    E[max c] / num_copied, .302 for 10 of 8; no loss. uniform: all num_letters + 1 classes alike everywhere.

    Args:
      config: the task.
      length: the delay.

    Returns:
      The floors by name.

    >>> round(floors(CopyMemory(), 50)["memoryless"].loss, 4)
    0.2971
    >>> {name: round(floor.metric, 3) for name, floor in floors(CopyMemory(), 50).items()}
    {'uniform': 0.111, 'memoryless': 0.125, 'most_frequent_letter': 0.302}

    Reference: Arjovsky et al. 2015, arXiv 1511.06464.
    """
    loss = config.num_copied * math.log(config.num_letters) / num_tokens(config, length)
    commonest = commonest_share(config.num_copied, config.num_letters)
    return {
        "uniform": uniform_floor(config.num_letters + 1),
        "memoryless": Floor(1 / config.num_letters, loss, partial(_after_signal, config, np.ones_like)),
        "most_frequent_letter": Floor(commonest, None, partial(_after_signal, config, as_commonest)),
    }


def _after_signal(
    config: CopyMemory, say: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """The blank up to the signal, then what `say` makes of the counts of the letters."""
    is_signal = valid & (inputs == config.num_letters + 1)
    after = np.cumsum(is_signal, axis=1) - is_signal > 0
    blank = np.eye(config.num_letters + 1)[config.num_letters]
    letter = counted_answer(say, np.arange(config.num_letters), config.num_letters + 1, inputs, valid)
    return np.where(after[..., None], letter[:, None], blank)
