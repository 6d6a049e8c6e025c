"""Duplicate a string: say it twice.

    inputs    x1 x2 ... xL | empty x 2 L
    targets    .  . ...  . | x1 x2 ... xL x1 x2 ... xL

The answer is longer than what was read, so that a memory which gives each letter up as it says it fails halfway.
"""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import commonest_floor
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.string_task import letters, string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class Duplicate(TaskConfig):
    """L letters, then 2 L empty places for the string and the string again: 3 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters.

    Chance is "most_frequent_letter", the plateau of a model that knows how often each letter was read but not where:
    E[max c] / L, for two letters .688 at L = 5, .588 at 20 and .528 over 41 .. 500, where published scores lie that are
    called unsolved. A guess, "uniform", is 1 / alphabet whatever the place and the length. At L = 1 the plateau is the
    answer, so lengths start at 2.

    Deletang et al. have two letters, lengths 1 to 40 to train and 41 to 500 to test; the default lengths are shorter.

    Args:
      alphabet: the number of letters.

    Raises:
      ValueError: `alphabet` is below 2.
    """

    alphabet: int = 2

    def __post_init__(self):
        check_at_least(self, 2, "alphabet")

    def make(self) -> Task:
        """The task of this configuration; 2 to 13 letters are trained on, and 33 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.alphabet,
            empty=self.alphabet,
            num_tokens=lambda length: 3 * length,  # the letters, then two places for each
            num_answered=lambda num_tokens: 2 * num_tokens // 3,
            lengths={"smallest": 2},
            chance="most_frequent_letter",
            train_lengths=(2, 13),
            test_lengths=(2, 4, 7, 10, 13, 17, 20, 27, 33),
            length_unit="letters",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: Duplicate, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The letters, and the letters twice: answer place y holds letter y mod L."""
    read = letters(key, batch_size, max_length, config.alphabet)
    return Strings(read, length, read[:, jnp.arange(2 * max_length) % length], 2 * length)


def answer(config: Duplicate, question: list[int]) -> list[int]:
    """Joins the list to itself.

    >>> answer(Duplicate(), [1, 0])
    [1, 0, 1, 0]
    """
    return question + question


def floors(config: Duplicate, length: int) -> dict[str, Floor]:
    """A guess, and the letter that was read most often: every letter is uniform at every place.

    uniform: 1 / alphabet, and place and length add nothing to it. most_frequent_letter, ties alike: E[max c] / L, c_v
    of the L letters v; no loss.

    >>> {name: round(floor.value, 4) for name, floor in floors(Duplicate(), 5).items()}
    {'uniform': 0.5, 'most_frequent_letter': 0.6875}
    """
    return {"uniform": uniform_floor(config.alphabet), "most_frequent_letter": commonest_floor(length, config.alphabet)}
