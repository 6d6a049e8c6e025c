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

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, commonest_share, counted_answer, drawn_share
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import check_train_lengths
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


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
        check_at_least(self, 2, "num_copied", "num_symbols")
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
        """The task of this configuration; 32 places are trained on, and 96 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.marker + 1,
            empty=self.marker,
            num_tokens=lambda length: length + self.num_copied,
            num_answered=lambda _: self.num_copied,
            lengths={"smallest": self.num_copied},
            chance="most_frequent_symbol",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="places",
            source="Gu & Dao 2023, arXiv 2312.00752; Jing et al. 2019, arXiv 1706.02761",
        )


def draw(config: SelectiveCopy, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The data among blanks, and the data."""
    sizes = (max_length, config.num_copied)
    drawn = jax.random.uniform(key, (batch_size * sum(sizes),)).reshape(batch_size, -1)
    for_places, for_data = jnp.split(drawn, sizes[:1], axis=1)
    # The places of the largest numbers are a uniform choice; top_k of float32 is the fast one on a CPU.
    in_context = jnp.arange(max_length) < length
    places = jnp.sort(jax.lax.top_k(jnp.where(in_context, for_places, -1.0), config.num_copied)[1], axis=1)
    data = 1 + (for_data * config.num_symbols).astype(jnp.int32)
    row = jnp.arange(batch_size)[:, None]
    context = jnp.zeros((batch_size, max_length), jnp.int32).at[row, places].set(data)
    return Strings(context, length, data, config.num_copied)


def answer(config: SelectiveCopy, question: list[int]) -> list[int]:
    """Keeps what is no blank.

    >>> answer(SelectiveCopy(num_copied=2), [0, 7, 3, 0])
    [7, 3]
    """
    return [token for token in question if token]


def floors(config: SelectiveCopy, length: int) -> dict[str, Floor]:
    """What is reached without order, for k data of V kinds, at every length.

    uniform: 1 / (V + 2). memoryless, any data: 1 / V and ln V, 1 / 14 and 2.639. value_in_context, each by its share
    of the k: accuracy 1 / k + (1 - 1 / k) / V, loss -E[ln(c / k)]. most_frequent_symbol, ties alike: E[max c] / k; no
    loss.

    >>> {name: round(floor.value, 3) for name, floor in floors(SelectiveCopy.published(), 4096).items()}
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
