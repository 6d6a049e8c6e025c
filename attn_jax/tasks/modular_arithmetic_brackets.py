"""Modular arithmetic with brackets: an expression of + - x and signs, and its value modulo 5 is asked at the end.

    inputs   ( ( - 2 ) x ( 1 + - 3 ) ) empty
    targets  . . . . . . . . . . . . . (-2) x (1 - 3) mod 5

The value of an open bracket must wait for what is inside it: a stack, where a state of fixed size runs out.
"""

from dataclasses import dataclass
from functools import cache, partial

import jax
import numpy as np

from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.expressions import OPERATORS, check_modulus, draw_expressions, evaluate
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, strings_batch
from attn_jax.types import IO, Array, Batch, Key


@dataclass(frozen=True)
class ModularArithmeticBrackets(TaskConfig):
    """The value, modulo m, of a bracketed expression of L symbols (`attn_jax.tasks.expressions`).

    Tokens: digits 0 .. m - 1, then + - x ( ) from m on; last comes one empty token m + 5 at which alone the answer is
    asked and trained; L + 1 tokens, L >= 1. Products are often 0: the constant answer 0 is right .2 of the time up to
    L = 4, .2533 at 5 and .3160 at 500 (m = 5), so chance is this "position_and_length" floor.

    The source's code takes x only on request; its paper has all three operators, and so has this.

    Args:
      modulus: m.

    Raises:
      ValueError: `modulus` is below 2 or above 100.
    """

    modulus: int = 5

    def __post_init__(self):
        check_modulus("ModularArithmeticBrackets", self.modulus)

    def make(self) -> Task:
        """The task of this configuration."""
        return Task(partial(sample, self), partial(floors, self), partial(solve, self), spec(self))


def spec(config: ModularArithmeticBrackets) -> TaskSpec:
    """What a study must know; 1 to 20 symbols are trained on, and 100 asked for.

    >>> spec(ModularArithmeticBrackets()).io.vocab_size
    11
    """
    return TaskSpec(
        io=IO(num_classes=config.modulus, vocab_size=_empty(config) + 1),
        metric="accuracy",
        chance="position_and_length",
        best=1.0,
        threshold=0.95,
        train_lengths=(1, 20),
        test_lengths=(1, 2, 5, 10, 20, 30, 40, 60, 80, 100),
        length_unit="symbols",
        lengths=length_range,
        num_tokens=num_tokens,
        source="Deletang et al. 2023, arXiv 2207.02098",
    )


def _empty(config: ModularArithmeticBrackets) -> int:
    """The token at which the answer is read."""
    return config.modulus + len(OPERATORS) + 2


def num_tokens(length: int) -> int:
    """L + 1: the symbols and the answer's place.

    >>> num_tokens(20)
    21
    """
    return length + 1


def sample(
    config: ModularArithmeticBrackets,
    key: Key,
    batch_size: int,
    length: int | Array,
    max_length: int,
    *,
    split: Split = "train",
) -> Batch:
    """Draws expressions of `length` symbols, padded to those of `max_length`.

    Args:
      config: the task.
      key: a typed key.
      batch_size: B.
      length: L, the number of symbols, 1 <= L <= max_length; may be traced, and is then trusted.
      max_length: static; T = max_length + 1.
      split: picks the stream.

    Returns:
      A batch of inputs [B, T] int32 in [0, modulus + 6) and targets [B, T] int32 in [0, modulus).

    Raises:
      ValueError: `max_length` is below 1, or `split` is unknown.

    >>> sample(ModularArithmeticBrackets(), jax.random.key(0), 2, 5, 7).inputs.shape
    (2, 8)

    Reference: Deletang et al. 2023, arXiv 2207.02098.
    """
    check_max_length(max_length)
    numbers = jax.random.uniform(split_key(key, split), (max_length, batch_size))
    tokens, values = draw_expressions(numbers, length, config.modulus, len(OPERATORS))
    expression = Strings(tokens, length, values[:, None], 1)
    return strings_batch(expression, num_tokens(max_length), 1, empty=_empty(config))


def solve(config: ModularArithmeticBrackets, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Evaluates over Python's integers, from the innermost bracket out, and divides at the end.

    Args:
      config: the task.
      inputs: [B, T] int, whole sequences or prefixes.
      valid: [B, T] bool.

    Returns:
      [B, T] int32 classes, 0 where nothing is asked.

    >>> tokens = np.array([[8, 1, 6, 6, 3, 9, 10]])  # ( 1 - - 3 )
    >>> solve(ModularArithmeticBrackets(), tokens, np.ones((1, 7), bool)).tolist()
    [[0, 0, 0, 0, 0, 0, 4]]
    """
    alphabet = (*map(str, range(config.modulus)), *OPERATORS, "(", ")")
    targets = np.zeros(inputs.shape, np.int32)
    for row, place in np.argwhere(valid & (inputs == _empty(config))):
        symbols = [alphabet[token] for token in inputs[row, :place].tolist()]
        targets[row, place] = evaluate(symbols) % config.modulus
    return targets


def floors(config: ModularArithmeticBrackets, length: int) -> dict[str, Floor]:
    """Any value, and the likeliest value of an expression of this length.

    uniform: 1 / m. position_and_length: max_v P_n(v), where P_n is uniform for n <= 4, and else the law of a op b, op
    uniform, a of P_l and b of P_(n - 3 - l), averaged over l = 1 .. n - 4.

    Args:
      config: the task.
      length: L, symbols.

    Returns:
      The floors by name.

    >>> [round(floors(ModularArithmeticBrackets(), length)["position_and_length"].metric, 4) for length in (5, 41, 500)]
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
