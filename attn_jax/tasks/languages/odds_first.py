"""Odds first: every other letter from the second on, then the ones that were left out.

    inputs    x0 x1 ... x(L-1) | empty x L
    targets    .  . ...     .  | x1 x3 x5 ... x0 x2 x4 ...

Odd are places counted from 0, as the published code has it (`[1::2]`, then `[::2]`), from which the published scores
come. Its docstring and its paper count from 1: there s1 s3 s5 ... come first.

A fixed rearrangement: where a letter goes depends on its place and on the length alone, never on the letters.
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
class OddsFirst(TaskConfig):
    """L letters, then L empty places for x1 x3 ... x0 x2 ...: 2 L tokens, scored at the empty places.

    Places are counted from 0, as the code of Deletang et al. does; their text counts from 1, which is the other half
    first.

    Tokens: letters 0 .. alphabet - 1, the empty token `alphabet`; classes are letters.

    Chance is "most_frequent_letter", the plateau of a model that knows how often each letter was read but not where:
    E[max c] / L, for two letters .688 at L = 5, .588 at 20 and .528 over 41 .. 500, where published scores lie that are
    called unsolved. A guess, "uniform", is 1 / alphabet whatever the place and the length. At L = 1 the plateau is the
    answer, so lengths start at 2, where it is a swap.

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
        """The task of this configuration; 2 to 20 letters are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.alphabet,
            empty=self.alphabet,
            num_tokens=lambda length: 2 * length,  # the letters, then a place for each
            num_answered=lambda num_tokens: num_tokens // 2,
            lengths={"smallest": 2},
            chance="most_frequent_letter",
            train_lengths=(2, 20),
            test_lengths=(2, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="letters",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: OddsFirst, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The letters, and those that answer place y takes: 1 3 5 ... 0 2 4 ..., counted from 0."""
    read = letters(key, batch_size, max_length, config.alphabet)
    place = jnp.arange(max_length)
    num_odds = length // 2
    taken = jnp.where(place < num_odds, 2 * place + 1, 2 * (place - num_odds))
    return Strings(read, length, jnp.take(read, taken, axis=1, mode="clip"), length)


def answer(config: OddsFirst, question: list[int]) -> list[int]:
    """Deals the letters onto two piles in turn and puts the second before the first.

    >>> answer(OddsFirst(4), [0, 1, 2, 3])
    [1, 3, 0, 2]
    """
    piles: tuple[list[int], list[int]] = ([], [])
    for turn, letter in enumerate(question):
        piles[turn % 2].append(letter)
    return piles[1] + piles[0]


def floors(config: OddsFirst, length: int) -> dict[str, Floor]:
    """A guess, and the letter that was read most often: every letter is uniform at every place.

    uniform: 1 / alphabet, and place and length add nothing to it. most_frequent_letter, ties alike: E[max c] / L, c_v
    of the L letters v; no loss.

    >>> {name: round(floor.value, 4) for name, floor in floors(OddsFirst(), 5).items()}
    {'uniform': 0.5, 'most_frequent_letter': 0.6875}
    """
    return {"uniform": uniform_floor(config.alphabet), "most_frequent_letter": commonest_floor(length, config.alphabet)}
