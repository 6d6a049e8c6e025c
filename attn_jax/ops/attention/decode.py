"""Attention from a cache: decode token by token, or piece by piece, what a full forward pass computes at once.

Masks and score modifications are asked about the position whose key a place of the cache stores, never about the place.

    out, cache = cached_attention(query, key, value, cache)     # of the latest T positions, [B, T, heads, size] each
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, floats, takes
from attn_jax.ops.attention.cache import KVCache, append_cache, positions_from, update_cache
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.int32 import at_most
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, Mask, MaskFn, PrefixLM
from attn_jax.ops.attention.scores import ScoreModification
from attn_jax.ops.layout import with_rank
from attn_jax.ops.padding import all_valid
from attn_jax.types import Array


@takes(query=floats, key=floats, value=floats)
def cached_attention(
    query: ArrayLike, key: Array, value: Array, cache: KVCache, *, valid: Array | None = None, **options: Any
) -> tuple[Any, KVCache]:
    """Goes on from a cache by T positions: their outputs, and the cache with their keys and values.

    In pieces of any size, T = 1 a step, the whole prompt a prefill, the outputs are those of one causal
    `dot_product_attention` over the whole sequence, within the cache's window. Padding does not advance a row.

    Args:
      query: [B, T, N, H].
      key: [B, T, K, H].
      value: [B, T, K, Hv].
      cache: of `init_cache`, or of the piece before.
      valid: bool [B, T], a prefix of each row, False = padding; None = all valid.
      options: those of `decode_attention`.

    Returns:
      (out [B, T, N, Hv], or (out, lse); the cache to go on with, of the same shapes and dtypes).

    Raises:
      ValueError, TypeError: as `update_cache` and `decode_attention`.

    Example:
      >>> from attn_jax.ops.attention.cache import init_cache
      >>> cache, one = init_cache(1, 9, num_kv_heads=1, head_dim=1, window=1), jnp.ones((1, 1, 1, 1))
      >>> for number in (2.0, 4.0, 6.0):
      ...     out, cache = cached_attention(one, one, number * one, cache)
      ...     out.item()
      2.0
      3.0
      5.0

    Reference: Pope et al. 2022, arXiv:2211.05102, section 3.
    """
    if jnp.shape(query)[:2] != jnp.shape(key)[:2]:
        raise ValueError(f"query: got [B, T] = {jnp.shape(query)[:2]}, wanted key's {jnp.shape(key)[:2]}")
    after = update_cache(cache, key, value, valid)
    overwrites = cache.ring and key.shape[1] > _chunk(cache)
    seen = append_cache(cache, key, value, valid) if overwrites else after
    return decode_attention(query, seen, valid=valid, **options), after


@takes(query=floats)
def decode_attention(
    query: ArrayLike,
    cache: KVCache,
    *,
    mask: ArrayLike | Mask | Callable[..., Array] | None = None,
    bias: ArrayLike | None = None,
    score_mod: Callable[..., Array] | None = None,
    valid: Array | None = None,
    **options: Any,
) -> Any:  # out, or (out, lse) with return_lse
    """Attention of the T latest positions, causal, within the cache's window: what a full forward gives for them.

    `out_t = sum_p softmax_p(query_t . key_p / sqrt(H)) value_p` over stored positions p with `q - window <= p <= q`,
    where `q = length - T + t`. A query past the last place of a cache without a ring is NaN, as is
    one past position 2 ** 31 - 1.

    Args:
      query: [B, T, N, H], of positions whose keys `update_cache` has written.
      cache: of `update_cache`, or of `append_cache`.
      mask: as in `dot_product_attention`, beside what is causal: called with q and k the true positions. An array
        broadcasts to [B, N, T, P]: its last axis is 1, or counts positions 0 .. P - 1.
      bias: floating, [B, N, T, P] likewise; NaN for stored positions from P on.
      score_mod: as in `dot_product_attention`, with true positions.
      valid: bool [B, T], as given to `update_cache`; outputs at padding are finite, but otherwise free.
      options: scale, logits_soft_cap, sinks, dropout_rate, dropout_key, broadcast_dropout, precision, implementation,
        block_sizes, return_lse and return_residual of `dot_product_attention`. What dropout drops goes by row of the
        call and place, not by position.

    Returns:
      out [B, T, N, Hv] of the query's dtype, or (out, lse [B, T, N]).

    Raises:
      ValueError: T is more than a ring still holds whole windows for; or as `dot_product_attention`.
      TypeError: an option that does not exist, or that counts places of the cache (is_causal, lengths, q_offset ...).

    Example:
      >>> from attn_jax.ops.attention.cache import init_cache
      >>> cache = init_cache(1, 4, num_kv_heads=1, head_dim=1)
      >>> for number in (2.0, 4.0):
      ...     cache = update_cache(cache, jnp.ones((1, 1, 1, 1)), jnp.full((1, 1, 1, 1), number))
      ...     decode_attention(jnp.ones((1, 1, 1, 1)), cache).item()
      2.0
      3.0

    Reference: Pope et al. 2022, arXiv:2211.05102, section 3.
    """
    query = _check_query(query, cache, options)
    valid = all_valid("valid", valid, query.shape[:2])
    first = cache.length - valid.sum(1, dtype=jnp.int32)
    result = dot_product_attention(
        query,
        cache.keys,
        cache.values,
        None if bias is None else _by_position(array("bias", bias, "an array of floats"), cache, fill=jnp.nan),
        _visible(cache, mask, query.shape),
        q_offset=first,
        score_mod=_of_stored(cache, score_mod, query.shape[2]),
        **options,
    )
    positions = positions_from(first, query.shape[1])
    lost = positions < 0  # wrapped: behind the last position that an int32 holds
    lost = valid & (lost if cache.ring else lost | (positions >= cache.capacity))
    return jax.tree.map(partial(_nan_where, lost), result)


# What counts places of the keys, or what the cache knows better.
_KNOWN = ("is_causal", "q_offset", "local_window_size", "query_seq_lengths", "key_value_seq_lengths", "segment_ids")


def _check_query(query: ArrayLike, cache: KVCache, options: dict[str, Any]) -> Array:
    """The query as an array, or an error that names the argument."""
    for name in _KNOWN:
        if name in options:
            raise TypeError(
                f"{name}: decode_attention takes it from the cache; wanted a mask, which is called with true positions"
            )
    query, B = jnp.asarray(query), cache.length.shape[0]
    if query.ndim != 4 or query.shape[0] != B:
        raise ValueError(f"query: got shape {query.shape}, wanted [B, T, N, H] with B = {B}")
    if cache.ring and query.shape[1] > _chunk(cache):
        raise ValueError(
            f"query: got T = {query.shape[1]}, wanted at most {_chunk(cache)}, the chunk given to init_cache: the ring "
            "has overwritten keys that the first of them see; cached_attention takes pieces of any size"
        )
    return query


def _chunk(cache: KVCache) -> int:
    """How many of the latest queries a ring still holds whole windows for."""
    return cache.capacity - (cache.window or 0)


def _visible(cache: KVCache, mask: ArrayLike | Mask | Callable[..., Array] | None, query_shape: tuple) -> Mask:
    """What the queries see of the places, `mask` included."""
    if isinstance(mask, Dense):
        mask = mask.array
    if mask is None or callable(mask):
        if any(isinstance(part, Dense) for part in jax.tree.leaves(mask, is_leaf=lambda x: isinstance(x, Dense))):
            raise ValueError("mask: got a Dense inside a combination, wanted the array alone, or masks by rule")
        return Stored(cache.positions, _checked(mask, query_shape, cache), cache.window)
    allowed = array("mask", mask, "bool")
    if allowed.dtype != bool:
        raise ValueError(f"mask: got dtype {allowed.dtype}, wanted bool (True = may attend)")
    return Dense(_by_position(allowed, cache, fill=False)) & Stored(cache.positions, None, cache.window)


def _checked(mask: Any, query_shape: tuple[int, ...], cache: KVCache) -> Any:
    """A mask by rule, refused where a part of it holds one number a batch row and not B of them."""
    if mask is None:
        return None
    if not isinstance(mask, Mask):
        return MaskFn(mask)
    B, T, N, _ = query_shape
    by_row = (Causal, Lengths, PrefixLM)  # Segments hold a number a position, of which the cache may lack some
    for part in jax.tree.leaves(mask, is_leaf=lambda node: isinstance(node, by_row)):
        if isinstance(part, by_row):
            part.check_shapes((B, N, T, cache.capacity))
    return mask


@dataclass(frozen=True)
class Stored(Mask):
    """What a query sees of a cache's places: positions up to its own, within the window, that `mask` leaves."""

    positions: Array  # int32 [B, M], -1 = empty
    mask: Mask | None
    window: int | None = field(metadata={"static": True})

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """As above, at place k; an empty place is never seen, and asks about position 0."""
        position = _stored(self.positions, b, k)
        seen = (position >= 0) & (position <= q)
        if self.window is not None:
            seen = seen & at_most(q, position, self.window)
        return seen if self.mask is None else seen & self.mask(b, h, q, jnp.maximum(position, 0))

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Nothing more: `mask` counts positions, not places."""


@dataclass(frozen=True, eq=False)
class StoredScores(ScoreModification):
    """A score modification that is asked about the position stored at place k."""

    positions: Array  # int32 [B, M]
    mod: ScoreModification

    def __call__(self, score: Array, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`mod` at that position."""
        return _modified(self.positions, self.mod, score, b, h, q, k)


def _of_stored(cache: KVCache, score_mod: Callable[..., Array] | None, num_heads: int) -> Callable[..., Array] | None:
    """`score_mod` with true positions."""
    if score_mod is None:
        return None
    if isinstance(score_mod, ScoreModification):
        score_mod.check(num_heads)
        return StoredScores(cache.positions, score_mod)
    return partial(_modified, cache.positions, score_mod)


def _modified(positions: Array, score_mod: Callable[..., Array], score: Array, b: Any, h: Any, q: Any, k: Any) -> Array:
    """`score_mod` with the position stored at place k."""
    return score_mod(score, b, h, q, jnp.maximum(_stored(positions, b, k), 0))


def _stored(positions: Array, b: ArrayLike, k: ArrayLike) -> Array:
    """The position at place k of row b, -1 where there are no places."""
    if 0 in positions.shape:
        return jnp.full(jnp.broadcast_shapes(jnp.shape(b), jnp.shape(k)), -1, jnp.int32)
    return positions[b, k]


def _by_position(pairs: Array, cache: KVCache, *, fill: float | bool) -> Array:
    """An array [... | 1, N | 1, T | 1, P | 1] over positions as one over places, [..., M | 1]."""
    if pairs.ndim == 0 or pairs.shape[-1] == 1:
        return pairs
    places = cache.positions[:, None, None]
    return jnp.take_along_axis(with_rank(pairs, 4), places, axis=-1, mode="fill", fill_value=fill)


@jax.jit
def _nan_where(bad: Array, x: Array) -> Array:
    """x [B, T, ...] with NaN where bad [B, T] is True."""
    return jnp.where(bad.reshape(*bad.shape, *(1,) * (x.ndim - 2)), jnp.asarray(jnp.nan, x.dtype), x)
