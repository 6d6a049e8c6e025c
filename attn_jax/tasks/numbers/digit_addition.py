"""Digit addition: two numbers of decimal digits, and their sum.

    inputs    a1 ... a_la + b1 ... b_lb | empty x L                  l_a + 1 + l_b = L
    targets    . ...   .  .  . ...   .  | s1 ... sn end .

Lowest digits first, the carry runs along with the answer; highest first, the first digit may depend on all others.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.laws.carry import add
from attn_jax.tasks.laws.sum_digits import answer_table
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_SMALLEST = 3  # a digit, the sign, a digit


@dataclass(frozen=True)
class DigitAddition(TaskConfig):
    """The question "a + b" of L tokens, then L empty places: 2 L tokens, scored up to the answer's end.

    Numbers are drawn as in tensor2tensor's `AlgorithmicAdditionDecimal40`: digits uniform, the leading one not 0 unless
    it is the only one. There l_a is uniform on 1 .. L / 2 and l_b on 1 .. L - l_a - 1, so that questions of a batch
    differ in length; here a batch has one length, so l_a is uniform on 1 .. L - 2 and l_b = L - 1 - l_a, for each row.
    There digits stand lowest first (the default); `order` turns all three numbers round.

    Tokens: digits 0 .. base - 1, `base` between the numbers, base + 1 empty. Classes: digits, and `base` as the end.
    The answer is a + b without leading zeros (0 + 0 is one zero), then the end; what comes after is neither scored nor
    trained. Chance is "position_and_length", the likeliest class at each place. Lengths go from 3; there they go up to
    40 to train and to 400 to test, the default lengths are shorter.

    Args:
      base: how many digits there are.
      order: "lowest_first" or "highest_first", of both numbers and their sum.

    Raises:
      ValueError: `base` is below 2, or `order` is neither.
    """

    base: int = 10
    order: Literal["lowest_first", "highest_first"] = "lowest_first"

    def __post_init__(self):
        check_at_least(self, 2, "base")
        check_one_of(self, "order")

    def make(self) -> Task:
        """The task of this configuration; questions of 3 to 20 tokens are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.base + 1,
            empty=self.base + 1,
            end=self.base,
            num_tokens=lambda length: 2 * length,  # the question, then L places for the answer
            num_answered=lambda num_tokens: num_tokens // 2,
            lengths={"smallest": _SMALLEST},
            chance="position_and_length",
            train_lengths=(_SMALLEST, 20),
            test_lengths=(3, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="tokens of the question",
            source="tensor2tensor, data_generators/algorithmic.py, with questions of one length to a batch",
        )


def draw(config: DigitAddition, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Two numbers as they are asked, and the digits of their sum in the same order."""
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(key, (batch_size, max_length + 1))
    length_a = 1 + (drawn[:, :1] * (length - 2)).astype(jnp.int32)
    length_b = length - 1 - length_a
    place = jnp.arange(max_length)
    # One row of random numbers serves both: a reads it from the left, b from the right, L - 1 of at least L in all.
    a, b = _number(config, drawn[:, 1:], place, length_a), _number(config, drawn[:, :0:-1], place, length_b)
    total = add(a, b, config.base)
    longer = jnp.maximum(length_a, length_b)
    num_digits = longer + jnp.take_along_axis(total, longer, axis=1)  # one more where the last place carried
    if config.order == "highest_first":
        a, b, total = (_turned(n, n_length) for n, n_length in ((a, length_a), (b, length_b), (total, num_digits)))
    after = jnp.take_along_axis(b, jnp.clip(place - length_a - 1, 0), axis=1)
    question = jnp.where(place < length_a, a, jnp.where(place == length_a, config.base, after))
    return Strings(question, length, total[:, :-1], num_digits)


def _number(config: DigitAddition, drawn: Array, place: Array, num_digits: Array) -> Array:
    """[B, X] digits, lowest first, the leading one not 0 unless it is the only one; 0 beyond it."""
    leads = (place == num_digits - 1) & (num_digits > 1)
    digits = jnp.where(leads, 1 + drawn * (config.base - 1), drawn * config.base).astype(jnp.int32)
    return jnp.where(place < num_digits, digits, 0)


def _turned(digits: Array, num_digits: Array) -> Array:
    """[B, X]: the first `num_digits` [B, 1] of `digits` in reverse order, then what means nothing."""
    return jnp.take_along_axis(digits, jnp.clip(num_digits - 1 - jnp.arange(digits.shape[1]), 0), axis=1)


def answer(config: DigitAddition, question: list[int]) -> list[int]:
    """Adds two Python integers.

    >>> answer(DigitAddition(), [7, 10, 8, 1])
    [5, 2]
    """
    sign = question.index(config.base)
    return _digits(config, _value(config, question[:sign]) + _value(config, question[sign + 1 :]))


def _value(config: DigitAddition, digits: list[int]) -> int:
    """The number that digits stand for."""
    value = 0
    for digit in digits if config.order == "highest_first" else reversed(digits):
        value = value * config.base + digit
    return value


def _digits(config: DigitAddition, value: int) -> list[int]:
    """The digits of a number, at least one."""
    digits = [value % config.base]
    while value := value // config.base:
        digits.append(value % config.base)
    return digits[::-1] if config.order == "highest_first" else digits


def floors(config: DigitAddition, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest class at each place of the answer.

    The digits are independent, so the distribution of each digit of the sum follows from a dynamic programme over the
    carry (`sum_digits.answer_table`). position_and_length: sum_y max_v P(place y is v) / (E[n] + 1), n
    the number of digits of the sum; it has no loss. uniform: 1 / (base + 1).

    >>> {name: round(floor.value, 4) for name, floor in floors(DigitAddition(), 3).items()}
    {'uniform': 0.0909, 'position_and_length': 0.449}
    """
    return {
        "uniform": uniform_floor(config.base + 1),
        "position_and_length": guess_floor(answer_table(config.base, config.order, length), length),
    }
