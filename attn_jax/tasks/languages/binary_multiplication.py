"""Binary multiplication: two numbers, lowest bits first, and their product.

    inputs    a1 ... a_la 2 b1 ... b_lb | empty x L                  l_a + 1 + l_b = L
    targets    . ...   .  .  . ...   .  | p1 ... pn end .

Every bit of the answer depends on many pairs of bits of the question; no model of Deletang et al. learnt it.
"""

import operator
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.laws.binary_operands import EMPTY, END, SMALLEST, compute, draw_operands, num_significant
from attn_jax.tasks.laws.product_bits import answer_table
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_LIMB = 8  # bits: n limbs of a product are at most n (2^8 - 1)^2 before carrying, exact in int32 up to 250,000 bits


@dataclass(frozen=True)
class BinaryMultiplication(TaskConfig):
    """The question "a 2 b" of L tokens, then L empty places: 2 L tokens, scored up to the answer's end.

    l_a is uniform on 1 .. L - 2 and l_b = L - 1 - l_a, for each row; a is uniform on 1 .. 2^l_a - 1, b likewise, each
    zero-filled to its places. Tokens: bits 0 and 1, 2 between the operands, 3 empty. Classes: the bits, and 2 as the
    end. The answer is a b without trailing zeros, then the end; what comes after is neither scored nor trained (the
    source trains it, as zeros, and masks it from the accuracy).

    Chance is "position_and_length", the likeliest class at each place; from L = 27 on it is a limit, within 1e-6
    (`product_bits.answer_table`). Lengths go from 4: at 3 the only question is 1 x 1, and chance would be perfect. The
    source trains up to 40 and tests from 41 to 500; the default lengths are shorter.
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
            num_tokens=lambda length: 2 * length,  # the question, then L places for the answer
            num_answered=lambda num_tokens: num_tokens // 2,
            lengths={"smallest": SMALLEST},
            chance="position_and_length",
            train_lengths=(SMALLEST, 20),
            test_lengths=(4, 5, 10, 15, 20, 25, 30, 40, 50),
            length_unit="tokens of the question",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: BinaryMultiplication, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """Two numbers and their product, which has at most L - 1 bits."""
    question, a, b = draw_operands(key, batch_size, length, max_length)
    product = _multiply(a, b)[:, :-1]
    return Strings(question, length, product, num_significant(product))


def _multiply(a: Array, b: Array) -> Array:
    """[B, X]: the X lowest bits of the product of a and b, [B, X] bits each, lowest first."""
    num_limbs = -(-a.shape[1] // _LIMB)
    outer = _limbs(a, num_limbs)[:, :, None] * _limbs(b, num_limbs)[:, None, :]
    # Rows of n limbs and n zeros, read as rows of 2 n - 1, move on by one place each: their sum is the convolution.
    rows = jnp.pad(outer, ((0, 0), (0, 0), (0, num_limbs))).reshape(len(a), -1)[:, :-num_limbs]
    columns = rows.reshape(len(a), num_limbs, -1).sum(axis=1)[:, :num_limbs]
    _, limbs = jax.lax.scan(_carry, jnp.zeros_like(columns[:, 0]), columns.T)
    bits = limbs.T[:, :, None] >> jnp.arange(_LIMB) & 1
    return bits.reshape(len(a), -1)[:, : a.shape[1]]


def _limbs(bits: Array, num_limbs: int) -> Array:
    """[B, num_limbs]: `_LIMB` bits to a number."""
    padded = jnp.pad(bits, ((0, 0), (0, num_limbs * _LIMB - bits.shape[1])))
    return (padded.reshape(len(bits), num_limbs, _LIMB) << jnp.arange(_LIMB)).sum(axis=2)


def _carry(carry: Array, column: Array) -> tuple[Array, Array]:
    """What goes on to the next limb, and what stays."""
    total = column + carry
    return total >> _LIMB, total & (1 << _LIMB) - 1


def answer(config: BinaryMultiplication, question: list[int]) -> list[int]:
    """Multiplies two Python integers.

    >>> answer(BinaryMultiplication(), [1, 1, 2, 1])
    [1, 1]
    """
    return compute(operator.mul, question)


def floors(config: BinaryMultiplication, length: int) -> dict[str, Floor]:
    """A guess, and the likeliest class at each place of the answer.

    With n the number of bits of the product, place j (from 0) is 1 with P(bit j set), the end with P(n = j), and 0
    with what is left of P(n >= j). position_and_length: sum_j max_v P(place j is v) / (E[n] + 1), counted up to
    L = 26 and within 1e-6 beyond; .5032 in the mean over L = 41 .. 500; it has no loss. uniform: 1 / 3.

    >>> {name: round(floor.value, 4) for name, floor in floors(BinaryMultiplication(), 4).items()}
    {'uniform': 0.3333, 'position_and_length': 0.75}
    """
    return {"uniform": uniform_floor(3), "position_and_length": guess_floor(answer_table(length), length)}
