"""The one attention function: arguments checked once, then handed to the path that was asked for."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array
from attn_jax.ops.attention.inputs import Implementation, check_inputs
from attn_jax.ops.attention.masks import Mask
from attn_jax.ops.attention.one_mask import Window
from attn_jax.ops.attention.paths import run_chosen
from attn_jax.ops.attention.sinks import answer, finish
from attn_jax.types import Array, Key


def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
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
    sinks: ArrayLike | None = None,
    score_mod: Callable[..., Array] | None = None,
    dropout_rate: float = 0.0,
    dropout_key: Key | None = None,
    broadcast_dropout: bool = False,
    precision: jax.lax.PrecisionLike = None,
    implementation: Implementation | Sequence[Implementation] | None = None,
    block_sizes: tuple[int, int] | None = None,
    return_lse: bool = False,
    return_residual: bool = False,
) -> Any:  # out, or a pair with return_lse or return_residual
    """Scaled dot-product attention, with the calling convention of `jax.nn.dot_product_attention`.

    `out_t = sum_s dropout(softmax_s(mask(cap(score_mod(scale * query_t . key_s + bias_ts))))) value_s`, in this order.
    A row that may attend nothing is 0, its lse -inf and its gradients 0. NaN or inf in a key or value that a row may
    not attend never reaches that row, nor, where the rows that do attend it have zero cotangents, any gradient; those
    rows are NaN. Every mode of differentiation works, to any order, with respect to every floating argument and every
    array that `score_mod` holds or captured.

    Args:
      query: [..., T, N, H], any floating dtype and any leading dimensions, B their product; or one query, [N, H] or
        [H]. Integers, of which `jax.nn` rounds the weights to 0, raise.
      key: [..., S, K, H] with N % K == 0; query head n reads key/value head n // (N // K).
      value: [..., S, K, Hv].
      bias: floating, integers or bool (1 and 0), broadcastable to [..., N, T, S], added to scaled scores; -inf masks
        that pair.
      mask: bool, broadcastable to [..., N, T, S], True = may attend; or a `Mask` such as `Causal() & Segments(ids)`;
        or a function (b, h, q, k) -> bool, elementwise on broadcastable integer arrays: b the flat index of the leading
        dimensions, h the query head, q = t + q_offset and k = s positions.
      scale: a scalar, 1 / sqrt(H) by default; or numbers that broadcast to [..., N or K, T, S].
      is_causal: query t sees keys s <= t + q_offset, counted from the top left.
      query_seq_lengths: int, a scalar, [B] or [...]; rows t >= it attend nothing.
      key_value_seq_lengths: int, a scalar, [B] or [...]; keys s >= it are not attended.
      local_window_size: a number or (left, right), None = unbounded: query t sees keys t + q_offset - left to t +
        q_offset + right. Numbers may be negative, and traced: then no block is known to be hidden; nor is one where
        left or right is an array that broadcasts to [T, S], such as one number a key.
      q_offset: int, a scalar (traced, if need be), [B] or [...]: the position of query 0 among the keys.
      segment_ids: int [..., T] where T = S, or a pair ([..., T], [..., S]): only equal ids attend each other. Leading
        dimensions may be left out.
      logits_soft_cap: c > 0 replaces scores by c * tanh(scores / c).
      sinks: floating, a scalar or [N]: one more logit a head, without a value; empty rows' lse is then the sink.
      score_mod: a function (score, b, h, q, k) -> score like that of `mask`, or one of `attn_jax`'s (ALiBi,
        RelativeBias, SoftCap, ScoreMod, compose(...)); -inf masks that pair.
      dropout_rate: a Python number in [0, 1), the share of weights dropped, to a multiple of 2 ** -16.
      dropout_key: a key, needed where dropout_rate > 0. What is dropped depends on the key and (b, n, t, s) alone.
      broadcast_dropout: every batch row and head drops what (0, n = 0) does, so that (t, s) alone decide, as in flax.
      precision: of both matrix products, as in `jax.lax.dot_general`; they accumulate in float32 at least.
      implementation: "dense" (all scores at once), "blockwise" (memory linear in T and S), "cudnn" or "splash"
        (kernels for NVIDIA GPUs and TPUs that keep less of this contract), or a sequence of these, of which the first
        that can is run. A name runs or raises. None, or "xla", as `jax.nn` calls it, chooses dense or blockwise by what
        is fastest on the platform that the program is lowered for; both mean the same.
      block_sizes: (block_q, block_k) of the blockwise path, for those who measure.
      return_lse: also return the log of the softmax's denominator.
      return_residual: the same as `jax.nn` gives it: in the query's dtype, and its gradient is stopped.

    Returns:
      out [..., T, N, Hv] of the query's dtype; with `return_lse` a pair (out, lse), lse [..., T, N] natural log in
      float32 (float64 for float64 inputs), differentiable; with `return_residual` likewise, but as said there. Of one
      query out is [N, Hv] or [Hv].

    Raises:
      ValueError: an argument's shape, dtype or value is wrong, or the implementation cannot run it; the message says
        which.

    Example:
      >>> import jax.numpy as jnp
      >>> one, values = jnp.ones((2, 1, 4)), jnp.array([[[2.0]], [[4.0]]])
      >>> dot_product_attention(one, one, values, is_causal=True).ravel().tolist()
      [2.0, 3.0]
      >>> out, lse = dot_product_attention(jnp.ones((8, 5, 4, 16)), *jnp.ones((2, 8, 7, 2, 16)), return_lse=True)
      >>> out.shape, lse.shape
      ((8, 5, 4, 16), (8, 5, 4))

    Reference: Vaswani et al. 2017, arXiv:1706.03762, equation 1; Ainslie et al. 2023, arXiv:2305.13245 (grouped heads);
    Dong et al. 2024, arXiv:2412.05496 (mask and score functions); Dao 2023, arXiv:2307.08691 (blocks).
    """
    query = array("query", query)
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
        score_mod=score_mod,
        dropout_rate=dropout_rate,
        dropout_key=dropout_key,
        broadcast_dropout=broadcast_dropout,
        precision=precision,
        block_sizes=block_sizes,
    )
    out, lse = finish(run_chosen(x, implementation), sinks)
    return answer(out, lse, query, return_lse=return_lse, return_residual=return_residual)
