"""Missing duplicate: a string of bits, the same again, one bit of both hidden, and the hidden bit is asked at the end.

    inputs   w1 w2 w3 w1 ? w3 empty
    targets   .  .  .  . .  .  w2

Attention looks up the other copy; a recurrence can hold the first copy, or see that the ones of both must be even.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_HIDDEN = 2


@dataclass(frozen=True)
class MissingDuplicate(TaskConfig):
    """The hidden bit of ww, w of L / 2 uniform bits: two classes.

    One uniform place of ww holds the token 2 instead of its bit; last comes one empty token 3 at which alone the
    answer is asked and trained; L + 1 tokens, L even. The source fills an odd length with a 3; here it is refused.

    Length and place leave a coin. Counting does not: the other copy of the hidden bit is among the L - 1 bits seen, so
    the bit seen more often is right .6367 of the time at L = 18 (.5 where L / 2 is even: a majority then says nothing),
    and .5197 on average over the source's test lengths, 41 to 500. Chance is this "majority_bit". At L = 2 it is
    perfect, so lengths start at 4. Beware of reading the task as a comparison of strings: the ones of ww are even in
    number, so the parity of those that are seen is the answer too.
    """

    def make(self) -> Task:
        """The task of this configuration; strings of 2 to 10 bits are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=2,
            empty=3,
            num_tokens=lambda length: length + 1,  # both copies and the answer's place
            num_answered=one_answer,
            strings=False,
            lengths={"smallest": 4, "step": 2},
            chance="majority_bit",
            train_lengths=(4, 20),
            test_lengths=(4, 6, 10, 20, 30, 40, 60, 80, 100),
            length_unit="bits",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: MissingDuplicate, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws doubled strings of `length` bits in all."""
    numbers = jax.random.uniform(key, (batch_size, max_length // 2 + 1))
    half, place = length // 2, jnp.arange(max_length)
    doubled = jnp.take((numbers[:, :-1] < 0.5).astype(jnp.int32), place % half, axis=1)
    hidden = (numbers[:, -1:] * length).astype(jnp.int32)
    answer = jnp.take_along_axis(doubled, hidden, axis=1)
    question = jnp.where(place == hidden, _HIDDEN, doubled)
    return Strings(question, length, answer, 1)


def answer(config: MissingDuplicate, question: list[int]) -> list[int]:
    """Lays one half over the other: where one says nothing, the other speaks.

    >>> answer(MissingDuplicate(), [0, 1, 1, 0, 2, 1])
    [1]
    """
    half = len(question) // 2
    (seen,) = ({a, b} - {_HIDDEN} for a, b in zip(question[:half], question[half:], strict=True) if _HIDDEN in (a, b))
    return [seen.pop()]


def floors(config: MissingDuplicate, length: int) -> dict[str, Floor]:
    """A coin, and the bit that is seen more often.

    uniform: accuracy 1 / 2, loss ln 2. majority_bit: of the h - 1 other bits of w, h = L / 2, s equal the hidden one,
    s ~ Binomial(h - 1, 1/2), so that 1 + 2s of the 2h - 1 bits seen do: accuracy P(1 + 2s >= h); no loss.

    >>> {length: floors(MissingDuplicate(), length)["majority_bit"].value for length in (4, 6, 8, 10)}
    {4: 0.5, 6: 0.75, 8: 0.5, 10: 0.6875}
    """
    others = length // 2 - 1
    ways = sum(math.comb(others, same) for same in range(others + 1) if 1 + 2 * same > others)
    return {"uniform": uniform_floor(2), "majority_bit": Floor(ways / 2**others, None, _majority_bit)}


def _majority_bit(inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The bit read more often so far, ties alike."""
    counts = np.cumsum((inputs[..., None] == np.arange(2)) & valid[..., None], axis=1)
    most = counts == counts.max(axis=-1, keepdims=True)
    return most / most.sum(axis=-1, keepdims=True)
