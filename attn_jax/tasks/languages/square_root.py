"""Square root: a number in binary, highest bit first, and the floor of its root.

    inputs    n1 n2 ... nL | empty x K           K = ceil(L / 2)
    targets    .  . ...  . | r1 r2 ... rK

Each bit of the root compares all that was found so far with all that is left: more than one pass over the string.
"""

import math
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.floors import guess_floor, uniform_floor
from attn_jax.tasks.laws.binary_operands import nonzero_bits, random_bits
from attn_jax.tasks.laws.carry import carries_out
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import Array, Key

_SMALLEST = 3  # the root of a number below 4 is 1
_LIMB = 16  # bits of a number held in one int32


@dataclass(frozen=True)
class SquareRoot(TaskConfig):
    """L bits of n, then ceil(L / 2) empty places for those of the floor of its root; scored at all of these.

    n is uniform on 1 .. 2^L - 1; it and its root are written highest bit first and zero-filled to their places.
    Tokens: bits 0 and 1, 2 empty; classes are bits.

    Chance is "position_and_length", the likelier bit at each place. Lengths go from 3: at 1 and 2 the root is always 1,
    and chance would be perfect. Deletang et al. train up to 40 and test from 41 to 500; default lengths are shorter.
    """

    def make(self) -> Task:
        """The task of this configuration; 3 to 26 bits are trained on, and 66 asked for."""
        return string_task(
            self,
            draw,
            answer,
            floors,
            num_classes=2,
            empty=2,
            num_tokens=lambda length: length + (length + 1) // 2,  # the number, then its root
            num_answered=lambda num_tokens: (num_tokens + 1) // 3,
            lengths={"smallest": _SMALLEST},
            chance="position_and_length",
            train_lengths=(_SMALLEST, 26),
            test_lengths=(3, 8, 13, 20, 26, 33, 40, 53, 66),
            length_unit="bits",
            source="Deletang et al. 2023, arXiv 2207.02098",
        )


def draw(config: SquareRoot, key: Key, batch_size: int, length: int | Array, max_length: int) -> Strings:
    """The number and its root."""
    words = jax.random.bits(key, (batch_size, 1 + -(-max_length // 32)), jnp.uint32)
    bits = random_bits(words[:, 1:], max_length)
    length = jnp.asarray(length)
    number = nonzero_bits(bits, words[:, :1], length - 1 - jnp.arange(max_length), length)
    return Strings(number, length, _root(number, length), (length + 1) // 2)


def _root(number: Array, length: Array) -> Array:
    """[B, ceil(X / 2)]: the root's bits, highest first; what comes after ceil(length / 2) of them means nothing."""
    num_bits = (number.shape[1] + 1) // 2
    # A number of odd length begins with half a pair: a zero is put before it.
    even = jnp.pad(number, ((0, 0), (1, 1)))
    even = jax.lax.dynamic_slice_in_dim(even, 1 - length % 2, 2 * num_bits, axis=1)
    pairs = (2 * even[:, ::2] + even[:, 1::2]).T
    # Below 4 (rest + 1) <= 8 root + 4 < 2^(num_bits + 3) in every step.
    zero = jnp.zeros_like(number, jnp.int32, shape=(len(number), -(-(num_bits + 3) // _LIMB)))
    return jax.lax.scan(_root_bit, (zero, zero), pairs)[1].T


def _root_bit(carry: tuple[Array, Array], pair: Array) -> tuple[tuple[Array, Array], Array]:
    """One step of the root by hand: bring down two bits, and take 4 root + 1 off if it goes."""
    rest, root = carry  # [B, limbs] of _LIMB bits each, lowest first
    rest, trial = _shift_in(rest, 2, pair), _shift_in(root, 2, jnp.ones_like(pair))
    difference = rest - trial
    borrows = carries_out(difference < 0, difference == 0)
    fits = 1 - borrows[:, -1]
    taken = difference - jnp.pad(borrows[:, :-1], ((0, 0), (1, 0))) & (1 << _LIMB) - 1
    return (jnp.where(fits[:, None] == 1, taken, rest), _shift_in(root, 1, fits)), fits


def _shift_in(limbs: Array, count: int, low: Array) -> Array:
    """`limbs` shifted up by `count` bits, with the bits of `low` [B] below them."""
    over = jnp.concatenate([low[:, None], limbs[:, :-1] >> (_LIMB - count)], axis=1)
    return (limbs << count) & (1 << _LIMB) - 1 | over


def answer(config: SquareRoot, question: list[int]) -> list[int]:
    """`math.isqrt` of a Python integer.

    >>> answer(SquareRoot(), [1, 1, 0, 0, 1])
    [1, 0, 1]
    """
    number = int("".join(map(str, question)), 2)
    return list(map(int, f"{math.isqrt(number):0{(len(question) + 1) // 2}b}"))


def floors(config: SquareRoot, length: int) -> dict[str, Floor]:
    """A guess, and the likelier bit at each place of the root.

    A root r has 2 r + 1 numbers, from r^2 to (r + 1)^2 - 1, as far as they lie below 2^L; so bit i of the root is set
    for sum_m (min((m + 1)^2 4^i, 2^L) - m^2 4^i) of them, m odd, counted exactly. position_and_length:
    sum_i max(P(bit i is 0), P(bit i is 1)) / K, .5037 in the mean over L = 41 .. 500; it has no loss. uniform: 1 / 2.

    >>> {name: round(floor.value, 4) for name, floor in floors(SquareRoot(), 4).items()}
    {'uniform': 0.5, 'position_and_length': 0.7333}
    """
    return {"uniform": uniform_floor(2), "position_and_length": guess_floor(_table(length), length)}


@cache
def _table(length: int) -> np.ndarray:
    """[K, 2] float64: the probability of each bit at each place of the root."""
    total = 2**length - 1
    ones = [_num_with_bit(length, i) for i in reversed(range((length + 1) // 2))]
    return np.array([[(total - n) / total, n / total] for n in ones])


def _num_with_bit(length: int, i: int) -> int:
    """How many numbers below 2^length have bit i of their root set."""
    largest = math.isqrt(2**length - 1) >> i
    num_odd = (largest + 1) // 2  # m = 1, 3, ..., at most `largest`: (m + 1)^2 - m^2 = 2 m + 1 each, in all
    count = (2 * num_odd**2 + num_odd) << 2 * i
    over = ((2 * num_odd) ** 2 << 2 * i) - 2**length  # only the last of them can reach beyond 2^length
    return count - max(over, 0)
