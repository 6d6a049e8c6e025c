"""Binary addition: two numbers, lowest bits first, and their sum.

    inputs    a1 ... a_la 2 b1 ... b_lb | empty x (L + 1)                  l_a + 1 + l_b = L
    targets    . ...   .  .  . ...   .  | s1 ... sn end .  .

One bit is carried along the answer, but what is added lies apart, at a distance that differs from row to row.
"""

import operator
from dataclasses import dataclass
from functools import cache

import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.laws.binary_operands import EMPTY, END, SMALLEST, compute, draw_operands, num_significant
from attn_jax.tasks.laws.carry import add
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class BinaryAddition(TaskConfig):
    """The question "a 2 b" of L tokens, then L + 1 empty places: 2 L + 1 tokens, scored up to the answer's end.

    l_a is uniform on 1 .. L - 2 and l_b = L - 1 - l_a, for each row; a is uniform on 1 .. 2^l_a - 1, b likewise, each
    zero-filled to its places. Tokens: bits 0 and 1, 2 between the operands, 3 empty. Classes: the bits, and 2 as the
    end. The answer is a + b without trailing zeros, then the end; what comes after is neither scored nor trained (the
    source trains it, as zeros, and masks it from the accuracy). The sum has at most L - 1 bits, so that the last place
    is never used: the source has it too.

    Chance is "position_and_length", the likeliest class at each place. Lengths go from 4: at 3 the only question is
    1 + 1, and chance would be perfect. The source trains up to 40 and tests from 41 to 500; the default lengths are
    shorter.
    """

    def make(self) -> Task:
        """The task of this configuration; questions of 4 to 20 tokens are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=3,
            empty=EMPTY,
            end=END,
            num_tokens=lambda length: 2 * length + 1,  # the question, then L + 1 places for the answer
            num_answered=lambda num_tokens: (num_tokens + 1) // 2,
            lengths={"smallest": SMALLEST},
            chance="position_and_length",
            train_lengths=(SMALLEST, 20),
            test_lengths=(4, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="tokens of the question",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: BinaryAddition, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Two numbers and their sum, which has at most L - 1 bits."""
    question, a, b = draw_operands(key, batch_size, length, max_length)
    total = add(a, b, 2)[:, :-1]
    return Strings(question, length, total, num_significant(total))


def answer(config: BinaryAddition, question: list[int]) -> list[int]:
    """Adds two Python integers.

    >>> answer(BinaryAddition(), [1, 1, 2, 1])
    [0, 0, 1]
    """
    return compute(operator.add, question)


def floors(config: BinaryAddition, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest class at each place of the answer.

    With n the number of bits of the sum, place j (from 0) is 1 with P(bit j set), the end with P(n = j), and 0 with
    what is left of P(n >= j). position_and_length: sum_j max_v P(place j is v) / (E[n] + 1), .5001 in the mean over
    L = 41 .. 500; it has no loss. uniform: 1 / 3.

    >>> {name: round(floor.value, 4) for name, floor in floors(BinaryAddition(), 4).items()}
    {'uniform': 0.3333, 'position_and_length': 0.7}
    """
    return {"uniform": uniform_floor(3), "position_and_length": guess_floor(_table(length), length)}


@cache
def _table(length: int) -> np.ndarray:
    """[L + 1, 3] float64: the probability that a place of the answer is scored and is 0, 1 or the end."""
    length_a = np.arange(1, length - 1)[:, None]
    few, many = np.minimum(length_a, length - 1 - length_a), np.maximum(length_a, length - 1 - length_a)
    place = np.arange(length + 1)
    below = _share_below(few, many, place)
    # Over all a and b, zero included, bit j of the sum is fair for j < many, the longer operand's length; what is taken
    # off are the pairs with a zero. Bit `many` is the last carry.
    zeros = 1 - (place < few) * 0.5**many - 0.5**few
    fair = zeros / 2 / ((1 - 0.5**few) * (1 - 0.5**many))
    ones = np.where(place < many, fair, np.where(place == many, 1 - below, 0))
    ends = np.diff(below, prepend=0)
    return np.stack([1 - below - ones, ones, ends], axis=-1).mean(axis=0)


def _share_below(few: np.ndarray, many: np.ndarray, place: np.ndarray) -> np.ndarray:
    """P(a + b < 2^j): counted, then divided by (2^few - 1) (2^many - 1) so that no power is too great for a float."""
    # With S = 2^j - 1: S (S - 1) / 2 pairs while neither number is bounded by its length, A (2 S - A - 1) / 2 once the
    # shorter one is, A = 2^few - 1; beyond, all.
    a, b = 1 - 0.5**few, 1 - 0.5**many
    neither = (2.0 ** np.minimum(place - few, 0) - 0.5**few) * (2.0 ** np.minimum(place - many, 0) - 2 * 0.5**many)
    shorter = 2.0 ** np.minimum(place - many, 0) - 2.0 ** (few - many - 1) - 0.5**many
    share = np.where(place <= few, neither / (2 * a * b), np.where(place <= many, shorter / b, 1.0))
    return np.where(place == 0, 0.0, share)
