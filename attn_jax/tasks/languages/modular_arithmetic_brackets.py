"""Modular arithmetic with brackets: an expression of + - x and signs, and its value modulo 5 is asked at the end.

    inputs   ( ( - 2 ) x ( 1 + - 3 ) ) empty
    targets  . . . . . . . . . . . . . (-2) x (1 - 3) mod 5

The value of an open bracket must wait for what is inside it: a stack, where a state of fixed size runs out.
"""

from dataclasses import dataclass
from functools import cache

import jax
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.laws.expressions import OPERATORS, check_modulus, draw_expressions, evaluate
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key


@dataclass(frozen=True)
class ModularArithmeticBrackets(TaskConfig):
    """The value, modulo m, of a bracketed expression of L symbols (`attn_jax.tasks.laws.expressions`).

    Tokens: digits 0 .. m - 1, then + - x ( ) from m on; last comes one empty token m + 5 at which alone the answer is
    asked and trained; L + 1 tokens, L >= 1. Products are often 0: the constant answer 0 is right .2 of the time up to
    L = 4, .2533 at 5 and .3160 at 500 (m = 5), so chance is this "position_and_length" floor.

    The source's code takes x only on request, which its experiments make; its paper has all three operators, and so
    has this.

    Args:
      modulus: m.

    Raises:
      ValueError: `modulus` is below 2 or above 100.
    """

    modulus: int = 5

    def __post_init__(self):
        check_modulus("ModularArithmeticBrackets", self.modulus)

    def make(self) -> Task:
        """The task of this configuration; 1 to 20 symbols are trained on, and 100 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.modulus,
            empty=self.modulus + len(OPERATORS) + 2,
            num_tokens=lambda length: length + 1,  # the symbols and the answer's place
            num_answered=one_answer,
            strings=False,
            chance="position_and_length",
            train_lengths=(1, 20),
            test_lengths=(1, 2, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="symbols",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: ModularArithmeticBrackets, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws expressions of `length` symbols."""
    numbers = jax.random.uniform(key, (max_length, batch_size))
    tokens, values = draw_expressions(numbers, length, config.modulus, len(OPERATORS))
    return Strings(tokens, length, values[:, None], 1)


def answer(config: ModularArithmeticBrackets, question: list[int]) -> list[int]:
    """Evaluates over Python's integers, from the innermost bracket out, and divides at the end.

    >>> answer(ModularArithmeticBrackets(), [8, 1, 6, 6, 3, 9])  # ( 1 - - 3 )
    [4]
    """
    alphabet = (*map(str, range(config.modulus)), *OPERATORS, "(", ")")
    return [evaluate([alphabet[token] for token in question]) % config.modulus]


def floors(config: ModularArithmeticBrackets, length: int) -> dict[str, Floor]:
    """Any value, and the likeliest value of an expression of this length.

    uniform: 1 / m. position_and_length: max_v P_n(v), where P_n is uniform for n <= 4, and else the law of a op b, op
    uniform, a of P_l and b of P_(n - 3 - l), averaged over l = 1 .. n - 4.

    >>> [round(floors(ModularArithmeticBrackets(), length)["position_and_length"].value, 4) for length in (5, 41, 500)]
    [0.2533, 0.292, 0.316]
    """
    # Laws are made by the power of 2, so that a curve over hundreds of lengths makes few tables.
    table = _value_laws(config.modulus, 1 << length.bit_length())[length][None]
    return {"uniform": uniform_floor(config.modulus), "position_and_length": guess_floor(table, length)}


@cache
def _value_laws(modulus: int, end: int) -> np.ndarray:
    """[end, m] float64: the law of the value of expressions of each length below `end`; row 0 is not used."""
    digits = np.arange(modulus)
    joined = (np.add.outer(digits, digits), np.subtract.outer(digits, digits), np.multiply.outer(digits, digits))
    values = np.stack(joined).ravel() % modulus
    laws = np.full((end, modulus), 1 / modulus)
    for length in range(5, end):
        left = laws[1 : length - 3]
        joint = left.T @ left[::-1] / len(left)  # [a, b]: both sides' lengths sum to length - 3
        weights = np.tile(joint.ravel(), len(joined)) / len(joined)
        laws[length] = np.bincount(values, weights=weights, minlength=modulus)
    return laws
