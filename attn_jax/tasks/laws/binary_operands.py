"""The question of binary addition and multiplication: two positive numbers in binary, "a 2 b", lowest bits first.

a = 6, b = 5, l_a = 4, l_b = 3:     0 1 1 0 2 1 0 1
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from attn_jax.types import Array, Key

SMALLEST = 4  # at 3 the only question is "1 2 1", and a guess from the place is perfect
END, EMPTY = 2, 3  # between the operands and at the end of an answer; at the places where the answer is read
_WORD = 32  # bits of a random word


class Operands(NamedTuple):
    """Two numbers, as they are asked and as they are computed with."""

    question: Array  # [B, X] int32 in {0, 1, 2}, 0 beyond the question
    a: Array  # [B, X] int32 bits, lowest first, 0 beyond the number
    b: Array  # [B, X] int32 likewise


def draw_operands(key: Key, batch_size: int, length: int | Array, max_length: int) -> Operands:
    """Two numbers of l_a and l_b = L - 1 - l_a places, l_a uniform on 1 .. L - 2, each uniform on 1 .. 2^l - 1.

    Args:
      key: a typed key, that of the split.
      batch_size: B.
      length: L, at least 4; may be traced.
      max_length: X, static.

    Returns:
      The operands; l_a is uniform up to L 2^-32, the numbers as `nonzero_bits` says.
    """
    # One flat draw for all: each draw of its own costs a compiled program .2 to .5 s.
    words = jax.random.bits(key, (batch_size, 3 + -(-max_length // _WORD)), jnp.uint32)
    length_a = 1 + (words[:, :1] % jnp.asarray(length - 2).astype(jnp.uint32)).astype(jnp.int32)
    length_b = length - 1 - length_a
    bits, place = random_bits(words[:, 3:], max_length), jnp.arange(max_length)
    a = nonzero_bits(bits, words[:, 1:2], place, length_a)
    b = nonzero_bits(bits, words[:, 2:3], place - length_a - 1, length_b)
    moved = jnp.take_along_axis(b, jnp.minimum(place + length_a + 1, max_length - 1), axis=1)
    return Operands(jnp.where(place == length_a, END, a + b), a, jnp.where(place < length_b, moved, 0))


def random_bits(words: Array, num_bits: int) -> Array:
    """[B, num_bits] int32, the bits of `words` [B, W] uint32 one after the other.

    >>> random_bits(jnp.array([[5]], jnp.uint32), 4).tolist()
    [[1, 0, 1, 0]]
    """
    bits = words[:, :, None] >> jnp.arange(_WORD, dtype=jnp.uint32) & 1
    return bits.reshape(len(words), -1)[:, :num_bits].astype(jnp.int32)


def nonzero_bits(bits: Array, word: Array, significance: Array, num_bits: int | Array) -> Array:
    """The bits of a number uniform on 1 .. 2^l - 1, out of 2^l equally likely ones.

    A draw that is 0 is replaced by 1 + word mod (2^min(l, 32) - 1). For l <= 32 that is uniform but for the last,
    incomplete round of the word, less than 2^l of its 2^32 values; it is needed with probability 2^-l. So the whole
    distribution is uniform up to a total variation of 2^-32, and for l > 32, where it is needed so seldom, likewise.

    Args:
      bits: [B, X] int32, fair bits.
      word: [B, 1] uint32, a random word.
      significance: [X] or [B, X] int32: which bit of the number a place holds; below 0 or from l on it holds none.
      num_bits: l, at least 1; scalar or [B, 1], may be traced.

    Returns:
      [B, X] int32 bits, never all 0; 0 at the places that hold none.

    >>> nonzero_bits(jnp.array([[0, 0, 1]]), jnp.array([[7]], jnp.uint32), jnp.arange(3), 2).tolist()
    [[0, 1, 0]]

    The word 7 stands for 1 + 7 mod 3 = 2; the last bit lies beyond the number.
    """
    inside = (significance >= 0) & (significance < num_bits)
    bits = jnp.where(inside, bits, 0)
    largest = jnp.uint32(2**_WORD - 1) >> (_WORD - jnp.minimum(num_bits, _WORD)).astype(jnp.uint32)
    spare = 1 + word % largest >> jnp.clip(significance, 0, _WORD - 1).astype(jnp.uint32) & 1
    spare = jnp.where(inside & (significance < _WORD), spare.astype(jnp.int32), 0)
    return jnp.where(bits.any(axis=1, keepdims=True), bits, spare)


def num_significant(bits: Array) -> Array:
    """[B]: how many bits a number has, lowest first, without trailing zeros.

    >>> num_significant(jnp.array([[0, 1, 1, 0], [0, 0, 0, 0]])).tolist()
    [3, 0]
    """
    return jnp.max(jnp.where(bits > 0, jnp.arange(1, bits.shape[1] + 1), 0), axis=1)


def compute(operation: Callable[[int, int], int], question: list[int]) -> list[int]:
    """Reads two Python integers, computes with them, and gives the bits of the result.

    Args:
      operation: what is asked.
      question: the two numbers and the END between them.

    Returns:
      The bits, lowest first, without the END after them.

    >>> compute(int.__add__, [0, 1, 2, 1])
    [1, 1]
    """
    a, b = "".join(map(str, question)).split(str(END))
    return list(map(int, f"{operation(int(a[::-1], 2), int(b[::-1], 2)):b}"[::-1]))
