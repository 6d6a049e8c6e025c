"""A cache of the keys and values that were read, for `ops/attention/decode.py` to attend.

Each row of a batch has its own length, so that rows of different prompts decode together. A place of the cache holds
a key and the position it is of. With a bounded window the cache is a ring: position p lies at place p mod M, and
memory does not grow with length.
"""

from dataclasses import dataclass, field, replace

import jax.numpy as jnp

from attn_jax.ops.arguments import floats, takes, whole
from attn_jax.ops.padding import all_valid
from attn_jax.pytrees import register_pytree
from attn_jax.types import Array


@register_pytree
@dataclass(frozen=True)
class KVCache:
    """Keys and values of the positions read so far; made by `init_cache`.

    Args:
      keys: [B, M, K, H].
      values: [B, M, K, Hv].
      positions: int32 [B, M], the position stored at each place, -1 where the place is empty.
      length: int32 [B], how many positions each row has read, those that found no place included.
      window: how many keys before its own a query sees; None = all.
      ring: whether positions past the last place go on from the first.
    """

    keys: Array
    values: Array
    positions: Array
    length: Array
    window: int | None = field(default=None, metadata={"static": True})
    ring: bool = field(default=False, metadata={"static": True})

    @property
    def capacity(self) -> int:
        """M, the number of places."""
        return self.positions.shape[1]


def init_cache(
    batch_size: int,
    max_length: int,
    num_kv_heads: int,
    head_dim: int,
    *,
    value_dim: int | None = None,
    window: int | None = None,
    chunk: int = 1,
    dtype=jnp.float32,
) -> KVCache:
    """An empty cache of M places: `M = max_length`, or `window + chunk`, a ring, where that is fewer.

    Args:
      batch_size: B.
      max_length: the number of positions to hold; a ring goes on past it.
      num_kv_heads: K.
      head_dim: H.
      value_dim: Hv; None means H.
      window: a query sees its own key and `window` keys before it, as `SlidingWindow(left=window)`; None = all.
      chunk: the most positions that are written before they are attended; read with a window only.
      dtype: of keys and values.

    Returns:
      A KVCache of lengths 0.

    Raises:
      ValueError: a size is no integer, is negative, or chunk is 0.

    Example:
      >>> init_cache(2, 100, num_kv_heads=4, head_dim=8).keys.shape
      (2, 100, 4, 8)
      >>> cache = init_cache(2, 100, num_kv_heads=4, head_dim=8, window=16)
      >>> cache.keys.shape, cache.ring
      ((2, 17, 4, 8), True)

    Reference: Pope et al. 2022, arXiv:2211.05102, section 3; the ring: Jiang et al. 2023, arXiv:2310.06825, section 2.
    """
    least = {
        "batch_size": 0,
        "max_length": 0,
        "num_kv_heads": 1,
        "head_dim": 1,
        "value_dim": 1,
        "window": 0,
        "chunk": 1,
    }
    got = (batch_size, max_length, num_kv_heads, head_dim, value_dim, window, chunk)
    for (name, low), size in zip(least.items(), got, strict=True):
        if size is not None:
            whole(name, size, low)
    places = max_length if window is None else min(max_length, window + chunk)
    ring = window is not None and places == window + chunk
    return KVCache(
        keys=jnp.zeros((batch_size, places, num_kv_heads, head_dim), dtype),
        values=jnp.zeros((batch_size, places, num_kv_heads, head_dim if value_dim is None else value_dim), dtype),
        positions=jnp.full((batch_size, places), -1, jnp.int32),
        length=jnp.zeros(batch_size, jnp.int32),
        window=window,
        ring=ring,
    )


@takes(key=floats, value=floats)
def update_cache(cache: KVCache, key: Array, value: Array, valid: Array | None = None) -> KVCache:
    """The cache with T more positions a row: row b goes on at its own length, and padding is not written.

    Position p lies at place p, and at place p mod M of a ring. Without a ring, positions past the last place are
    dropped (`decode_attention` answers NaN for them). A ring keeps the last M positions, however large T is.

    Args:
      cache: of `init_cache`.
      key: [B, T, K, H].
      value: [B, T, K, Hv].
      valid: bool [B, T], a prefix of each row, False = padding; None = all valid.

    Returns:
      A KVCache of the same shapes and dtypes.

    Raises:
      ValueError: a shape is not the cache's, or `valid` is known and no prefix of each row.

    Example:
      >>> cache, one = init_cache(1, 9, num_kv_heads=1, head_dim=1, window=2), jnp.ones((1, 4, 1, 1))
      >>> update_cache(cache, one, one).positions.tolist()
      [[3, 1, 2]]

    Reference: Pope et al. 2022, arXiv:2211.05102, section 3.
    """
    valid = _check_new(cache, key, value, valid)
    if 0 in cache.positions.shape:  # there is no place to write to
        return replace(cache, length=cache.length + valid.sum(1, dtype=jnp.int32))
    places, positions, length = _places(cache, valid)
    rows = jnp.arange(key.shape[0])[:, None]
    return replace(
        cache,
        keys=cache.keys.at[rows, places].set(key.astype(cache.keys.dtype), mode="drop"),
        values=cache.values.at[rows, places].set(value.astype(cache.values.dtype), mode="drop"),
        positions=cache.positions.at[rows, places].set(positions, mode="drop"),
        length=length,
    )


@takes(key=floats, value=floats)
def append_cache(cache: KVCache, key: Array, value: Array, valid: Array | None = None) -> KVCache:
    """The cache with T further places that hold the new positions: nothing is overwritten, so T may exceed `chunk`.

    For the queries of one long piece of a ring, whose first windows `update_cache` would overwrite. What to go on with
    is the cache of `update_cache`.

    Args:
      cache: of `init_cache`, a ring.
      key, value, valid: as in `update_cache`.

    Returns:
      A KVCache of M + T places.

    Raises:
      ValueError: a shape is not the cache's, or the cache is no ring.

    Example:
      >>> cache, one = init_cache(1, 9, num_kv_heads=1, head_dim=1, window=2), jnp.ones((1, 4, 1, 1))
      >>> append_cache(cache, one, one).positions.tolist()
      [[-1, -1, -1, 0, 1, 2, 3]]
    """
    if not cache.ring:
        raise ValueError("cache: got one without a ring, wanted a ring: elsewhere update_cache overwrites nothing")
    valid = _check_new(cache, key, value, valid)
    _, positions, length = _places(cache, valid)
    return replace(
        cache,
        keys=jnp.concatenate([cache.keys, key.astype(cache.keys.dtype)], 1),
        values=jnp.concatenate([cache.values, value.astype(cache.values.dtype)], 1),
        positions=jnp.concatenate([cache.positions, jnp.where(valid, positions, -1)], 1),
        length=length,
    )


def positions_from(first: Array, T: int) -> Array:
    """T positions a row from first [B] on, int32 [B, T]."""
    return first[:, None] + jnp.arange(T, dtype=jnp.int32)[None]


def _check_new(cache: KVCache, key: Array, value: Array, valid: Array | None) -> Array:
    """`valid` as an array, or a ValueError that names the argument."""
    for name, new, held in (("key", key, cache.keys), ("value", value, cache.values)):
        wanted = (held.shape[0], key.shape[1] if key.ndim > 1 else "T", *held.shape[2:])
        if new.shape != wanted:
            raise ValueError(f"{name}: got shape {new.shape}, wanted [B, T, K, H] = {list(wanted)}, as in the cache")
    return all_valid("valid", valid, key.shape[:2])


def _places(cache: KVCache, valid: Array) -> tuple[Array, Array, Array]:
    """(place of each new position or M where it finds none, the positions, both int32 [B, T]; the new lengths [B])."""
    positions = positions_from(cache.length, valid.shape[1])
    length = cache.length + valid.sum(1, dtype=jnp.int32)
    # of one long piece the ring keeps the end: a place written twice would hold either
    last = jnp.arange(valid.shape[1])[None] >= valid.sum(1, keepdims=True) - cache.capacity
    kept = last if cache.ring else positions < cache.capacity
    places = positions % cache.capacity if cache.ring else positions
    kept = valid & kept & (positions >= 0)  # past the last position that an int32 holds there is none
    return jnp.where(kept, places, cache.capacity), positions, length
