"""Attention by the splash kernel of `jax.experimental.pallas.ops.tpu.splash_attention`: TPUs only.

What the kernel takes: a mask known while the program is traced, one for all batch rows, of which it skips the blocks
that hide everything; segment ids, as which key lengths are passed too; a soft-cap; grouped heads; Hv != H. All else
raises. Queries are scaled before the kernel, in their own dtype. Padding is cleaned before and rows that see nothing
are set after the kernel, whose own answers there are others than the contract's.
"""

from dataclasses import dataclass
from functools import partial, reduce
from operator import and_
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as splash_masks

from attn_jax.ops.attention.fused import (
    Part,
    batch_rows,
    least,
    on_platform,
    parts,
    refuse_shared,
    row_lengths,
    where_seen,
    without_gradient,
    without_padding,
)
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.masks import Dense, Lengths, Segments
from attn_jax.ops.layout import to_rank
from attn_jax.types import Array

_LANES = 128  # of a TPU's vector unit: T and S are multiples
_HIDDEN = kernels.DEFAULT_MASK_VALUE


@dataclass(frozen=True, eq=False)
class RowRanges(splash_masks.Mask):
    """A mask of splash's own kind from the intervals that each row may see; no T x S array is made."""

    ranges: np.ndarray  # int64 [ranges, 2, T]: from, to
    keys: int

    @property
    def shape(self) -> tuple[int, int]:
        """(T, S)."""
        return self.ranges.shape[-1], self.keys

    def __getitem__(self, index: tuple[slice, slice]) -> np.ndarray:
        rows, keys = index
        s = np.arange(self.keys)[keys]
        low, high = self.ranges[:, 0, rows, None], self.ranges[:, 1, rows, None]
        return np.any((low <= s) & (s < high), axis=0, keepdims=True)[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowRanges) and self.keys == other.keys and np.array_equal(self.ranges, other.ranges)

    def __hash__(self) -> int:
        return hash((self.keys, self.ranges.tobytes()))


class _Hidden(NamedTuple):
    """All that hides pairs, in the kernel's terms."""

    heads: tuple[splash_masks.Mask, ...]  # N of them
    segments: Segments | None
    rows: Array | None  # int32 [B]
    keys: Array | None  # int32 [B]


def splash_attention(x: Inputs) -> tuple[Array, Array]:
    """(out, lse) by the splash kernel, or a ValueError that names what it cannot do."""
    hidden = _hidden(x)
    return _attention(x._replace(query=on_platform(x.query, "tpu", "splash")), hidden)


def why_not(x: Inputs) -> str | None:
    """Why splash cannot compute this, as a message that names the argument, or None; the platform is not looked at."""
    try:
        _hidden(x)
    except ValueError as error:
        return str(error)
    return None


def _attention(x: Inputs, hidden: _Hidden, *, interpret: bool = False) -> tuple[Array, Array]:
    """The call of the kernel on every batch row, [N, T, H] each; `interpret` is for tests."""
    query, key, value = batch_rows(x)
    scaled = (query.astype(jnp.float32) * x.scale).astype(query.dtype)
    arrays = (
        without_padding(scaled, hidden.rows),
        without_padding(key, hidden.keys),
        without_padding(value, hidden.keys),
    )
    kernel = _Kernel(hidden.heads, None if x.soft_cap is None else float(cast(Any, x.soft_cap)), interpret)
    ids = _segment_ids(x, hidden)
    out, lse = jax.vmap(partial(_run, kernel))(*(jnp.swapaxes(a, 1, 2) for a in arrays), ids)
    out, lse = jnp.swapaxes(out, 1, 2).astype(x.accumulator), jnp.swapaxes(lse, 1, 2)
    seen = ~(lse <= _HIDDEN / 2)  # NaN counts as seen
    if hidden.rows is not None:
        seen = seen & (jnp.arange(x.lengths[0]) < hidden.rows[:, None])[..., None]
    out, lse = where_seen(seen, out, without_gradient(lse, "splash"))
    return out.reshape(*x.lead, *out.shape[1:]), lse.reshape(*x.lead, *lse.shape[1:])


class _Kernel(NamedTuple):
    """What is static about a kernel, hashable."""

    heads: tuple[splash_masks.Mask, ...]
    soft_cap: float | None
    interpret: bool

    def make(self, *, with_lse: bool) -> Any:
        """The kernel, for one batch row; that with lse has no derivative in JAX."""
        T, S = self.heads[0].shape
        rows, keys = _block(T), _block(S)
        sizes = kernels.BlockSizes(
            **dict.fromkeys(("block_q", "block_q_dq", "block_q_dkv"), rows),  # the same: a dead row stays dead
            **dict.fromkeys(("block_kv", "block_kv_dq", "block_kv_dkv"), keys),
        )
        return kernels.make_splash_mha(
            splash_masks.MultiHeadMask(self.heads),
            block_sizes=sizes,
            head_shards=1,
            q_seq_shards=1,
            save_residuals=with_lse,
            attn_logits_soft_cap=self.soft_cap,
            interpret=self.interpret,
        )


def _block(length: int) -> int:
    """The largest block that divides a length."""
    return next(size for size in (512, 256, _LANES) if length % size == 0)


def _forward(kernel: _Kernel, query: Array, key: Array, value: Array, ids: Any) -> tuple[Array, Array]:
    """One batch row in one pass: (out, lse)."""
    out, (lse,) = kernel.make(with_lse=True)(query, key, value, ids)
    return out, lse


def _run_forward(kernel: _Kernel, query: Array, key: Array, value: Array, ids: Any) -> tuple[Any, Any]:
    """The same, with what the backward pass needs, which lse is part of: it alone is float32 [N, T]."""
    out, pullback = jax.vjp(partial(kernel.make(with_lse=False), segment_ids=ids), query, key, value)
    kept = [x for x in jax.tree.leaves(pullback) if x.shape == out.shape[:2] and x.dtype == jnp.float32]
    lse = kept[0] if len(kept) == 1 else _run(kernel, query, key, value, ids)[1]
    return (out, lse), pullback


def _run_backward(kernel: _Kernel, pullback: Any, cotangents: tuple[Array, Array]) -> tuple:
    """The kernel's own derivative; a gradient through lse was refused before it came here."""
    return (*pullback(cotangents[0]), None)


_run = jax.custom_vjp(_forward, nondiff_argnums=(0,))
_run.defvjp(_run_forward, _run_backward)


def _hidden(x: Inputs) -> _Hidden:
    """The mask of `x` in the kernel's terms, or a ValueError that names an argument that the kernel has no form of."""
    refuse_shared(x, "splash", ("float32", "bfloat16"))
    wanted = "wanted what the splash kernel computes"
    for name, array, length in (("query", "T", x.lengths[0]), ("key", "S", x.lengths[1])):
        if length % _LANES:
            raise ValueError(f"{name}: got {array} = {length}, {wanted}: a multiple of {_LANES}")
    if x.bias is not None:
        raise ValueError(f"bias: got {x.bias.dtype}{list(x.bias.shape)}, {wanted}: None")
    if isinstance(x.soft_cap, Tracer):
        raise ValueError(f"logits_soft_cap: got a traced number, {wanted}: a Python number")
    return _split(x)


def _split(x: Inputs) -> _Hidden:
    """The parts of the mask: those known now, segment ids, and lengths."""
    T, S = x.lengths
    segments, rows, keys = None, None, None
    blocks: list[tuple[splash_masks.Mask, ...]] = []
    for part in parts(x.mask, x.q_offset):
        ranges = _ranges(part, T, S)
        if ranges is not None:
            blocks.append((ranges,) * x.heads)
        elif isinstance(part.mask, Lengths):
            limits = row_lengths(part.mask, part.shift, x.batch_size, (T, S))
            rows, keys = least(rows, limits[0]), least(keys, limits[1])
        elif isinstance(part.mask, Segments):
            segments = _one_segments(segments, part.mask, part.shift, T)
        else:
            blocks.append(_arrays(x, part))
    blocks = blocks or [(splash_masks.FullMask((T, S)),) * x.heads]
    heads = tuple(reduce(and_, masks) for masks in zip(*blocks, strict=True))
    if not any(_shows(head) for head in set(heads)):
        raise ValueError("mask: got one that hides every pair, wanted one that shows some for the splash kernel")
    return _Hidden(heads, segments, rows, keys)


def _shows(mask: splash_masks.Mask) -> bool:
    """Whether any pair is visible, asked in the blocks' rows: the first most often answers."""
    T, S = mask.shape
    block = _block(T)
    return any(mask[t : t + block, 0:S].any() for t in range(0, T, block))


def _ranges(part: Part, T: int, S: int) -> RowRanges | None:
    """A mask that is exactly the intervals it gives; None where it is not, or where positions are not known."""
    if part.shift is None:
        return None
    intervals = part.mask.intervals(np.arange(T) + part.shift, S)
    if not intervals.exact:
        return None
    ranges = np.array([np.stack(pair) for pair in intervals.ranges], np.int64).reshape(-1, 2, T)
    return RowRanges(ranges, S)


def _one_segments(segments: Segments | None, mask: Segments, first: int | None, T: int) -> Segments:
    """The only segments of a mask, with ids of rows t, where those of `mask` are of positions t + first."""
    if segments is not None:
        raise ValueError("segment_ids, mask: got two Segments, wanted one, of joined ids, for the splash kernel")
    queries, keys = mask.q, mask.q if mask.k is None else mask.k
    if first is None or not 0 <= first <= queries.shape[-1] - T:
        raise ValueError(
            f"mask: got Segments with ids of {queries.shape[-1]} positions for {T} queries from position {first} on, "
            "wanted an id for each of them, known while the program is traced; or pass segment_ids, which count rows"
        )
    for ids in (queries, keys):
        if not np.can_cast(jax.dtypes.canonicalize_dtype(ids.dtype), np.int32):
            raise ValueError(
                f"segment_ids, mask: got ids of {ids.dtype}, wanted int32 or narrower for the splash kernel"
            )
    return Segments(queries[..., first : first + T], keys)


def _arrays(x: Inputs, part: Part) -> tuple[splash_masks.Mask, ...]:
    """Any other mask, evaluated now for all pairs: a T x S array for each head that differs."""
    allowed = _evaluate(x, part)
    if isinstance(allowed, Tracer):
        raise ValueError(
            f"mask: got {type(part.mask).__name__} of values that are traced, wanted ones known while the program is "
            "traced (NumPy arrays, Python numbers), from which splash makes its map of blocks"
        )
    allowed = np.broadcast_to(np.asarray(allowed), (*allowed.shape[:-2], *x.lengths))
    allowed = allowed.reshape(-1, *allowed.shape[-3:])
    if (allowed != allowed[:1]).any():
        raise ValueError(
            f"mask: got {type(part.mask).__name__} that differs between batch rows, wanted one for all for the splash "
            "kernel; segment_ids and key_value_seq_lengths may differ"
        )
    masks = tuple(splash_masks.NumpyMask(np.array(head)) for head in allowed[0])
    return masks * x.heads if len(masks) == 1 else masks


def _evaluate(x: Inputs, part: Part) -> Any:
    """A mask on all pairs, bool [... | 1, N | 1, T | 1, S | 1]; a tracer where it holds one."""
    if isinstance(part.mask, Dense):
        array: Any = part.mask.array if isinstance(part.mask.array, Tracer) else np.asarray(part.mask.array)
        return to_rank("mask", array, (*x.lead, x.heads, *x.lengths))
    if part.shift is None:
        raise ValueError(
            "q_offset: got one that is traced or [B], wanted an int: splash reads its mask while the program is traced"
        )
    T, S = x.lengths
    sizes = (x.batch_size, x.heads, T, S)
    b, h, t, s = (np.arange(n).reshape(-1, *(1,) * (3 - axis)) for axis, n in enumerate(sizes))
    with jax.ensure_compile_time_eval():
        allowed = part.mask(b, h, t + part.shift, s)
        return allowed.reshape((1,) * (4 - allowed.ndim) + allowed.shape)


def _segment_ids(x: Inputs, hidden: _Hidden) -> kernels.SegmentIds | None:
    """The kernel's ids of queries [B, T] and keys [B, S]; a key beyond its length has an id that no query has."""
    T, S = x.lengths
    if hidden.segments is None and hidden.keys is None:
        return None
    if hidden.segments is None:
        queries, keys = jnp.zeros((1, T), jnp.int32), jnp.zeros((1, S), jnp.int32)
    else:
        queries, keys = (jnp.asarray(ids, jnp.int32) for ids in (hidden.segments.q, hidden.segments.k))
    queries, keys = jnp.broadcast_to(queries, (x.batch_size, T)), jnp.broadcast_to(keys, (x.batch_size, S))
    if hidden.keys is not None:
        keys = jnp.where(jnp.arange(S) < hidden.keys[:, None], keys, jax.vmap(_unused)(queries)[:, None])
    return kernels.SegmentIds(queries, keys)


def _unused(ids: Array) -> Array:
    """The least number >= 0 that is not among `ids` [T]."""
    T = ids.shape[0]
    inside = jnp.where((ids >= 0) & (ids <= T), ids, T + 1)
    return jnp.argmin(jnp.zeros(T + 2, bool).at[inside].set(True)[: T + 1]).astype(ids.dtype)
