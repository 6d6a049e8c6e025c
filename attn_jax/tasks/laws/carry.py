"""Adding numbers digit by digit without walking from digit to digit: every carry at once."""

import jax
import jax.numpy as jnp

from attn_jax.types import Array


def add(a: Array, b: Array, base: int) -> Array:
    """The digits of a + b, least significant first.

        d_i = a_i + b_i,  sum_i = (d_i + carry_i) mod base,  carry_{i+1} = [d_i + carry_i >= base],  carry_0 = 0

    A digit with d_i < base - 1 carries nothing and one with d_i >= base carries one, whatever comes in; only
    d_i = base - 1 hands on what it gets. So the carry into a place is that of the last decided digit below it.

    Args:
      a, b: [..., X] int32 digits in [0, base), least significant first.
      base: at least 2.

    Returns:
      [..., X] int32 digits; what is carried out of the last one is lost.

    >>> add(jnp.array([9, 9, 1, 0]), jnp.array([1, 0, 0, 0]), 10).tolist()
    [0, 0, 2, 0]
    """
    total = a + b
    carries = carries_out(total >= base, total == base - 1)
    return (total + jnp.pad(carries[..., :-1], [(0, 0)] * (a.ndim - 1) + [(1, 0)])) % base


def carries_out(gives: Array, hands_on: Array) -> Array:
    """1 where a carry leaves a place: the last place up to it that does not hand on has given one.

    Args:
      gives: [..., X] bool, a place that carries one whatever comes in.
      hands_on: [..., X] bool, a place that carries what it gets; never both.

    Returns:
      [..., X] int32 in {0, 1}; nothing comes into the first place.

    >>> carries_out(jnp.array([True, False, False]), jnp.array([False, True, False])).tolist()
    [1, 1, 0]
    """
    # Even numbers rise with the place, and a last bit says what it gave: the greatest so far is the last decided one.
    decided = 2 * jnp.arange(gives.shape[-1]) + gives
    return jax.lax.cummax(jnp.where(hands_on, 0, decided), axis=gives.ndim - 1) & 1
