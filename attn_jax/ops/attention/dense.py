"""Attention with all scores at once: the definition, the weights for inspection, and the fast form for short sequences.

Letters: attn_jax/types.py. Inside, the G queries of a place that read the same key/value head are rows of one matrix
product, r = t * G + g, so that scores are [..., K, R, S]; what is done to a score sees them as *pairs*,
[..., K, T, G, S]. (With G as an axis of its own in the products, even of size 1, XLA's CPU backend needs 1.2 times as
long forward and backward, measured; where G = 1, pairs have no such axis.)

NaN and inf in a key or value reach no row that does not see them: queries, keys and values are cleaned to 0 where
they are not finite, and NaN is *added* at the end to the rows that saw one. Addition passes cotangents on unchanged,
so that a row of zero cotangent stays out of every gradient; a NaN inside the softmax would not.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array
from attn_jax.ops.attention.dropout import keep_weights
from attn_jax.ops.attention.eager import compile_eager
from attn_jax.ops.attention.inputs import Inputs, Options, check_inputs
from attn_jax.ops.attention.int32 import plus
from attn_jax.ops.attention.logits import Places, modify_scores, visible_pairs
from attn_jax.ops.attention.masks import Mask, per_batch
from attn_jax.ops.attention.sinks import Result, answer, finish
from attn_jax.ops.layout import with_rank
from attn_jax.types import Array


def attention_weights(
    query: ArrayLike,
    key: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | Callable[..., Array] | None = None,
    **options: Unpack[Options],
) -> Array:
    """How much each query takes of each key, for inspection.

    `softmax_s(mask(cap(score_mod(scale * query_t . key_s + bias_ts))))`; every row sums to 1, or is 0 where nothing may
    be seen. (With dropout: before it.)

    Args: those of `attn_jax.dot_product_attention`, shapes, dtypes and meaning; no sinks.

    Returns:
      [..., N, T, S], float32 (float64 for float64 inputs). A row that sees a key that is not finite is NaN.

    Raises:
      ValueError: as `attn_jax.dot_product_attention`.

    Example:
      >>> attention_weights(jnp.zeros((2, 1, 4)), jnp.ones((2, 1, 4)), is_causal=True).tolist()
      [[[1.0, 0.0], [0.5, 0.5]]]

    Reference: Bahdanau et al. 2014, arXiv:1409.0473, equation 6; Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    return _weights(_without_blocks(check_inputs(query, key, None, bias, mask, **options)))


@compile_eager
def _weights(x: Inputs) -> Array:
    """`attention_weights` of checked arguments."""
    scores, visible = _scores(x)
    powers, total, lse = _exponentials(scores)
    weights = powers / total[..., None] + _taint(x, visible, lse)[..., None]
    return jnp.swapaxes(_from_rows(jnp.swapaxes(weights, -3, -2), x), -3, -2)


def attention_reference(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | Callable[..., Array] | None = None,
    *,
    sinks: ArrayLike | None = None,
    return_lse: bool = False,
    return_residual: bool = False,
    **options: Unpack[Options],
) -> Any:  # out, or a pair with return_lse or return_residual
    """Attention as it is defined: weights that sum to one, then their sum of values. The yardstick of every other path.

    `out_t = sum_s dropout(softmax_s(mask(cap(score_mod(scale * query_t . key_s + bias_ts))))) value_s`, materialised.

    Args: those of `attn_jax.dot_product_attention` but `implementation` and `block_sizes`; float64 in, float64 out.

    Returns:
      [..., T, N, Hv] of the query's dtype, and with `return_lse` the log of the softmax's denominator, [..., T, N].

    Raises:
      ValueError: as `attn_jax.dot_product_attention`.

    Example:
      >>> one, values = jnp.ones((2, 1, 4)), jnp.array([[[2.0]], [[4.0]]])
      >>> attention_reference(one, one, values, is_causal=True).ravel().tolist()
      [2.0, 3.0]

    Reference: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    query = array("query", query)
    x = _without_blocks(check_inputs(query, key, value, bias, mask, **options))
    scores, visible = _scores(x)
    powers, total, lse = _exponentials(scores)
    weights = _drop(x, powers / total[..., None])
    out, lse = finish(_result(x, _sum_values(x, weights), lse, visible), sinks)
    return answer(out, lse, query, return_lse=return_lse, return_residual=return_residual)


def why_not(x: Inputs) -> str | None:
    """Why not all scores at once, as a message that names the argument; None: they can be."""
    return None if x.block_sizes is None else f"block_sizes: got {x.block_sizes}, wanted None: dense has no blocks"


def _without_blocks(x: Inputs) -> Inputs:
    """`x`, or a ValueError."""
    reason = why_not(x)
    if reason is not None:
        raise ValueError(reason)
    return x


def dense_attention(x: Inputs) -> Result:
    """Attention with all scores at once.

    The division comes after the value product: [T, Hv] quotients for [T, S], and a leaner gradient.
    """
    scores, visible = _scores(x)
    powers, total, lse = _exponentials(scores)
    out = _sum_values(x, _drop(x, powers)) / jnp.swapaxes(total, -1, -2)[..., None]
    return _result(x, out, lse, visible)


def _clean(array: Array, x: Inputs) -> Array:
    """`array` in the accumulator's dtype, 0 where it is not finite."""
    return jnp.where(jnp.isfinite(array), array, 0).astype(x.accumulator)


def _to_rows(array: Array, x: Inputs) -> Array:
    """[..., T, N, H] -> [..., R, K, H]."""
    if x.groups == 1:
        return array
    split = array.reshape(*array.shape[:-2], x.kv_heads, x.groups, array.shape[-1])
    return jnp.swapaxes(split, -3, -2).reshape(*x.lead, array.shape[-3] * x.groups, x.kv_heads, array.shape[-1])


def _from_rows(array: Array, x: Inputs) -> Array:
    """[..., R, K, H] -> [..., T, N, H], the inverse of `_to_rows`."""
    if x.groups == 1:
        return array
    split = array.reshape(*x.query.shape[:-2], x.groups, x.kv_heads, array.shape[-1])
    return jnp.swapaxes(split, -3, -2).reshape(*x.query.shape[:-1], array.shape[-1])


def _split_heads(pairs: Array, x: Inputs) -> Array:
    """[... | 1, N | 1, T | 1, S | 1] -> pairs [... | 1, K | 1, T | 1, G | 1, S | 1]; where G = 1, as it is."""
    if x.groups == 1:
        return pairs
    *lead, N, T, S = pairs.shape
    split = pairs.reshape(*lead, *((1, 1) if N == 1 else (x.kv_heads, x.groups)), T, S)
    return jnp.swapaxes(split, -3, -2)


def _merge_rows(pairs: Array, x: Inputs) -> Array:
    """pairs [... | 1, K | 1, T | 1, G | 1, S | 1] -> [... | 1, K | 1, R | 1, S | 1]."""
    if x.groups == 1 or pairs.shape[-3] == pairs.shape[-2] == 1:
        return pairs if x.groups == 1 else pairs[..., 0, :]
    *lead, _, _, S = pairs.shape
    whole = jnp.broadcast_to(pairs, (*lead, x.lengths[0], x.groups, S))
    return whole.reshape(*lead, x.lengths[0] * x.groups, S)


def _places(x: Inputs) -> Places:
    """(b, h, q, k) that broadcast against pairs; q counts from q_offset."""
    T, S = x.lengths
    ones = (1,) * len(x.lead)
    groups = () if x.groups == 1 else (x.groups,)
    spread = (1,) * len(groups)
    b = _rows(x).reshape(*x.lead, 1, 1, *spread, 1)
    h = _arange(x.heads).reshape(*ones, x.kv_heads, 1, *groups, 1)
    q = plus(_arange(T).reshape(*ones, 1, T, *spread, 1), per_batch(x.q_offset, b))
    return b, h, q, _arange(S).reshape(*ones, 1, 1, *spread, S)


def _arange(size: Any) -> Array:
    """0 .. size - 1, int32 also where 64 bits are the default."""
    return jnp.arange(size, dtype=jnp.int32)


def _rows(x: Inputs) -> Array:
    """The flat indices of the batch rows."""
    return jnp.arange(x.batch_size) if x.rows is None else x.rows


def _visible(x: Inputs, places: Places) -> Array | None:
    """Which pairs the masks leave, bool, as small as they are; None means all."""
    if x.mask is None:
        return None
    rank = x.query.ndim + (x.groups > 1)  # of pairs
    return with_rank(visible_pairs(x.mask, places, partial(_read_pairs, x)), rank)


def _read_pairs(x: Inputs, array: Array) -> Array:
    """An array [... | 1, N | 1, T | 1, S | 1] of any rank up to that, as pairs."""
    return _split_heads(with_rank(array, x.query.ndim), x)


def _scores(x: Inputs) -> tuple[Array, Array | None]:
    """(scores [..., K, R, S], which of them count): -inf where not; None means all."""
    query = (_to_rows(_clean(x.query, x), x) * x.scale).astype(x.accumulator)
    scores = jnp.einsum("...rkh,...skh->...krs", query, _clean(x.key, x), precision=x.precision)
    places = _places(x)
    visible = _visible(x, places)
    rows = scores.shape
    pairs = rows if x.groups == 1 else (*x.lead, x.kv_heads, x.lengths[0], x.groups, x.lengths[1])
    scores = modify_scores(
        scores.reshape(pairs),
        places,
        scales=None if x.scales is None else _read_pairs(x, x.scales),
        bias=None if x.bias is None else _read_pairs(x, x.bias),
        score_mod=x.score_mod,
        soft_cap=x.soft_cap,
        visible=visible,
    ).reshape(rows)
    if x.bias is not None or x.score_mod is not None:  # these may mask too
        return scores, scores > -jnp.inf
    return scores, None if visible is None else _merge_rows(visible, x)


def _drop(x: Inputs, weights: Array) -> Array:
    """Weights [..., K, R, S] with some of them dropped, the others scaled up."""
    if x.dropout_words is None:
        return weights
    heads, rows = (jnp.arange(1), jnp.arange(1)) if x.broadcast_dropout else (jnp.arange(x.heads), _rows(x).reshape(-1))
    keep = jax.vmap(partial(keep_weights, x.dropout_words, x.dropout_rate, heads=heads, size=x.lengths))(rows)
    keep = with_rank(keep[0], x.query.ndim) if x.broadcast_dropout else keep.reshape(*x.lead, *keep.shape[1:])
    return weights * _merge_rows(_split_heads(keep, x), x).astype(weights.dtype)


def _exponentials(scores: Array) -> tuple[Array, Array, Array]:
    """(exp(score - highest), its row sum or 1 where the row is empty, lse), the latter two [..., K, R].

    The highest score is a constant of the derivative: results do not depend on it.
    """
    highest = jax.lax.stop_gradient(jnp.max(scores, axis=-1, initial=-jnp.inf))
    empty = highest == -jnp.inf
    highest = jnp.where(empty, 0, highest)
    powers = jnp.exp(scores - highest[..., None])
    total = jnp.where(empty, 1, jnp.sum(powers, axis=-1))
    return powers, total, jnp.where(empty, -jnp.inf, highest + jnp.log(total))


def _sum_values(x: Inputs, weights: Array) -> Array:
    """`weights @ value`, [..., K, R, S] -> [..., R, K, Hv]."""
    assert x.value is not None  # None only for attention_weights, which stops before this
    return jnp.einsum("...krs,...skh->...rkh", weights, _clean(x.value, x), precision=x.precision)


def _taint(x: Inputs, visible: Array | None, lse: Array) -> Array:
    """NaN for rows whose query, or whose visible keys or values, are not finite, 0 for others, [..., K, R]."""
    bad = _not_finite(x.key) if x.value is None else _not_finite(x.key) | _not_finite(x.value)
    bad = jnp.swapaxes(bad, -1, -2)[..., None]  # [..., K, S, 1]
    if visible is None:
        seen = jnp.any(bad, axis=-2)
    else:  # a small product counts the bad keys of each row, without an array of the size of the scores
        pairs = jnp.broadcast_to(visible, (*visible.shape[:-1], bad.shape[-2]))
        seen = jnp.matmul(pairs.astype(jnp.float32), bad.astype(jnp.float32))[..., 0] > 0
    queries = jnp.swapaxes(_to_rows(_not_finite(x.query)[..., None], x)[..., 0], -1, -2)
    return jnp.where(seen | queries & (lse > -jnp.inf), jnp.nan, 0).astype(lse.dtype)


def _not_finite(array: Array) -> Array:
    """Which vectors [...] of an array [..., H] hold NaN or inf."""
    return jnp.any(~jnp.isfinite(array), axis=-1)


def _result(x: Inputs, out: Array, lse: Array, visible: Array | None) -> Result:
    """(out [..., R, K, Hv], lse [..., K, R]) brought to [..., T, N, Hv] and [..., T, N], and the taint."""
    lse, taint = (_from_rows(jnp.swapaxes(y, -1, -2)[..., None], x)[..., 0] for y in (lse, _taint(x, visible, lse)))
    return Result(_from_rows(out, x), lse, taint)
