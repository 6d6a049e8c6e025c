"""Attention with all scores at once: the definition, the weights for inspection, and the fast form for short sequences.

Letters: attn_jax/types.py. Inside, the G queries of a place that read the same key/value head are rows of one matrix
product, r = t * G + g, so that scores are [..., K, R, S]. (With G as an axis of its own, even of size 1, XLA's CPU
backend needs 1.2 times as long forward and backward, measured.)

NaN and inf in a key or value reach no row that does not see them: queries, keys and values are cleaned to 0 where
they are not finite, and NaN is *added* at the end to the rows that saw one. Addition passes cotangents on unchanged,
so that a row of zero cotangent stays out of every gradient; a NaN inside the softmax would not.
"""

from collections.abc import Callable
from functools import reduce
from operator import and_
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.inputs import Inputs, check_inputs
from attn_jax.ops.masks import Mask, per_batch
from attn_jax.types import Array, Key


def attention_weights(
    query: ArrayLike,
    key: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | None = None,
    *,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    q_offset: ArrayLike = 0,
    logits_soft_cap: ArrayLike | None = None,
    precision: jax.lax.PrecisionLike = None,
) -> Array:
    """How much each query takes of each key, for inspection.

    `softmax_s(mask(cap(scale * query_t . key_s + bias_ts)))`; every row sums to 1, or is 0 where nothing may be seen.

    Args: those of `attn_jax.dot_product_attention`, shapes, dtypes and meaning.

    Returns:
      [..., N, T, S], float32 (float64 for float64 inputs). A row that sees a key that is not finite is NaN.

    Raises:
      ValueError: as `attn_jax.dot_product_attention`.

    Example:
      >>> attention_weights(jnp.zeros((2, 1, 4)), jnp.ones((2, 1, 4)), is_causal=True).tolist()
      [[[1.0, 0.0], [0.5, 0.5]]]

    Reference: Bahdanau et al. 2014, arXiv:1409.0473, equation 6; Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    x = check_inputs(
        query,
        key,
        None,
        bias,
        mask,
        scale=scale,
        is_causal=is_causal,
        query_seq_lengths=query_seq_lengths,
        key_value_seq_lengths=key_value_seq_lengths,
        q_offset=q_offset,
        logits_soft_cap=logits_soft_cap,
        precision=precision,
    )
    scores, visible = _scores(x)
    powers, total, lse = _exponentials(scores)
    weights = powers / total[..., None] + _taint(x, visible, lse)[..., None]
    return jnp.swapaxes(_from_rows(jnp.swapaxes(weights, -3, -2), x), -3, -2)


def attention_reference(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | None = None,
    *,
    scale: ArrayLike | None = None,
    is_causal: bool = False,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    local_window_size: int | tuple[int, int] | None = None,
    q_offset: ArrayLike = 0,
    segment_ids: ArrayLike | None = None,
    logits_soft_cap: ArrayLike | None = None,
    sinks: ArrayLike | None = None,
    score_mod: Callable[..., Array] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Key | None = None,
    precision: jax.lax.PrecisionLike = None,
    implementation: object = None,
    block_sizes: tuple[int, int] | None = None,
    return_lse: bool = False,
) -> Any:  # out, or (out, lse) with return_lse
    """Attention as it is defined: weights that sum to one, then their sum of values. The yardstick of every other path.

    `out_t = sum_s softmax_s(mask(cap(scale * query_t . key_s + bias_ts))) value_s`, materialised.

    Args: those of `attn_jax.dot_product_attention`; float64 in, float64 out. `implementation` is not read: this is one.

    Returns:
      [..., T, N, Hv] of the query's dtype, and with `return_lse` the log of the softmax's denominator, [..., T, N].

    Raises:
      ValueError, NotImplementedError: as `attn_jax.dot_product_attention`.

    Example:
      >>> one, values = jnp.ones((2, 1, 4)), jnp.array([[[2.0]], [[4.0]]])
      >>> attention_reference(one, one, values, is_causal=True).ravel().tolist()
      [2.0, 3.0]

    Reference: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    x = check_inputs(
        query,
        key,
        value,
        bias,
        mask,
        scale=scale,
        is_causal=is_causal,
        query_seq_lengths=query_seq_lengths,
        key_value_seq_lengths=key_value_seq_lengths,
        local_window_size=local_window_size,
        q_offset=q_offset,
        segment_ids=segment_ids,
        logits_soft_cap=logits_soft_cap,
        sinks=sinks,
        score_mod=score_mod,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        precision=precision,
        block_sizes=block_sizes,
    )
    scores, visible = _scores(x)
    powers, total, lse = _exponentials(scores)
    weights = powers / total[..., None]
    out, lse = _finish(x, _sum_values(x, weights), lse, _taint(x, visible, lse))
    return (out, lse) if return_lse else out


def dense_attention(x: Inputs) -> tuple[Array, Array]:
    """(out, lse) with the division after the value product: [T, Hv] quotients for [T, S], and a leaner gradient."""
    scores, visible = _scores(x)
    powers, total, lse = _exponentials(scores)
    out = _sum_values(x, powers) / jnp.swapaxes(total, -1, -2)[..., None]
    return _finish(x, out, lse, _taint(x, visible, lse))


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


def _pairs_to_rows(pairs: Array, x: Inputs) -> Array:
    """[..., N | 1, T | 1, S | 1] -> [..., K | 1, R | 1, S | 1]."""
    if x.groups == 1 or pairs.shape[-3] == pairs.shape[-2] == 1:
        return pairs
    kv_heads, groups = (1, 1) if pairs.shape[-3] == 1 else (x.kv_heads, x.groups)
    *lead, _, T, S = pairs.shape
    split = jnp.swapaxes(pairs.reshape(*lead, kv_heads, groups, T, S), -3, -2)
    whole = jnp.broadcast_to(split, (*lead, kv_heads, x.query.shape[-3], x.groups, S))
    return whole.reshape(*lead, kv_heads, x.query.shape[-3] * x.groups, S)


def _visible(x: Inputs) -> Array | None:
    """Which pairs count, bool [... | 1, K | 1, R | 1, S | 1], as small as the masks leave it; None means all."""
    parts = [x.allowed] if x.allowed is not None else []
    if x.bias is not None:
        parts.append(x.bias != -jnp.inf)
    if x.rule is not None:
        rule = jnp.asarray(x.rule(*_indices(x)), bool)
        parts.append(rule.reshape((1,) * (x.query.ndim - rule.ndim) + rule.shape))
    return _pairs_to_rows(reduce(and_, parts), x) if parts else None


def _indices(x: Inputs) -> tuple[Array, Array, Array, Array]:
    """(b, h, q, k) for a mask, each of the rank of [..., N, T, S]; q counts from q_offset."""
    T, S = x.query.shape[-3], x.key.shape[-3]
    ones = (1,) * len(x.lead)
    b = jnp.arange(x.batch_size).reshape(*x.lead, 1, 1, 1)
    h = jnp.arange(x.heads).reshape(*ones, x.heads, 1, 1)
    q = jnp.arange(T).reshape(*ones, 1, T, 1) + per_batch(x.q_offset, b)
    return b, h, q, jnp.arange(S).reshape(*ones, 1, 1, S)


def _scores(x: Inputs) -> tuple[Array, Array | None]:
    """(scores [..., K, R, S], visible pairs): scale, bias, cap, mask, in this order; -inf where not visible."""
    query = (_to_rows(_clean(x.query, x), x) * x.scale).astype(x.accumulator)
    scores = jnp.einsum("...rkh,...skh->...krs", query, _clean(x.key, x), precision=x.precision)
    visible = _visible(x)
    if x.bias is not None and visible is not None:
        # Where the pair does not count, neither does its bias: -inf must not reach the cap, nor NaN the gradient.
        scores = scores + jnp.where(visible, _pairs_to_rows(x.bias, x), 0).astype(scores.dtype)
    if x.soft_cap is not None:
        cap = jnp.asarray(x.soft_cap, scores.dtype)
        scores = cap * jnp.tanh(scores / cap)
    return (scores if visible is None else jnp.where(visible, scores, -jnp.inf)), visible


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


def _finish(x: Inputs, out: Array, lse: Array, taint: Array) -> tuple[Array, Array]:
    """Taints (out [..., R, K, Hv], lse [..., K, R]) and brings them to [..., T, N, Hv] and [..., T, N]."""
    out = _from_rows(out + jnp.swapaxes(taint, -1, -2)[..., None], x)
    lse = _from_rows(jnp.swapaxes(lse + taint, -1, -2)[..., None], x)[..., 0]
    return out.astype(x.query.dtype), lse
