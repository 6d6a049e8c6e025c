"""Every argument of attention that hides pairs, brought into one `Mask`.

A mask sees positions, q = t + q_offset. Query lengths, segment ids and arrays count rows t; `Shifted` turns their rows
into positions.
"""

import math
from collections.abc import Callable
from functools import reduce
from operator import and_
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, integers
from attn_jax.ops.attention.int32 import LEAST, MOST, at_most, minus, narrow
from attn_jax.ops.attention.intervals import static_integer
from attn_jax.ops.attention.mask_algebra import check_held
from attn_jax.ops.attention.masks import (
    Causal,
    Dense,
    Lengths,
    Mask,
    MaskFn,
    Segments,
    Shifted,
    SlidingWindow,
    check_per_batch,
    per_batch,
)
from attn_jax.ops.attention.user_functions import check_function
from attn_jax.ops.layout import to_rank
from attn_jax.types import Array

Window = ArrayLike | tuple[ArrayLike | None, ArrayLike | None]


def one_mask(
    mask: ArrayLike | Mask | Callable[..., Array] | None,
    *,
    is_causal: bool,
    query_seq_lengths: ArrayLike | None,
    key_value_seq_lengths: ArrayLike | None,
    local_window_size: Window | None,
    segment_ids: ArrayLike | tuple[ArrayLike, ArrayLike] | None,
    q_offset: ArrayLike,
    scores: tuple[int, ...],
) -> Mask | None:
    """All of them as one mask, None where nothing is hidden; `scores` is [..., N, T, S]."""
    masks = [
        Causal() if is_causal else None,
        _window(local_window_size, q_offset, scores[-2:]),
        _given(mask, scores),
        _segments(segment_ids, q_offset, scores),
        *_lengths(query_seq_lengths, key_value_seq_lengths, q_offset, scores),
    ]
    masks = [each for each in masks if each is not None]
    for each in masks:
        each.check_shapes(scores)
    return reduce(and_, masks) if masks else None


def _given(mask: ArrayLike | Mask | Callable[..., Array] | None, scores: tuple[int, ...]) -> Mask | None:
    """The argument `mask` as a Mask."""
    if mask is None or isinstance(mask, Mask):
        for node in jax.tree.leaves(mask, is_leaf=lambda node: isinstance(node, MaskFn)):
            if isinstance(node, MaskFn):
                check_function("mask", node.function)
        return mask
    if isinstance(mask, type):
        raise ValueError(
            f"mask: got the class {mask.__name__}, wanted a mask made from it, such as {mask.__name__}(...)"
        )
    if callable(mask):
        check_function("mask", mask)
        return MaskFn(mask)
    # NumPy's stay known while traced
    allowed: Any = mask if isinstance(mask, np.ndarray) else array("mask", mask, "bool, a Mask or a function")
    if allowed.dtype != bool:
        raise ValueError(
            f"mask: got dtype {allowed.dtype}, wanted bool (True = may attend); what is added goes into bias"
        )
    return Dense(to_rank("mask", allowed, scores))


def _window(size: Window | None, q_offset: ArrayLike, lengths: tuple[int, ...]) -> Mask | None:
    """`local_window_size` as in jax.nn: (left, right), or one number for both; `q - left <= k <= q + right`."""
    if size is None:
        return None
    pair: Any = size if isinstance(size, (tuple, list)) or np.ndim(size) else (size, size)
    try:
        left, right = (None if side is None else _side(side, lengths) for side in pair)
    except (TypeError, ValueError):
        raise ValueError(
            f"local_window_size: got {size!r}, wanted a number, or a pair (left, right) of numbers or arrays "
            f"that broadcast to [T, S] = {list(lengths)}, None for no limit"
        ) from None
    if all(side is None or (isinstance(side, int) and side >= 0) for side in (left, right)):
        return SlidingWindow(left, right)
    limits = [] if right is None else [_limit(right, q_offset, after=True)]
    limits += [] if left is None else [_limit(left, q_offset, after=False)]
    return reduce(and_, limits)


def _limit(side: Any, q_offset: ArrayLike, *, after: bool) -> Mask:
    """The keys at most so far after a query, or before it."""
    if np.ndim(side) == 0:
        return Causal(side) if after else ~Causal(~side)  # ~side = -side - 1

    def near(b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        t = minus(q, per_batch(q_offset, b))
        limit = side[t if side.shape[0] > 1 else 0, k if side.shape[1] > 1 else 0]
        return at_most(k, q, limit) if after else at_most(q, k, limit)

    return MaskFn(near)


def _side(side: Any, lengths: tuple[int, ...]) -> Any:
    """One side as an int, traced where it is traced, or [T | 1, S | 1]: `k <= q + right` rounds it down."""
    if np.size(side) != 1:
        if not isinstance(side, Tracer) and np.isnan(side).any():
            raise ValueError
        side = to_rank("local_window_size", jnp.asarray(side), lengths)
    elif not isinstance(side, Tracer):
        known = np.asarray(side).reshape(()).item()
        if not isinstance(known, (int, float)):
            raise ValueError
        return int(np.clip(np.floor(known), LEAST, MOST)) if isinstance(known, float) else narrow(int(known))
    if not (jnp.issubdtype(side.dtype, jnp.floating) or side.dtype.kind in "biu"):
        raise ValueError
    if jnp.issubdtype(side.dtype, jnp.floating):
        side = jnp.floor(side).astype(jnp.float32).clip(LEAST, MOST - 127)  # the float32 next to MOST
    side = jnp.asarray(narrow(side), jnp.int32)
    return side.reshape(()) if side.size == 1 else side


def _segments(ids: Any, q_offset: ArrayLike, scores: tuple[int, ...]) -> Mask | None:
    """`segment_ids`: [..., T] where T = S, or a pair (of the queries [..., T], of the keys [..., S])."""
    if ids is None:
        return None
    pair = tuple(ids) if isinstance(ids, tuple) or _is_list_of_arrays(ids) else (ids, ids)
    if len(pair) != 2:
        raise ValueError(f"segment_ids: got {len(pair)} arrays, wanted one, or a pair (query ids, key ids)")
    lead, flat = scores[:-3], []
    for x, name, length in zip(pair, ("query", "key"), scores[-2:], strict=True):
        x = array("segment_ids", x, "integers")
        if not jnp.issubdtype(x.dtype, jnp.integer) or x.shape not in ((*lead, length), (length,)):
            raise ValueError(
                f"segment_ids: got {x.dtype}{list(x.shape)} for the {name}, wanted integers {[*lead, length]} or "
                f"{[length]}; where T and S differ, a pair (query ids, key ids)"
            )
        flat.append(x.reshape(math.prod(lead), length) if x.ndim > 1 else x)
    return _from_rows(Segments(*flat), q_offset)


def _is_list_of_arrays(ids: Any) -> bool:
    """Whether a list is a pair, and not one array as a list of numbers, or of rows."""
    return isinstance(ids, list) and all(isinstance(x, (jax.Array, np.ndarray)) and x.ndim for x in ids)


def _lengths(
    queries: ArrayLike | None, keys: ArrayLike | None, q_offset: ArrayLike, scores: tuple[int, ...]
) -> tuple[Mask | None, Mask | None]:
    """`query_seq_lengths` and `key_value_seq_lengths` as masks."""
    queries = flat_numbers("query_seq_lengths", queries, scores[:-3])
    keys = flat_numbers("key_value_seq_lengths", keys, scores[:-3])
    return (
        None if queries is None else _from_rows(Lengths(q=queries), q_offset),
        None if keys is None else Lengths(k=keys),
    )


def flat_numbers(name: str, lengths: Any, lead: tuple[int, ...]) -> Any:
    """Integers, a scalar, [B] or [...], as a scalar or [B], never narrower than int32, where a sum would wrap."""
    if lengths is None:
        return None
    if isinstance(lengths, (int, np.integer)):
        check_per_batch(name, int(lengths), math.prod(lead))
        return lengths
    check_held(name, lengths)  # before 32 bits are left of it
    lengths = integers(name, lengths)
    lengths = lengths.reshape(math.prod(lead)) if lead and lengths.shape == lead else lengths
    check_per_batch(name, lengths, math.prod(lead))
    return lengths.astype(jnp.promote_types(lengths.dtype, jnp.int32))


def _from_rows(mask: Mask, q_offset: ArrayLike) -> Mask:
    """A mask of rows t as a mask of positions t + q_offset."""
    return mask if static_integer(q_offset) == 0 else Shifted(mask, q_offset)
