"""Sort a string, letters with repetition: bucket sort over 5 letters, and the same over more of them.

    inputs    x1 x2 ... xL | empty x L
    targets    .  . ...  . | smallest ... largest

Counting how often each letter came is enough. The longer the string, the better its sorted form is known before any
letter is read: the task that shows why a score means nothing without its floor.
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.string_task import letters, string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class Sort(TaskConfig):
    """L letters, then L empty places for the same in ascending order: 2 L tokens, scored at the empty places.

    Tokens: letters 0 .. alphabet - 1, uniform and independent, so that they repeat; the empty token `alphabet`. Classes
    are letters. Lengths go from 1. Chance is "position_and_length", the likeliest letter at each place: with 5 letters
    .78 at L = 41 and .94 at L = 500, .90 on average over the lengths on which the source calls .90 solved.

    5 letters are the bucket sort of Deletang et al. (lengths 1 to 40 to train, 41 to 500 to test). 20 are
    tensor2tensor's algorithmic sort problem, as many as its longest test string has letters (lengths 1 to 10 to train,
    up to 20 to test), drawn with replacement, which is its default: distinct letters would bound the length by the
    alphabet, and at that bound the answer would be known unread. The default lengths are the same for both.

    Args:
      alphabet: the number of letters.

    Raises:
      ValueError: `alphabet` is below 2.
    """

    alphabet: int = 5

    def __post_init__(self):
        check_at_least(self, 2, "alphabet")

    def make(self) -> Task:
        """The task of this configuration; 1 to 20 letters are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.alphabet,
            empty=self.alphabet,
            num_tokens=lambda length: 2 * length,  # the letters, then a place for each
            num_answered=lambda num_tokens: num_tokens // 2,
            chance="position_and_length",
            train_lengths=(1, 20),
            test_lengths=(1, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="letters",
            source="Deletang et al. 2023, arXiv 2207.02098"
            if self.alphabet == 5
            else "Vaswani et al. 2018, arXiv 1803.07416: tensor2tensor's algorithmic sort",
        )


def draw(config: Sort, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The letters, and the same sorted."""
    read = letters(key, batch_size, max_length, config.alphabet)
    # Letters beyond the length are made larger than all others, so that they come last, where they are ignored.
    said = jnp.sort(jnp.where(jnp.arange(max_length) < length, read, config.alphabet), axis=1)
    return Strings(read, length, said, length)


def answer(config: Sort, question: list[int]) -> list[int]:
    """Throws the letters into buckets and empties one bucket after the other.

    >>> answer(Sort(), [3, 0, 4, 0])
    [0, 0, 3, 4]
    """
    buckets = np.bincount(question, minlength=config.alphabet)
    return np.repeat(np.arange(config.alphabet), buckets).tolist()


def floors(config: Sort, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest letter at each place of the sorted string, of L letters out of V.

    The y-th smallest letter (y from 0) is at most v where at least y + 1 letters are: with p = (v + 1) / V,
    P(class <= v at y) = sum_{j > y} C(L, j) p^j (1 - p)^(L - j). position_and_length: the mean over y of the largest
    difference of two such neighbours; it has no loss. uniform: 1 / V.

    >>> [round(floors(Sort(), length)["position_and_length"].value, 4) for length in (1, 41, 500)]
    [0.2, 0.7796, 0.9365]
    """
    return {
        "uniform": uniform_floor(config.alphabet),
        "position_and_length": guess_floor(_order_statistics(length, config.alphabet), length),
    }


def _order_statistics(length: int, alphabet: int) -> np.ndarray:
    """[L, V] float64: the probability that the y-th smallest of L uniform letters is v."""
    total = alphabet**length
    choices = [math.comb(length, j) for j in range(length + 1)]
    at_most = np.zeros((length, alphabet + 1))  # column v + 1: that it is at most v
    for v in range(alphabet):
        strings = 0  # in integers, so that the sum is exact: strings with more than y letters up to v
        for j in range(length, 0, -1):
            strings += choices[j] * (v + 1) ** j * (alphabet - v - 1) ** (length - j)
            at_most[j - 1, v + 1] = strings / total
    return np.diff(at_most, axis=1)
