"""Offsets: at every place, the letters that stood so many places back, all of them at once.

    inputs                a  b  c  d  e  f  g  h  i  j ...
    targets               .  .  .  .  .  .  .  .  1  2 ...     offsets 1, 3, 5, 8: 1 is (h, f, d, a), 2 is (i, g, e, b)

Each offset is a look-up of its own and the answer needs all of them, so that a head, which takes one weighted mean of
values, serves one and cannot serve many. With one offset, of as many classes, nothing is asked of several heads.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.counts import as_commonest, at_most, counted_so_far
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places
from attn_jax.tasks.string_task import letters
from attn_jax.types import IO, Array, Batch, Key

_MOST_CLASSES = 4096


@dataclass(frozen=True)
class Offsets(TaskConfig):
    """Uniform letters 0 .. V - 1; the class at place t has the letters `offsets` back as its digits to base V.

    The first offset is the lowest digit: sum_i V^i letter(t - offsets[i]). Places are asked from the furthest offset
    on, from where on all of them exist; `length` counts the places that are asked. All letters are independent, so that
    who knows j of the k is right in 1 / V^(k - j).

    Order matters: letters are told apart by their offsets, and their mean under equal weights does not tell the answer.
    A sum of them would be read from one head of equal weights.

    Chance is "uniform" whatever V is, so that one scale fits all of `of_sixteen`. It is not the strongest:
    "most_frequent_letter" is where a model rests that has lost the places. Read no score below as looking up.

    Args:
      offsets: how many places back, ascending, each from 1 on.
      num_letters: V.

    Raises:
      ValueError: `num_letters` is below 2, `offsets` are not ascending from 1 on, or there are more than 4,096 classes.
    """

    offsets: tuple[int, ...] = (1, 3, 5, 8)
    num_letters: int = 2

    def __post_init__(self):
        check_at_least(self, 2, "num_letters")
        if not self.offsets or min(self.offsets) < 1 or list(self.offsets) != sorted(set(self.offsets)):
            raise ValueError(f"Offsets: offsets are {self.offsets}, wanted ascending ones, each at least 1")
        if self.num_classes > _MOST_CLASSES:
            raise ValueError(
                f"Offsets: num_letters ** len(offsets) is {self.num_classes}, wanted at most {_MOST_CLASSES} classes"
            )

    @classmethod
    def of_sixteen(cls, look_ups: Literal[1, 2, 4]) -> "Offsets":
        """Sixteen classes by 1, 2 or 4 look-ups, all of the same reach: of 16 letters (the control), 4, or 2.

        >>> Offsets.of_sixteen(2)
        Offsets(offsets=(3, 8), num_letters=4)
        """
        offsets = {1: (8,), 2: (3, 8), 4: (1, 3, 5, 8)}
        if look_ups not in offsets:
            raise ValueError(f"Offsets: look_ups is {look_ups}, wanted one of 1, 2, 4")
        return cls(offsets[look_ups], round(16 ** (1 / look_ups)))

    @property
    def num_classes(self) -> int:
        """V^k."""
        return self.num_letters ** len(self.offsets)

    @property
    def reach(self) -> int:
        """The furthest offset: so many letters come before the first answer."""
        return self.offsets[-1]

    def make(self) -> Task:
        """The task of this configuration; 16 answers are trained on, and 64 asked for."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(num_classes=self.num_classes, vocab_size=self.num_letters),
            num_tokens=lambda length: length + self.reach,
            num_answered=lambda num_tokens: num_tokens - self.reach,
            chance="uniform",
            train_lengths=(16, 16),
            test_lengths=(4, 8, 16, 24, 32, 64),
            length_unit="answers",
            source="this package; why one head is too few: Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2",
        )


def draw(config: Offsets, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws the letters; those in use are the first `length` and the reach."""
    num_places = max_length + config.reach
    inputs = letters(key, batch_size, num_places, config.num_letters)
    # what comes round at the row's beginning is not asked for
    digits = (jnp.roll(inputs, offset, axis=1) * config.num_letters**i for i, offset in enumerate(config.offsets))
    valid = first_places(batch_size, num_places, length + config.reach)
    scored = valid & (jnp.arange(num_places) >= config.reach)
    return Batch.of(inputs, sum(digits, jnp.zeros_like(inputs)), scored, valid, trained=scored)


def answer(config: Offsets, tokens: list[int]) -> list[int]:
    """Reads the letters behind each place as a numeral, from the furthest on, which is the highest digit.

    >>> answer(Offsets((1, 3)), [1, 0, 0, 1, 1])
    [0, 0, 0, 2, 1]
    """
    said = [0] * min(config.reach, len(tokens))
    for place in range(config.reach, len(tokens)):
        value = 0
        for offset in config.offsets[::-1]:
            value = value * config.num_letters + tokens[place - offset]
        said.append(value)
    return said


def floors(config: Offsets, length: int) -> dict[str, Floor]:
    """What is reached by fewer look-ups than are asked for, and by none.

    look_ups_j knows the letters of the first j offsets: accuracy 1 / V^(k - j), loss (k - j) ln V; "uniform" knows
    none. most_frequent_letter says the commonest letter so far k times, ties alike; no loss. Where m of n letters are
    it, those at k places are all it with probability (m)_k / (n)_k: the mean of E[(m)_k] / (n)_k over the places.

    >>> {name: round(floor.value, 4) for name, floor in floors(Offsets(), 16).items()}
    {'uniform': 0.0625, 'most_frequent_letter': 0.1093, 'look_ups_1': 0.125, 'look_ups_2': 0.25, 'look_ups_3': 0.5}
    """
    k = len(config.offsets)
    read = range(config.reach + 1, config.reach + 1 + length)
    commonest = sum(_commonest_k_times(n, config.num_letters, k) for n in read) / length
    return {
        "uniform": uniform_floor(config.num_classes),
        "most_frequent_letter": Floor(commonest, None, partial(_say_commonest, config)),
    } | {f"look_ups_{j}": _knowing(config, j) for j in range(1, k)}


def _knowing(config: Offsets, known: int) -> Floor:
    """The floor of who looks up the first offsets, and takes the other letters to be all alike."""
    unknown = len(config.offsets) - known
    return Floor(
        config.num_letters**-unknown, unknown * float(np.log(config.num_letters)), partial(_say_known, config, known)
    )


def _say_known(config: Offsets, known: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """All classes alike that have the letters of the first offsets, [B, T, C]; before the row began stands letter 0."""
    low = np.zeros_like(inputs)
    for i, offset in enumerate(config.offsets[:known]):
        low[:, offset:] += inputs[:, :-offset] * config.num_letters**i
    agrees = np.arange(config.num_classes) % config.num_letters**known == low[..., None]
    return agrees / config.num_letters ** (len(config.offsets) - known)


def _say_commonest(config: Offsets, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The commonest letter up to each place as every digit, ties alike, [B, T, C]."""
    values = np.arange(config.num_letters)
    said = np.zeros((*inputs.shape, config.num_classes))
    alike = values * sum(config.num_letters**i for i in range(len(config.offsets)))
    said[..., alike] = counted_so_far(as_commonest, values, inputs, valid)
    return said


@cache
def _commonest_k_times(num_draws: int, num_values: int, k: int) -> float:
    """E[(m)_k] / (n)_k for the largest count m of n uniform draws, where (n)_k = n (n - 1) ... (n - k + 1)."""
    below = [at_most(num_draws, num_values, count) for count in range(num_draws + 1)]
    masses = np.diff(below, prepend=0.0)
    shares = [np.prod([max(count - i, 0) / (num_draws - i) for i in range(k)]) for count in range(num_draws + 1)]
    return float(masses @ shares)
