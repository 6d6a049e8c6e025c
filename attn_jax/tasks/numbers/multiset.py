"""Multiset equality: do two halves hold the same symbols, each as often?

    inputs    c a b a a | a a c b a empty         inputs    c a b a a | a d c c a empty
    targets   . . . . . . . . . . .   1           targets   . . . . . . . . . . .   0

An order-free control: any permutation of either half has the same answer, so that positions should not matter.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from math import comb

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class Multiset(TaskConfig):
    """Two halves of L symbols below V with the separator V between and the empty token V + 1 after: 2 L + 2 tokens.

    Asked once, at the empty token: class 1 where the halves are permutations of one another, else 0; half of the
    sequences each. There is no standard way to draw unequal halves (independent ones are told apart by any rough
    count), so here is ours. Of a uniform sequence A a twin B is made: its first two symbols (a, b) become
    (a', a + b - a' mod V), a' uniform over all symbols but a and b. A and B are never the same multiset, differ in two
    symbols, and have the same sum modulo V. Equal halves are (A, A) or (B, B), unequal ones (A, B) or (B, A), each
    equally often, and then each half is shuffled. It follows that

    - each half alone has the same distribution under both answers;
    - the sum of all symbols modulo V, and so its parity where V is even, says nothing;
    - places say nothing, and neither does the length.

    The parity of a single symbol's count is a partial clue that needs both halves: over both together it is even where
    they are equal, and may be odd where they are not. In one half it says nothing.

    What does help is to see which symbols occur at all: "same_set" answers 1 where both halves hold the same set. It
    is chance, the plateau of a model that does not count: .770 at L = 8, .530 at 16 with four symbols. Below L = 5 it
    can be perfect, so lengths start there; those trained on by default start at 8, where there is more left to gain.

    Args:
      num_symbols: V.

    Raises:
      ValueError: `num_symbols` is below 3: two symbols have no such twin.
    """

    num_symbols: int = 4

    def __post_init__(self):
        check_at_least(self, 3, "num_symbols")

    def make(self) -> Task:
        """The task of this configuration; halves of 8 to 16 symbols are trained on, and 48 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=2,
            empty=self.num_symbols + 1,
            num_tokens=lambda length: 2 * length + 2,  # two halves, the separator and the answer's place
            num_answered=one_answer,
            strings=False,
            lengths={"smallest": 5},
            chance="same_set",
            train_lengths=(8, 16),
            test_lengths=(8, 12, 16, 24, 32, 48),
            length_unit="symbols a half",
            source="multiset equality, unequal halves drawn as described",
        )


def draw(config: Multiset, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws two halves of `length` symbols."""
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size * (3 + 3 * max_length),)).reshape(batch_size, -1)
    for_coins, for_twin, for_symbols, for_orders = jnp.split(drawn, (2, 3, 3 + max_length), axis=1)
    symbols = (for_symbols * config.num_symbols).astype(jnp.int32)
    twin = _twin(config.num_symbols, symbols, for_twin[:, 0])
    equal, first_is_twin = for_coins[:, :1] < 0.5, for_coins[:, 1:] < 0.5
    halves = [
        jnp.where(first_is_twin, twin, symbols),
        jnp.where(first_is_twin == equal, twin, symbols),
    ]
    first, second = (
        _shuffled(half, numbers, length) for half, numbers in zip(halves, jnp.split(for_orders, 2, axis=1), strict=True)
    )
    room = jnp.pad(first, ((0, 0), (0, max_length + 1)))
    # The second half starts at L + 1 <= max_length + 1, so the slice always fits and is never clamped.
    both = jax.lax.dynamic_update_slice_in_dim(room, second, length + 1, axis=1)
    question = jnp.where(jnp.arange(both.shape[1]) == length, config.num_symbols, both)
    return Strings(question, 2 * length + 1, equal.astype(jnp.int32), 1)


def _twin(num_symbols: int, symbols: Array, numbers: Array) -> Array:
    """`symbols` [B, L] with the first two, a and b, replaced by a' and a + b - a', a' neither a nor b."""
    a, b = symbols[:, 0], symbols[:, 1]
    low, high = jnp.minimum(a, b), jnp.maximum(a, b)
    other = (numbers * (num_symbols - 1 - (low < high))).astype(jnp.int32)
    other = other + (other >= low)
    other = other + ((other >= high) & (low < high))
    return symbols.at[:, 0].set(other).at[:, 1].set((a + b - other) % num_symbols)


def _shuffled(half: Array, numbers: Array, length: int | Array) -> Array:
    """`half` [B, max_length] with its first `length` symbols in random order."""
    # top_k of float32 is several times as fast as argsort on a CPU.
    order = jax.lax.top_k(jnp.where(jnp.arange(half.shape[1]) < length, numbers, -1.0), half.shape[1])[1]
    return jnp.take_along_axis(half, order, axis=1)


def answer(config: Multiset, question: list[int]) -> list[int]:
    """Sorts both halves, and compares them.

    >>> answer(Multiset(3), [2, 0, 1, 3, 1, 2, 0]), answer(Multiset(3), [2, 0, 1, 3, 1, 1, 0])
    ([1], [0])
    """
    middle = question.index(config.num_symbols)
    return [int(sorted(question[:middle]) == sorted(question[middle + 1 :]))]


def floors(config: Multiset, length: int) -> dict[str, Floor]:
    """A coin; and whether both halves hold the same set of symbols.

    same_set: always right on equal halves, which have equal sets, and on unequal ones whose sets differ: accuracy
    1 - P(same set | unequal) / 2. No loss, for the other answer gets no mass.

    >>> {name: round(floor.value, 3) for name, floor in floors(Multiset(), 8).items()}
    {'uniform': 0.5, 'same_set': 0.77}
    """
    accuracy = 1 - probability_of_same_set(length, config.num_symbols) / 2
    return {
        "uniform": uniform_floor(2),
        "same_set": Floor(float(accuracy), None, partial(_same_set, config.num_symbols)),
    }


@cache
def probability_of_same_set(length: int, num_symbols: int) -> Fraction:
    """How often unequal halves hold the same set of symbols, exactly.

    The twin loses the symbols a and b and gains two others, so all of them, k = 2, 3 or 4 different ones, must occur
    among the L - 2 symbols in common: sum_j (-1)^j C(k, j) (1 - j / V)^(L - 2), averaged over a, b and a'.

    Args:
      length: L, symbols a half.
      num_symbols: V.

    Returns:
      The probability.

    >>> probability_of_same_set(4, 4)
    Fraction(1, 96)
    """
    total = Fraction(0)
    for b in range(num_symbols):  # a = 0: adding one number to all symbols changes nothing
        others = [other for other in range(num_symbols) if other not in (0, b)]
        for other in others:
            num_needed = len({0, b, other, (b - other) % num_symbols})
            total += _all_occur(num_needed, length - 2, num_symbols) / (num_symbols * len(others))
    return total


def _all_occur(num_needed: int, num_draws: int, num_symbols: int) -> Fraction:
    """The probability that `num_needed` given symbols all occur in uniform draws."""
    terms = ((-1) ** j * comb(num_needed, j) * (num_symbols - j) ** num_draws for j in range(num_needed + 1))
    return Fraction(sum(terms), num_symbols**num_draws)


def _same_set(num_symbols: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """1 where each symbol occurs in both halves or in neither, judged from all that was read up to each place."""
    is_each = (inputs[..., None] == np.arange(num_symbols)) & valid[..., None]
    after = (np.cumsum(inputs == num_symbols, axis=1) > 0)[..., None]
    occurred = [np.logical_or.accumulate(is_each & side, axis=1) for side in (~after, after)]
    same = (occurred[0] == occurred[1]).all(axis=-1)
    return np.eye(2)[same.astype(int)]
