"""Dropout of attention weights whose bits belong to places: a function of the key and of (b, n, t, s) alone.

Every path, and every size of block, drops the same weights. Batch row and head give a key of their own,
`threefry(key, (b, n))`, and the counter (t // 4, s) under that key gives 64 bits: 16 for each of four queries. A rate
is therefore rounded to a multiple of 2 ** -16, and the weights that are kept are divided by what is really kept. With
`broadcast_dropout` every batch row and head drops what row 0 and head 0 do.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.random import threefry_2x32
from jax.typing import ArrayLike

from attn_jax.types import Array, Key

_STEPS = 1 << 16  # 16 bits a weight
_ROWS = 4  # queries that share a counter


def dropout_words(key: Key) -> Array:
    """The two words, uint32 [2], that stand for the key."""
    return jax.random.bits(key, (2,), jnp.uint32)


def keep_weights(
    words: Array,
    rate: float,
    b: ArrayLike,
    *,
    heads: Array,
    size: tuple[int, int],
    first: tuple[ArrayLike, ArrayLike] = (0, 0),
) -> Array:
    """1 / (share kept) where a weight is kept, 0 where it is dropped.

    Args:
      words: uint32 [2], of `dropout_words`.
      rate: the share to drop, in [0, 1).
      b: int, the flat index of the leading dimensions.
      heads: int [G], query heads.
      size: the numbers of queries and keys, T and S.
      first: int, the first query and the first key.

    Returns:
      [G, T, S] float32.

    Reference: Srivastava et al. 2014, JMLR 15; Salmon et al. 2011 (threefry).
    """
    dropped = min(round(rate * _STEPS), _STEPS - 1)  # a rate that rounds to 1 keeps a few
    draw = jax.vmap(lambda head: _bits(words, b, head, first, size))
    return jnp.where(draw(heads) >= dropped, _STEPS / (_STEPS - dropped), 0).astype(jnp.float32)


def _bits(words: Array, b: ArrayLike, head: Array, first: tuple[ArrayLike, ArrayLike], size: tuple[int, int]) -> Array:
    """16 random bits for each query and key of one head, uint32 [T, S]."""
    t, s = (jnp.asarray(x, jnp.int32) for x in first)
    T, S = size
    own = threefry_2x32((words[0], words[1]), jnp.stack([jnp.asarray(b), head]).astype(jnp.uint32))
    fours = (T + 2 * _ROWS - 2) // _ROWS  # enough to hold T queries wherever the first one lies
    rows = jnp.broadcast_to((t // _ROWS + jnp.arange(fours))[:, None], (fours, S))
    keys = jnp.broadcast_to((s + jnp.arange(S))[None], (fours, S))
    counter = jnp.stack([rows, keys]).astype(jnp.uint32).ravel()
    low, high = threefry_2x32((own[0], own[1]), counter).reshape(2, fours, S)
    quarters = jnp.stack([low & 0xFFFF, low >> 16, high & 0xFFFF, high >> 16], axis=1)
    return lax.dynamic_slice_in_dim(quarters.reshape(fours * _ROWS, S), t % _ROWS, T)
