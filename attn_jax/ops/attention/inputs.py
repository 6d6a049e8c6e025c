"""What every form of attention receives: arguments checked once, with all that hides pairs in one mask."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, flag, floats, random_key, share, whole
from attn_jax.ops.attention.dropout import dropout_words
from attn_jax.ops.attention.masks import Mask
from attn_jax.ops.attention.one_mask import Window, flat_numbers, one_mask
from attn_jax.ops.attention.scores import ScoreModification
from attn_jax.ops.attention.user_functions import check_function
from attn_jax.ops.layout import check_layout, to_rank, with_rank, without_ones
from attn_jax.types import Array, Key

Implementation: TypeAlias = Literal["dense", "blockwise", "cudnn", "splash", "xla"]


class Options(TypedDict, total=False):
    """The keyword arguments of `attn_jax.dot_product_attention` that say what is computed, not how or what for."""

    scale: ArrayLike | None
    is_causal: bool
    query_seq_lengths: ArrayLike | None
    key_value_seq_lengths: ArrayLike | None
    local_window_size: Window | None
    q_offset: ArrayLike
    segment_ids: ArrayLike | tuple[ArrayLike, ArrayLike] | None
    logits_soft_cap: ArrayLike | None
    score_mod: Callable[..., Array] | None
    dropout_rate: float
    dropout_key: Key | None
    broadcast_dropout: bool
    precision: jax.lax.PrecisionLike


class Inputs(NamedTuple):
    """Checked arguments of attention. Scores have the shape [..., N, T, S]."""

    query: Array  # [..., T, N, H]
    key: Array  # [..., S, K, H]
    value: Array | None  # [..., S, K, Hv]; None where only weights are asked for
    scales: Array | None  # [... | 1, N | 1, T | 1, S | 1], times `scale`
    bias: Array | None  # of such a shape
    mask: Mask | None  # every argument that hides pairs
    score_mod: Callable[..., Array] | None
    q_offset: ArrayLike  # the position of query 0: a scalar or [B]
    scale: ArrayLike
    soft_cap: ArrayLike | None
    dropout_rate: float
    dropout_words: Array | None  # uint32 [2]; None where nothing is dropped
    precision: jax.lax.PrecisionLike
    block_sizes: tuple[int, int] | None  # (block_q, block_k); None leaves the choice to us
    broadcast_dropout: bool = False  # every batch row and head drops what (0, 0) does
    rows: Array | None = None  # the flat indices of batch rows, [...]; None: 0 .. B - 1, all of them

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading dimensions; B is their product."""
        return self.query.shape[:-3]

    @property
    def batch_size(self) -> int:
        """B, the number of batch rows."""
        return math.prod(self.lead)

    @property
    def lengths(self) -> tuple[int, int]:
        """(T, S)."""
        return self.query.shape[-3], self.key.shape[-3]

    @property
    def heads(self) -> int:
        """N."""
        return self.query.shape[-2]

    @property
    def kv_heads(self) -> int:
        """K."""
        return self.key.shape[-2]

    @property
    def groups(self) -> int:
        """G = N // K."""
        return self.heads // self.kv_heads

    @property
    def accumulator(self) -> jnp.dtype:
        """float32, or float64 where an input is."""
        arrays = [x for x in (self.query, self.key, self.value) if x is not None]
        return jnp.result_type(jnp.float32, *arrays)

    @property
    def empty(self) -> bool:
        """Whether there are no scores: an axis of size 0, other than the values'."""
        return any(size == 0 for x in (self.query, self.key) for size in x.shape)


def check_inputs(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike | None,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | Callable[..., Array] | None = None,
    *,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    local_window_size: Window | None = None,
    q_offset: ArrayLike = 0,
    segment_ids: ArrayLike | tuple[ArrayLike, ArrayLike] | None = None,
    logits_soft_cap: ArrayLike | None = None,
    score_mod: Callable[..., Array] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Key | None = None,
    broadcast_dropout: bool = False,
    precision: jax.lax.PrecisionLike = None,
    block_sizes: tuple[int, int] | None = None,
) -> Inputs:
    """The arguments of attention in the form that every path reads, or a ValueError that names the argument."""
    query = _floats("query", query)
    query = with_rank(query, 3) if query.ndim else query
    key = _like_query(_floats("key", key), query)
    value = None if value is None else _like_query(_floats("value", value), query)
    check_layout(query, key, value)
    scores = (*query.shape[:-3], query.shape[-2], query.shape[-3], key.shape[-3])
    q_offset = flat_numbers("q_offset", q_offset, scores[:-3])
    scale, scales = _scale(scale, query.shape[-1], key.shape[-2], scores)
    return Inputs(
        query=query,
        key=key,
        value=value,
        scales=scales,
        bias=None if bias is None else to_rank("bias", _numbers("bias", bias), scores),
        mask=one_mask(
            mask,
            is_causal=flag("is_causal", is_causal),
            query_seq_lengths=query_seq_lengths,
            key_value_seq_lengths=key_value_seq_lengths,
            local_window_size=local_window_size,
            segment_ids=segment_ids,
            q_offset=q_offset,
            scores=scores,
        ),
        score_mod=_modification(score_mod, query.shape[-2]),
        q_offset=q_offset,
        scale=scale,
        soft_cap=None if logits_soft_cap is None else _positive("logits_soft_cap", logits_soft_cap),
        dropout_rate=share("dropout_rate", dropout_rate),
        dropout_words=_words(dropout_rate, dropout_key),
        precision=_hashable(precision),
        block_sizes=None if block_sizes is None else _block_sizes(block_sizes),
        broadcast_dropout=flag("broadcast_dropout", broadcast_dropout),
    )


def _like_query(x: Array, query: Array) -> Array:
    """A key or value of the query's rank where they differ by leading ones alone, as `jax.nn` takes it."""
    ones = min(x.ndim, query.ndim) >= 3 and {*x.shape[:-3], *query.shape[:-3]} <= {1}
    return with_rank(without_ones(x, query.ndim), query.ndim) if ones and x.ndim != query.ndim else x


def _floats(name: str, x: ArrayLike) -> Array:
    """`x` as an array of floats; of integers `jax.nn` would round the weights, which are below 1, to 0."""
    x = array(name, x, "an array of floats")
    if x.dtype.kind in "biu":
        raise ValueError(f"{name}: got dtype {x.dtype}, wanted floats, which weights are: {name}.astype(jnp.float32)")
    return floats(name, x)


def _numbers(name: str, x: ArrayLike) -> Array:
    """`x` as an array of floats; of integers and bool too, which are the numbers they are, as in `jax.nn`."""
    x = array(name, x, "an array of floats")
    return floats(name, x.astype(jnp.float32) if x.dtype.kind in "biu" else x)


def _scale(
    scale: ArrayLike | None, size: int, kv_heads: int, scores: tuple[int, ...]
) -> tuple[ArrayLike, Array | None]:
    """(the scale of every score, or 1 and what broadcasts to the scores); a head axis is N, or K as in `jax.nn`."""
    if scale is None:
        return size**-0.5, None
    if isinstance(scale, (bool, int, float)) or array("scale", scale, "a scalar").size == 1:
        return _scalar("scale", scale), None
    scales = _numbers("scale", scale)
    if scales.ndim < 3 or scales.shape[-3] != kv_heads:
        return 1.0, to_rank("scale", scales, scores)
    scales = to_rank("scale", scales, (*scores[:-3], kv_heads, *scores[-2:]))
    return 1.0, jnp.repeat(scales, scores[-3] // kv_heads, axis=-3)


def _modification(score_mod: Callable[..., Array] | None, num_heads: int) -> Callable[..., Array] | None:
    """`score_mod`, refused unless it is a function of scores and places."""
    if score_mod is not None:
        if not callable(score_mod) or isinstance(score_mod, type):
            got = score_mod.__name__ if isinstance(score_mod, type) else type(score_mod).__name__
            raise ValueError(f"score_mod: got {got}, wanted a function (score, b, h, q, k) -> score, or SoftCap(...)")
        if isinstance(score_mod, ScoreModification):
            score_mod.check(num_heads)
        check_function("score_mod", score_mod, score_dtype=jnp.dtype(jnp.float32))
    return score_mod


def _words(rate: float, key: Key | None) -> Array | None:
    """What the key says, where something is dropped."""
    if not rate:
        return None
    if key is None:
        raise ValueError(f"dropout_key: got None, wanted a key, since dropout_rate = {rate}")
    return dropout_words(random_key("dropout_key", key))


def _hashable(precision: Any) -> Any:
    """`precision`, a list as the pair it stands for."""
    return tuple(precision) if isinstance(precision, list) else precision


def _scalar(name: str, x: ArrayLike) -> ArrayLike:
    """`x`, refused unless it is one real number; as an array it may have axes of size 1, as in `jax.nn`."""
    if isinstance(x, (bool, int, float)):  # known while tracing, for XLA to fold
        return x
    number = array(name, x, "a scalar")
    if number.size != 1 or not (number.dtype.kind in "biu" or jnp.issubdtype(number.dtype, jnp.floating)):
        got = f"shape {number.shape}" if number.size != 1 else f"dtype {number.dtype}"
        raise ValueError(f"{name}: got {got}, wanted a scalar")
    return x if isinstance(x, np.generic) else number.reshape(())


def _positive(name: str, x: ArrayLike) -> ArrayLike:
    """`x`, refused unless it is one positive number; a traced one is trusted."""
    x = _scalar(name, x)
    if not isinstance(x, Tracer) and not np.all(np.greater(x, 0)):
        raise ValueError(f"{name}: got {x}, wanted a number > 0, or None for no cap")
    return x


def _block_sizes(sizes: tuple[int, int]) -> tuple[int, int]:
    """`block_sizes`, refused unless it is a pair of positive ints."""
    try:
        block_q, block_k = (whole("block_sizes", size, 1) for size in sizes)
    except (TypeError, ValueError):
        raise ValueError(f"block_sizes: got {sizes!r}, wanted a pair (block_q, block_k) of ints > 0") from None
    return block_q, block_k
