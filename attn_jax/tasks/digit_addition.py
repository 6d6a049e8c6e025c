"""Digit addition: two numbers of decimal digits, and their sum.

    inputs    a1 ... a_la + b1 ... b_lb | empty x L                  l_a + 1 + l_b = L
    targets    . ...   .  .  . ...   .  | s1 ... sn end .

Lowest digits first, the carry runs along with the answer; highest first, the first digit may depend on all others.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.carry import add
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch, strings_pairs
from attn_jax.tasks.sum_digits import answer_table
from attn_jax.types import IO, Array, Batch, Key, Pairs

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
        if self.base < 2:
            raise ValueError(f"DigitAddition: base is {self.base}, wanted at least 2")
        if self.order not in ("lowest_first", "highest_first"):
            raise ValueError(f"DigitAddition: order is {self.order!r}, wanted 'lowest_first' or 'highest_first'")

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(
            partial(sample, self), partial(floors, self), partial(solve, self), spec(self), partial(pairs, self)
        )


def spec(config: DigitAddition) -> TaskSpec:
    """What a study must know; questions of 3 to 20 tokens are trained on, and 50 asked for.

    >>> spec(DigitAddition()).io, spec(DigitAddition()).pairs_vocab_size
    (IO(num_classes=11, vocab_size=12, channels=None, out_channels=None), 13)
    """
    return TaskSpec(
        io=IO(num_classes=config.base + 1, vocab_size=config.base + 2),
        metric="accuracy",
        chance="position_and_length",
        best=1.0,
        threshold=0.95,
        train_lengths=(_SMALLEST, 20),
        test_lengths=(3, 5, 10, 15, 20, 25, 30, 40, 50),
        length_unit="tokens of the question",
        lengths=partial(length_range, smallest=_SMALLEST),
        num_tokens=num_tokens,
        source="tensor2tensor, data_generators/algorithmic.py, with questions of one length to a batch",
        pairs_vocab_size=config.base + 3,
    )


def num_tokens(length: int) -> int:
    """2 L: the question, then L places for the answer.

    >>> num_tokens(20)
    40
    """
    return 2 * length


def sample(
    config: DigitAddition,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws questions of `length` tokens, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 3 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = 2 max_length.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, base + 2) and targets [B, T] int32 in [0, base].

    Raises:
      ValueError: `max_length` is below 3, or `split` is unknown.

    >>> sample(DigitAddition(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 14)

    Reference: Vaswani et al. 2018, arXiv 1803.07416 (tensor2tensor).
    """
    strings = _draw(config, key, batch_size, length, max_length, split)
    return strings_batch(strings, num_tokens(max_length), length, empty=config.base + 1, terminator=config.base)


def pairs(
    config: DigitAddition,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Pairs:
    """The sequences of `sample` as a source and a target, which ends with EOS = base + 2 in place of the end.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, 3 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; S = T = max_length.
      split: picks the stream.

    Returns:
      Pairs of tokens in [0, base + 3), BOS = base + 1 among them.

    Raises:
      ValueError: `max_length` is below 3, or `split` is unknown.

    >>> pairs(DigitAddition(), jax.random.key(0), 2, 5, 7).target.shape
    (2, 7)
    """
    return strings_pairs(_draw(config, key, batch_size, length, max_length, split), bos=config.base + 1)


def _draw(
    config: DigitAddition, key: Key, batch_size: int, length: int | Array, max_length: int, split: Split
) -> Strings:
    """Two numbers as they are asked, and the digits of their sum in the same order."""
    check_max_length(max_length, smallest=_SMALLEST)
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    drawn = jax.random.uniform(split_key(key, split), (batch_size, max_length + 1))
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


def solve(config: DigitAddition, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Adds two Python integers.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked and after the end.

    >>> solve(DigitAddition(), np.array([[7, 10, 8, 1, 11, 11, 11, 11]]), np.ones((1, 8), bool)).tolist()
    [[0, 0, 0, 0, 5, 2, 10, 0]]
    """
    targets = np.zeros(inputs.shape, np.int32)
    for row, (tokens, in_use) in enumerate(zip(inputs.tolist(), valid, strict=True)):
        asked = [t for t, token in enumerate(tokens) if in_use[t] and token == config.base + 1]
        if asked:
            sign = tokens.index(config.base)
            total = _value(config, tokens[:sign]) + _value(config, tokens[sign + 1 : asked[0]])
            answer = [*_digits(config, total), config.base]
            targets[row, asked[: len(answer)]] = answer[: len(asked)]
    return targets


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

    Args:
      config: the task.
      length: L, tokens of the question.

    Returns:
      The floors by name.

    >>> {name: round(floor.metric, 4) for name, floor in floors(DigitAddition(), 3).items()}
    {'uniform': 0.0909, 'position_and_length': 0.449}
    """
    return {
        "uniform": uniform_floor(config.base + 1),
        "position_and_length": guess_floor(answer_table(config.base, config.order, length), length),
    }
