"""Modular arithmetic without brackets: digits joined by + - x, and the value modulo 5 is asked once at the end.

    inputs   d + d x d - d empty
    targets  . . . . . . .  (d + d x d - d) mod 5

Two numbers are state enough, the sum so far and the product under way: regular, but no counter, for x binds first.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.laws.expressions import check_modulus
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_NUM_OPERATORS = 3


@dataclass(frozen=True)
class ModularArithmetic(TaskConfig):
    """The value, modulo m, of L symbols: digits at the even places counted from 0, operators between them.

    Tokens: digits 0 .. m - 1, + is m, - is m + 1, x is m + 2; last comes one empty token m + 3 at which alone the
    answer is asked and trained; L + 1 tokens, L odd. Digits are uniform, and so are operators; x binds first, then
    left to right. Products are often 0, so that the constant answer 0 is better than a guess (.2533 at L = 3, .2
    for m = 5): chance is this "position_and_length" floor.

    The source takes an even length for the odd one below; here it is refused. Where xLSTM and Grazzi et al. train on
    3 to 40 tokens in all, ask for lengths 2 to 39.

    Args:
      modulus: m.

    Raises:
      ValueError: `modulus` is below 2 or above 100.
    """

    modulus: int = 5

    def __post_init__(self):
        check_modulus("ModularArithmetic", self.modulus)

    def make(self) -> Task:
        """The task of this configuration; 1 to 10 digits are trained on, and 50 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.modulus,
            empty=self.modulus + _NUM_OPERATORS,
            num_tokens=lambda length: length + 1,  # the symbols and the answer's place
            num_answered=one_answer,
            strings=False,
            lengths={"step": 2},
            chance="position_and_length",
            train_lengths=(1, 19),
            test_lengths=(1, 3, 5, 9, 19, 29, 39, 59, 79, 99),
            length_unit="symbols",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: ModularArithmetic, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws expressions of `length` symbols."""
    numbers = jax.random.uniform(key, (max_length, batch_size))
    place = jnp.arange(max_length)[:, None]
    is_digit = place % 2 == 0
    sizes = jnp.where(is_digit, config.modulus, _NUM_OPERATORS)
    tokens = (numbers * sizes).astype(jnp.int32) + jnp.where(is_digit, 0, config.modulus)
    # What lies beyond the end is read as "+ 0 + 0 ...".
    read = jnp.where(place < length, tokens, jnp.where(is_digit, 0, config.modulus))
    return Strings(tokens.T, length, _value(read, config.modulus)[:, None], 1)


def _value(tokens: Array, modulus: int) -> Array:
    """[B]: the values of expressions [X, B]; carried are the sum of the terms that are over, and the one under way."""
    first = (jnp.zeros_like(tokens[0]), tokens[0])
    (total, term), _ = jax.lax.scan(partial(_read, modulus), first, (tokens[1::2], tokens[2::2]))
    return (total + term) % modulus


def _read(modulus: int, carry: tuple[Array, Array], symbols: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
    """One operator and its digit: x goes on with the term, + and - begin a new one."""
    (total, term), (operator, digit) = carry, symbols
    times = operator == modulus + 2
    signed = jnp.where(operator == modulus + 1, -digit, digit)
    total = jnp.where(times, total, (total + term) % modulus)
    return (total, jnp.where(times, term * digit % modulus, signed)), None


def answer(config: ModularArithmetic, question: list[int]) -> list[int]:
    """Multiplies out every product in Python's integers, adds what is left, and only then divides.

    >>> answer(ModularArithmetic(), [1, 6, 2, 7, 4])  # 1 - 2 x 4
    [3]
    """
    plus, times = config.modulus, config.modulus + 2
    terms = [question[0]]
    for operator, digit in zip(question[1::2], question[2::2], strict=True):
        if operator == times:
            terms[-1] *= digit
        else:
            terms.append(digit if operator == plus else -digit)
    return [sum(terms) % config.modulus]


def floors(config: ModularArithmetic, length: int) -> dict[str, Floor]:
    """Any value, and the likeliest value of an expression of this length.

    uniform: 1 / m. position_and_length: max_v P(v), P by a dynamic programme over the joint law of the sum so far and
    the term under way: + and - close the term (2/3) and begin a uniform one, x multiplies it by a uniform digit (1/3).

    >>> [round(floors(ModularArithmetic(), length)["position_and_length"].value, 4) for length in (1, 3, 41)]
    [0.2, 0.2533, 0.2]
    """
    table = _value_distribution(config.modulus, length // 2)[None]
    return {"uniform": uniform_floor(config.modulus), "position_and_length": guess_floor(table, length)}


def _value_distribution(modulus: int, num_operators: int) -> np.ndarray:
    """[m] float64: the law of the value of `num_operators` + 1 digits."""
    digits = np.arange(modulus)
    # multiplied[t, v]: the probability that the term t times a uniform digit is v.
    multiplied = np.stack([np.bincount(t * digits % modulus, minlength=modulus) for t in digits]) / modulus
    joint = np.zeros((modulus, modulus))  # [sum so far, term under way]
    joint[0] = 1 / modulus
    for _ in range(num_operators):
        joint = (2 * _sum_law(joint)[:, None] / modulus + joint @ multiplied) / 3
    return _sum_law(joint)


def _sum_law(joint: np.ndarray) -> np.ndarray:
    """[m]: the law of the sum, modulo m, of two numbers with this joint law [m, m]."""
    sums = np.add.outer(np.arange(len(joint)), np.arange(len(joint))) % len(joint)
    return np.bincount(sums.ravel(), weights=joint.ravel(), minlength=len(joint))
