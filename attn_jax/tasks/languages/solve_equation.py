"""Solve equation: a bracketed expression of + and - with one digit hidden, its value, and the digit is asked.

    inputs   ( 2 - ( ? + - 3 ) ) = 1 empty
    targets  . . . . . . . . . . . . the digit ? for which this holds modulo 5

Between the unknown and the "=" lie brackets that turn its sign: to undo them is harder than to evaluate them.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.laws.expressions import check_modulus, draw_expressions, evaluate
from attn_jax.tasks.make_task import one_answer
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_SYMBOLS = ("+", "-", "(", ")", "?", "=")  # their tokens follow the digits'; the empty token is next
_NUM_OPERATORS = 2  # x could leave an equation with several solutions, or with any


@dataclass(frozen=True)
class SolveEquation(TaskConfig):
    """The digit that is missing from a bracketed expression of L - 2 symbols (`attn_jax.tasks.laws.expressions`) = v.

    Tokens: digits 0 .. m - 1, then + - ( ) ? = from m on; last comes one empty token m + 6 at which alone the answer is
    asked and trained; L + 1 tokens, L >= 3. The unknown: from a uniform place of the expression on, to the right and
    from its end back to its start, the first digit. Without x each digit counts once, with one sign, so that one digit
    alone solves the equation; and it is uniform given all else but v, so that chance is "uniform". At L = 3 to 6 the
    unknown is the only digit before the "=", and v or -v is the answer.

    Args:
      modulus: m.

    Raises:
      ValueError: `modulus` is below 2 or above 100.
    """

    modulus: int = 5

    def __post_init__(self):
        check_modulus("SolveEquation", self.modulus)

    def make(self) -> Task:
        """The task of this configuration; 3 to 20 symbols are trained on, and 100 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=self.modulus,
            empty=self.modulus + len(_SYMBOLS),
            num_tokens=lambda length: length + 1,  # the equation and the answer's place
            num_answered=one_answer,
            strings=False,
            lengths={"smallest": 3},
            chance="uniform",
            train_lengths=(3, 20),
            test_lengths=(3, 5, 10, 20, 30, 40, 60, 80, 100),
            length_unit="symbols",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: SolveEquation, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Draws equations of `length` symbols."""
    # The last row says where the unknown is sought; one flat draw, for each costs a compiled program .2 to .5 s.
    numbers = jax.random.uniform(key, (max_length - 1, batch_size))
    tokens, values = draw_expressions(numbers[:-1], length - 2, config.modulus, _NUM_OPERATORS)
    unknown = _find_digit(tokens < config.modulus, numbers[-1], length - 2)
    answer = jnp.take_along_axis(tokens, unknown[:, None], axis=1)
    place = jnp.arange(max_length)
    question = jnp.where(place == unknown[:, None], _token(config, "?"), jnp.pad(tokens, ((0, 0), (0, 2))))
    question = jnp.where(place == length - 2, _token(config, "="), question)
    question = jnp.where(place == length - 1, values[:, None], question)
    return Strings(question, length, answer, 1)


def _token(config: SolveEquation, symbol: str) -> int:
    """The token of a symbol that is no digit."""
    return config.modulus + _SYMBOLS.index(symbol)


def _find_digit(is_digit: Array, number: Array, length: int | Array) -> Array:
    """[B]: the first digit of the first `length` places from a uniform one on, cyclically."""
    start = (number * length).astype(jnp.int32)[:, None]
    place = jnp.arange(is_digit.shape[1])
    distance = (place - start) % length
    return jnp.where(is_digit & (place < length), distance, length).argmin(axis=1)


def answer(config: SolveEquation, question: list[int]) -> list[int]:
    """Tries every digit.

    Raises:
      ValueError: an equation has no solution, or several.

    >>> answer(SolveEquation(), [7, 2, 6, 9, 8, 10, 4])  # ( 2 - ? ) = 4
    [3]
    """
    alphabet = (*map(str, range(config.modulus)), *_SYMBOLS)
    *expression, _, value = (alphabet[token] for token in question)
    (solution,) = _solutions(config, expression, int(value))
    return [solution]


def _solutions(config: SolveEquation, expression: list[str], value: int) -> list[int]:
    """Every digit that gives the expression this value."""
    unknown = expression.index("?")
    tried = ([*expression[:unknown], str(digit), *expression[unknown + 1 :]] for digit in range(config.modulus))
    return [digit for digit, symbols in enumerate(tried) if evaluate(symbols) % config.modulus == value]


def floors(config: SolveEquation, length: int) -> dict[str, Floor]:
    """Any digit: accuracy 1 / m, loss ln m; the hidden digit is independent of length, place and all else but v.

    >>> floors(SolveEquation(), 20)["uniform"].value
    0.2
    """
    return {"uniform": uniform_floor(config.modulus)}
