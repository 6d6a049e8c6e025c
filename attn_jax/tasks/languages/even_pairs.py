"""Even pairs: is the number of changes in a string of bits even or odd, asked once at the end.

    inputs   x1 x2 ... xL empty
    targets   .  .      .  (changes from one bit to the next) mod 2 = [x1 != xL]

The negative control: it sounds like parity, but two bits decide it, and models of every kind learn it.
"""

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import letters, string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class EvenPairs(TaskConfig):
    """The number of pairs 01 and 10 in L bits, modulo 2: two classes.

    The bits, then one empty token 2 at which alone the answer is asked and trained; L + 1 tokens. The answer is 1
    where the first bit differs from the last. It is a coin to whoever lacks either bit, so chance is "uniform". At
    L = 1 it is always 0 and nothing is left to score, so lengths start at 2; the source trains on 1 to 40.
    """

    def make(self) -> Task:
        """The task of this configuration; 2 to 20 bits are trained on, and 100 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=2,
            empty=2,
            num_tokens=lambda length: length + 1,  # the bits and the answer's place
            num_answered=one_answer,
            strings=False,
            lengths={"smallest": 2},
            chance="uniform",
            train_lengths=(2, 20),
            test_lengths=(2, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="bits",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: EvenPairs, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws sequences of `length` uniform bits."""
    bits = letters(key, batch_size, max_length, 2)
    last = jax.lax.dynamic_slice_in_dim(bits, length - 1, 1, axis=1)
    differ = (bits[:, :1] != last).astype(jnp.int32)
    return Strings(bits, length, differ, 1)


def answer(config: EvenPairs, question: list[int]) -> list[int]:
    """Counts the changes, as the name of the task says.

    >>> answer(EvenPairs(), [0, 0, 1, 0, 1]), answer(EvenPairs(), [0, 0, 1, 1, 0])
    ([1], [0])
    """
    return [sum(a != b for a, b in pairwise(question)) % 2]


def floors(config: EvenPairs, length: int) -> dict[str, Floor]:
    """A coin: accuracy 1 / 2, loss ln 2; length, place and all bits but one say no more.

    >>> floors(EvenPairs(), 20)["uniform"].value
    0.5
    """
    return {"uniform": uniform_floor(2)}
