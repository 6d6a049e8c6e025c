"""Copy memory: a few letters, a long silence, a signal, and the letters must be said again.

    inputs    a1 ... a10 | blank x (T - 1) | signal | blank x 10
    targets   blank x 10 | blank x (T - 1) | blank  | a1 ... a10

The classic test of how long a recurrence can hold what it read: nothing in the silence helps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, commonest_share, counted_answer
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.string_task import letters
from attn_jax.tasks.strings import Strings, strings_batch
from attn_jax.types import IO, Array, Batch, Key


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

    `strings` gives everything up to the signal as source and the letters as target.

    Args:
      num_letters: how many letters there are.
      num_copied: how many are to be held.

    Raises:
      ValueError: `num_letters` is below 2 or `num_copied` below 1.
    """

    num_letters: int = 8
    num_copied: int = 10

    def __post_init__(self):
        check_at_least(self, 2, "num_letters")
        check_at_least(self, 1, "num_copied")

    def make(self) -> Task:
        """The task of this configuration; a delay of 30 is trained on."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_letters + 1, vocab_size=self.num_letters + 2),
            num_tokens=lambda length: length + 2 * self.num_copied,
            strings=strings,
            bos=self.num_letters + 2,
            chance="memoryless",
            train_lengths=(30, 30),
            test_lengths=(10, 20, 30, 40, 60, 100),
            length_unit="steps of delay",
            source="Hochreiter & Schmidhuber 1997; Arjovsky et al. 2015, arXiv 1511.06464",
            loss_places="all",
        )


def draw(config: CopyMemory, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Letters, blanks and the signal; the targets are blanks, then the letters, and all of them are trained."""
    asked = strings(config, key, batch_size, length, max_length)
    num_places, blank = max_length + 2 * config.num_copied, config.num_letters
    batch = strings_batch(asked, num_places, config.num_copied, empty=blank)
    targets = jnp.where(batch.scored, batch.targets, blank)
    return Batch.of(batch.inputs, targets, batch.scored, batch.valid, trained=batch.valid)


def strings(config: CopyMemory, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Everything up to the signal, and the letters."""
    read = letters(key, batch_size, config.num_copied, config.num_letters)
    tape = jnp.pad(read, ((0, 0), (0, max_length)), constant_values=config.num_letters)
    is_signal = jnp.arange(tape.shape[1]) == length + config.num_copied - 1
    question = jnp.where(is_signal, config.num_letters + 1, tape)
    return Strings(question, length + config.num_copied, read, config.num_copied)


def answer(config: CopyMemory, tokens: list[int]) -> list[int]:
    """Reads the tape after the signal: the i-th place after it holds the i-th token of the sequence.

    >>> answer(CopyMemory(8, 2), [5, 6, 8, 9, 8, 8])
    [8, 8, 8, 8, 5, 6]
    """
    signal = config.num_letters + 1
    asked = len(tokens) - 1 - tokens.index(signal) if signal in tokens else 0
    return [config.num_letters] * (len(tokens) - asked) + tokens[:asked]


def floors(config: CopyMemory, length: int) -> dict[str, Floor]:
    """What is reached without order: all but uniform say blanks until the signal has come, then a letter.

    memoryless: accuracy 1 / num_letters at the answers; loss num_copied ln(num_letters) / (length + 2 num_copied) a
    place: .2971 at a delay of 50, .1733 at 100, .0945 at 200. most_frequent_letter, of those read, ties alike:
    E[max c] / num_copied, .302 for 10 of 8; no loss. uniform: all num_letters + 1 classes alike everywhere.

    >>> round(floors(CopyMemory(), 50)["memoryless"].loss, 4)
    0.2971
    >>> {name: round(floor.value, 3) for name, floor in floors(CopyMemory(), 50).items()}
    {'uniform': 0.111, 'memoryless': 0.125, 'most_frequent_letter': 0.302}
    """
    loss = config.num_copied * math.log(config.num_letters) / (length + 2 * config.num_copied)
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
