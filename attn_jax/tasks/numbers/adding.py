"""The adding problem: numbers pass by, two of them are marked, and their sum is asked at the last.

    numbers   .3 .7 .1 .9 | .2 .8 .5 .4
    marks      0  1  0  0 |  0  0  1  0        one in each half
    targets    .  .  .  . |  .  .  . 1.2

The classic test of a recurrence that must hold real numbers and leave them alone; attention finds both by their mark.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.make_task import make_task, one_answer
from attn_jax.tasks.sampling import first_places
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class Adding(TaskConfig):
    """L places of two channels, a number u ~ U[0, 1) and a mark; one real answer, the sum of the two marked numbers.

    One mark lies uniformly in each half, the first of floor(L / 2) places, the second of the rest; L >= 2. As in Le et
    al. and Arjovsky et al. the answer is read at the last place of the sequence, which may be the second marked one:
    there is no place of its own for it. (Hochreiter & Schmidhuber draw from [-1, 1], ask for .5 + sum / 4, and put both
    marks into the first half of sequences that vary in length; today's numbers are all for the form above.)

    Chance is the "memoryless" floor, what is best where nothing is held: a little below the 1 / 6 of the papers, which
    is always to say 1, because the last place may be marked.
    """

    def make(self) -> Task:
        """The task of this configuration; 10 to 40 places are trained on, and 100 asked for."""
        return make_task(
            self,
            draw,
            answer,
            floors,
            io=IO(channels=2, out_channels=1),
            num_answered=one_answer,
            lengths={"smallest": 2},
            metric="mse",
            chance="memoryless",
            best=0.0,
            train_lengths=(10, 40),
            test_lengths=(2, 5, 10, 20, 30, 40, 50, 60, 80, 100),
            length_unit="numbers",
            source="Hochreiter & Schmidhuber 1997, as in Le et al. 2015, arXiv 1504.00941",
        )


def draw(config: Adding, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
    """Draws sequences of `length` numbers.

    Reference: Le et al. 2015, arXiv 1504.00941, section 4.1; Arjovsky et al. 2015, arXiv 1511.06464, section 5.
    """
    # One flat draw for numbers and places: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * (max_length + 2),)).reshape(batch_size, -1)
    valid = first_places(batch_size, max_length, length)
    numbers = jnp.where(valid, drawn[:, 2:], 0)
    half = length // 2
    first = (drawn[:, :1] * half).astype(jnp.int32)
    second = half + (drawn[:, 1:2] * (length - half)).astype(jnp.int32)
    place = jnp.arange(max_length)
    marked = (place == first) | (place == second)
    scored = jnp.broadcast_to(place == length - 1, valid.shape)
    total = jnp.sum(jnp.where(marked, numbers, 0), axis=1, keepdims=True)
    inputs = jnp.stack([numbers, marked.astype(jnp.float32)], axis=-1)
    return Batch.of(inputs, total[..., None], scored, valid)


def answer(config: Adding, tokens: list[list[float]]) -> list[float]:
    """Picks the two marked numbers and adds them in Python; the answer stands at the last place.

    >>> answer(Adding(), [[0.25, 1], [0.5, 0], [0.5, 1]])
    [0.0, 0.0, 0.75]
    """
    marked = [number for number, mark in tokens if mark == 1]
    return [0.0] * (len(tokens) - 1) + [sum(marked)] if len(marked) == 2 else []


def floors(config: Adding, length: int) -> dict[str, Floor]:
    """What is reached by knowing less than both numbers; a number that is not known adds its variance 1 / 12.

    best_constant: always 1, 2 / 12 = 1 / 6. memoryless: the number at the last place is known where it is marked, which
    it is once in ceil(L / 2): (2 - 1 / ceil(L / 2)) / 12. first_number: it and 1 / 2, 1 / 12. Loss and metric are one.

    >>> {name: round(floor.value, 4) for name, floor in floors(Adding(), 40).items()}
    {'best_constant': 0.1667, 'memoryless': 0.1625, 'first_number': 0.0833}

    Reference: Arjovsky et al. 2015, arXiv 1511.06464, section 5 (.167).
    """
    unknown = {"best_constant": 2.0, "memoryless": 2 - 1 / (length - length // 2), "first_number": 1.0}
    predict = {"best_constant": _best_constant, "memoryless": _memoryless, "first_number": _first_number}
    return {name: Floor(numbers / 12, numbers / 12, predict[name]) for name, numbers in unknown.items()}


def _best_constant(inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Always 1, [B, T, 1]."""
    return np.ones((*valid.shape, 1))


def _memoryless(inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """1 / 2 and, where the place itself is marked, its number; else 1."""
    return np.where(inputs[..., 1:] == 1, 0.5 + inputs[..., :1], 1.0)


def _first_number(inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """1 / 2 and the first marked number, at every place."""
    first = np.take_along_axis(inputs[..., 0], inputs[..., 1].argmax(axis=1, keepdims=True), axis=1)
    return np.broadcast_to(0.5 + first[..., None], (*valid.shape, 1))
