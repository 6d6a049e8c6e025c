"""MAD's selective copying: a few letters among many blanks, to be said again in order after a signal.

    inputs     . a1 .  . a2 a3 .  .  . ak signal |  .  .  ... .      (. blank)
    targets                                      | a1 a2  ... ak

`selective_copy` with another layout: the letters are spread by gaps, and the answers are read at blanks.
MAD has six tasks; the sixth, compression, is a bottleneck in the model and no task of its own, and is left out here.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, as_shares, commonest_share, counted_answer, drawn_share
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class MADSelectiveCopy(TaskConfig):
    """L tokens: k letters and L - 2k - 1 blanks, the signal, then k blanks at which alone the letters are asked.

    Tokens: letters 0 .. num_letters - 1, which are the classes, the blank num_letters and the signal after it. Letters
    are uniform. As in the source every blank chooses one of the k gaps before the letters, uniformly, so that the last
    letter stands before the signal; Mamba's `selective_copy` takes a uniform choice of places instead.

    The source trains on 12,800 fixed examples; here they are fresh by key. All letters are asked equally often, so that
    the source's average of accuracy over classes and the plain one agree in expectation. Lengths start at 2k + 2, one
    blank. Chance is "most_frequent_letter", where a model rests that holds the letters but not their order.

    Args:
      num_copied: k.
      num_letters: how many letters there are; with blank and signal the published vocabulary of 16.
      train_lengths: the shortest and the longest L trained on by default.
      test_lengths: the L asked for by default.

    Raises:
      ValueError: `num_copied` or `num_letters` is below 2.
    """

    num_copied: int = 6
    num_letters: int = 14
    train_lengths: tuple[int, int] = (40, 40)
    test_lengths: tuple[int, ...] = (16, 24, 32, 40, 64, 100)

    def __post_init__(self):
        check_at_least(self, 2, "num_copied", "num_letters")

    @classmethod
    def published(cls) -> "MADSelectiveCopy":
        """L = 256, k = 16; Poli et al. 2024. Transformer 99.6, Mamba 86.3, DeltaNet 100 %.

        >>> MADSelectiveCopy.published().num_copied
        16
        """
        return cls(num_copied=16, train_lengths=(256, 256), test_lengths=(256,))

    @property
    def smallest(self) -> int:
        """The shortest sequence with a blank among its letters."""
        return 2 * self.num_copied + 2

    def make(self) -> Task:
        """The task of this configuration; 40 tokens are trained on, and 100 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.num_letters,
            empty=self.num_letters,
            signal=self.num_letters + 1,
            num_tokens=lambda length: length,  # answers included
            num_answered=lambda _: self.num_copied,
            lengths={"smallest": self.smallest},
            chance="most_frequent_letter",
            train_lengths=self.train_lengths,
            test_lengths=self.test_lengths,
            length_unit="tokens",
            source="Poli et al. 2024, arXiv 2403.17844",
        )


def draw(config: MADSelectiveCopy, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Letters among blanks, and the signal; the i-th letter stands after the i before it and the blanks before it."""
    num_copied, num_blanks = config.num_copied, max_length - 2 * config.num_copied - 1
    shape = (batch_size * (num_copied + num_blanks),)
    drawn = jax.random.uniform(key, shape).reshape(batch_size, -1)
    letters = (drawn[:, :num_copied] * config.num_letters).astype(jnp.int32)
    gaps = jnp.floor(drawn[:, num_copied:] * num_copied)
    gaps = jnp.where(jnp.arange(num_blanks) < length - 2 * num_copied - 1, gaps, num_copied)
    letter = jnp.arange(num_copied)
    places = letter + (gaps[:, :, None] <= letter).sum(axis=1)
    row = jnp.arange(batch_size)[:, None]
    question = (
        jnp.full((batch_size, max_length - num_copied), config.num_letters, jnp.int32).at[row, places].set(letters)
    )
    is_signal = jnp.arange(max_length - num_copied) == length - num_copied - 1
    question = jnp.where(is_signal, config.num_letters + 1, question)
    return Strings(question, length - num_copied, letters, num_copied)


def answer(config: MADSelectiveCopy, question: list[int]) -> list[int]:
    """Keeps what is neither blank nor signal.

    >>> answer(MADSelectiveCopy(2, 3), [3, 1, 3, 2, 4])
    [1, 2]
    """
    return [token for token in question if token < config.num_letters]


def floors(config: MADSelectiveCopy, length: int) -> dict[str, Floor]:
    """What is reached without order, for k letters of V kinds, at every length.

    uniform: 1 / V, ln V: 1 / 14 and 2.639. value_in_context, each letter by its share of the k: accuracy
    1 / k + (1 - 1 / k) / V, loss -E[ln(c / k)]. most_frequent_letter, ties alike: E[max c] / k; no loss, for the others
    get no mass.

    >>> {name: round(floor.value, 3) for name, floor in floors(MADSelectiveCopy.published(), 256).items()}
    {'uniform': 0.071, 'value_in_context': 0.129, 'most_frequent_letter': 0.204}
    """
    share, loss = drawn_share(config.num_copied, config.num_letters)
    commonest = commonest_share(config.num_copied, config.num_letters)
    return {
        "uniform": uniform_floor(config.num_letters),
        "value_in_context": Floor(share, loss, partial(_say, config, as_shares)),
        "most_frequent_letter": Floor(commonest, None, partial(_say, config, as_commonest)),
    }


def _say(config: MADSelectiveCopy, say, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What is said of the letters of a row, at each of its places alike: none is asked for before all are read."""
    answer = counted_answer(say, np.arange(config.num_letters), config.num_letters, inputs, valid)
    return np.broadcast_to(answer[:, None], (*inputs.shape, config.num_letters))
