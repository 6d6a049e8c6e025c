"""A finite training set: which of its N examples stands where, each pass over it in another order."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.training.streams import stream_key
from attn_jax.types import Array

_ROUNDS = 32  # of swap-or-not; each halves what is left of the old order


def example_indices(seed: Array, step: Array, batch_size: int, num_examples: int) -> Array:
    """The examples [B] of a step, 0 to N - 1.

    Step by step all N are drawn once, in an order that the seed decides, then all again in another one: with N dividing
    what is drawn, each as often as any other.

    Args:
      seed: of the run.
      step: of training; step * B + B is below 2 ** 31.
      batch_size: B.
      num_examples: N.

    >>> drawn = [example_indices(jnp.array(0), jnp.array(step), 4, 6) for step in range(3)]
    >>> drawn = jnp.concatenate(drawn).tolist()
    >>> sorted(drawn[:6]), sorted(drawn[6:])
    ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])
    """
    positions = step * batch_size + jnp.arange(batch_size)
    return jax.vmap(partial(_place, seed, num_examples))(positions // num_examples, positions % num_examples)


def _place(seed: Array, num_examples: int, epoch: Array, place: Array) -> Array:
    """Where a permutation of [0, N), one a seed and epoch, sends a place: swap-or-not, which keeps no table.

    Each round pairs every place x with K - x mod N and swaps the pair or not, by a bit that both share.

    Reference: Hoang, Morris and Rogaway (2012), CRYPTO, arXiv 1208.1176.
    """
    key_pairs, key_bits = jax.random.split(stream_key("order", seed, epoch))
    pairs = jax.random.randint(key_pairs, (_ROUNDS,), 0, num_examples).astype(jnp.uint32)
    salts = jax.random.bits(key_bits, (_ROUNDS,), jnp.uint32)

    def swap_or_not(x: Array, drawn: tuple[Array, Array]) -> tuple[Array, None]:
        pair, salt = drawn
        partner = jnp.where(pair >= x, pair - x, pair + jnp.uint32(num_examples) - x)
        swaps = _mixed(jnp.maximum(x, partner) ^ salt) >> 31 == 1
        return jnp.where(swaps, partner, x), None

    x, _ = lax.scan(swap_or_not, place.astype(jnp.uint32), (pairs, salts))
    return x.astype(jnp.int32)


def _mixed(x: Array) -> Array:
    """32 bits of which each depends on every bit of x: the end of MurmurHash3 (Appleby, public domain)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
