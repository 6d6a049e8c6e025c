"""Selective copying: a few tokens among many blanks, to be said again in order and without the blanks.

    inputs    . a1 . . a2 a3 . ... ak . | ? ? ... ?      (. blank, ? marker)
    targets   . .  . . .  .  . ... .  . | a1 a2 ... ak

Where the tokens stand is random, so that no fixed filter finds them: a state must choose what it keeps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.counts import as_commonest, as_shares, commonest_share, counted_answer, drawn_share
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_max_length, check_train_lengths, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.types import IO, Array, Batch, Key, Pairs


@dataclass(frozen=True)
class SelectiveCopy(TaskConfig):
    """k data tokens at random places of L, blanks between them, then k markers: L + k tokens, L >= k.

    Tokens and classes: the blank 0, data 1 .. num_symbols, the marker num_symbols + 1; in all 16 as published. The
    places are a uniform choice of k, the data uniform. Trained and scored at the markers only.

    The distance between models follows k, what must be held, and hardly L, so that a small L shows it. Chance is
    "most_frequent_symbol", the plateau of a model that holds the data but not their order: .204 at k = 16, above the
    18.3 % that are published for S4.

    Args:
      num_copied: k.
      num_symbols: how many kinds of data there are.
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_copied` or `num_symbols` is below 2, or `train_lengths` start below `num_copied`.
    """

    num_copied: int = 6
    num_symbols: int = 14
    train_lengths: tuple[int, int] = (32, 32)
    test_lengths: tuple[int, ...] = (8, 16, 24, 32, 48, 64, 96)

    def __post_init__(self):
        for name in ("num_copied", "num_symbols"):
            if getattr(self, name) < 2:
                raise ValueError(f"SelectiveCopy: {name} is {getattr(self, name)}, wanted at least 2")
        because = f"num_copied is {self.num_copied}, and as many places are the fewest"
        check_train_lengths("SelectiveCopy", self.train_lengths, smallest=self.num_copied, because=because)

    @classmethod
    def published(cls) -> "SelectiveCopy":
        """L = 4096 and k = 16. Gu & Dao 2023, table 1: S4 18.3, H3 57.0, Mamba 99.8 %."""
        return cls(num_copied=16, train_lengths=(4096, 4096), test_lengths=(4096,))

    @property
    def marker(self) -> int:
        """The token at which the data are said; the blank and the data lie below it."""
        return self.num_symbols + 1

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: SelectiveCopy) -> TaskSpec:
    """What a study must know; 32 places are trained on, and 96 asked for.

    >>> spec(SelectiveCopy()).io.vocab_size, spec(SelectiveCopy.published()).num_tokens(4096)
    (16, 4112)
    """
    return TaskSpec(
        io=IO(num_classes=config.marker + 1, vocab_size=config.marker + 1),
        metric="accuracy",
        chance="most_frequent_symbol",
        best=1.0,
        threshold=0.95,
        train_lengths=config.train_lengths,
        test_lengths=config.test_lengths,
        length_unit="places",
        lengths=partial(length_range, smallest=config.num_copied),
        num_tokens=partial(num_tokens, config),
        source="Gu & Dao 2023, arXiv 2312.00752; Jing et al. 2019, arXiv 1706.02761",
        pairs_vocab_size=config.marker + 2,
    )


def num_tokens(config: SelectiveCopy, length: int) -> int:
    """L + k.

    >>> num_tokens(SelectiveCopy(), 32)
    38
    """
    return length + config.num_copied


def sample(
    config: SelectiveCopy,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws sequences of `length` places and k markers, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, num_copied <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + num_copied.
      split: picks the stream.

    Returns:
      A batch of inputs and targets [B, T] int32 in [0, num_symbols + 2).

    Raises:
      ValueError: `max_length` is below `num_copied`, or `split` is unknown.

    >>> sample(SelectiveCopy(), jax.random.key(0), 2, 10, 12).inputs.shape
    (2, 18)

    Reference: Gu & Dao 2023, arXiv 2312.00752, section 4.1.1.
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(config, max_length), config.num_copied, empty=config.marker)


def pairs(
    config: SelectiveCopy,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The sequences of `sample` as a source and a target; BOS is `marker`, EOS the id after it.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, num_copied <= L <= max_length; may be traced, and is then trusted.
      max_length: static; S = max_length, T = num_copied + 1.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, num_symbols + 3).

    Raises:
      ValueError: `max_length` is below `num_copied`, or `split` is unknown.

    >>> pairs(SelectiveCopy(), jax.random.key(0), 2, 10, 12).target.shape
    (2, 7)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.marker)


def _draw(
    config: SelectiveCopy, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split
) -> Strings:
    """The data among blanks, and the data."""
    check_max_length(max_length, smallest=config.num_copied)
    sizes = (max_length, config.num_copied)
    drawn = jax.random.uniform(split_key(key, split), (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_places, for_data = jnp.split(drawn, sizes[:1], axis=1)
    # The places of the largest numbers are a uniform choice; top_k of float32 is the fast one on a CPU.
    in_context = jnp.arange(max_length) < length
    places = jnp.sort(jax.lax.top_k(jnp.where(in_context, for_places, -1.0), config.num_copied)[1], axis=1)
    data = 1 + (for_data * config.num_symbols).astype(jnp.int32)
    row = jnp.arange(batch_size)[:, None]
    context = jnp.zeros((batch_size, max_length), jnp.int32).at[row, places].set(data)
    return Strings(context, length, data, config.num_copied)


def solve(config: SelectiveCopy, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Puts what is no blank into a queue, and takes one out at every marker.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> solve(SelectiveCopy(num_copied=2), np.array([[0, 7, 3, 0, 15, 15]]), np.ones((1, 6), bool)).tolist()
    [[0, 0, 0, 0, 7, 3]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs.tolist(), valid.tolist(), strict=True)):
        queue = []
        for t, (token, used) in enumerate(zip(tokens, in_use, strict=True)):
            if used and token == config.marker:
                targets[row, t] = queue.pop(0)
            elif used and token:
                queue.append(token)
    return targets


def floors(config: SelectiveCopy, length: int) -> dict[str, Floor]:
    """What is reached without order, for k data of V kinds, at every length.

    uniform: 1 / (V + 2). memoryless, any data: 1 / V and ln V, 1 / 14 and 2.639. value_in_context, each by its share
    of the k: accuracy 1 / k + (1 - 1 / k) / V, loss -E[ln(c / k)]. most_frequent_symbol, ties alike: E[max c] / k; no
    loss.

    Args:
      config: the task.
      length: L; the floors do not depend on it.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 3) for name, floor in floors(SelectiveCopy.published(), 4096).items()}
    {'uniform': 0.062, 'memoryless': 0.071, 'value_in_context': 0.129, 'most_frequent_symbol': 0.204}
    """
    share, loss = drawn_share(config.num_copied, config.num_symbols)
    commonest = commonest_share(config.num_copied, config.num_symbols)
    return {
        "uniform": uniform_floor(config.marker + 1),
        "memoryless": Floor(1 / config.num_symbols, math.log(config.num_symbols), partial(_say, config, np.ones_like)),
        "value_in_context": Floor(share, loss, partial(_say, config, as_shares)),
        "most_frequent_symbol": Floor(commonest, None, partial(_say, config, as_commonest)),
    }


def _say(
    config: SelectiveCopy, say: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    """What is said of the counts of a row, at each of its places alike: only the markers ask."""
    answer = counted_answer(say, 1 + np.arange(config.num_symbols), config.marker + 1, inputs, valid)
    return np.broadcast_to(answer[:, None], (*inputs.shape, config.marker + 1))
