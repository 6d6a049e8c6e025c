"""The one attention function: arguments checked once, then handed to the path that was asked for."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import jax
from jax.typing import ArrayLike

from attn_jax.ops.dense import dense_attention
from attn_jax.ops.inputs import Inputs, check_inputs
from attn_jax.ops.masks import Mask
from attn_jax.types import Array, Key

Path: TypeAlias = Callable[[Inputs], tuple[Array, Array]]  # checked arguments -> (out, lse)
Implementation: TypeAlias = Literal["dense", "blockwise", "cudnn", "splash"]

# A new path is one function here. None: the name is known, but this version has no such path.
_PATHS: dict[str, Path | None] = {"dense": dense_attention, "blockwise": None, "cudnn": None, "splash": None}


def dot_product_attention(
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
    implementation: Implementation | Sequence[Implementation] | None = None,
    block_sizes: tuple[int, int] | None = None,
    return_lse: bool = False,
) -> Any:  # out, or (out, lse) with return_lse
    """Scaled dot-product attention, with the calling convention of `jax.nn.dot_product_attention`.

    `out_t = sum_s softmax_s(mask(cap(scale * query_t . key_s + bias_ts))) value_s`. A row that may attend nothing is
    0, its lse -inf and its gradients 0. NaN or inf in a key or value that a row may not attend never reaches that
    row, nor, where the rows that do attend it have zero cotangents, any gradient; those rows are NaN.

    Args:
      query: [..., T, N, H], any floating dtype and any leading dimensions, B their product.
      key: [..., S, K, H] with N % K == 0; query head n reads key/value head n // (N // K).
      value: [..., S, K, Hv].
      bias: floating, broadcastable to [..., N, T, S], added to scaled scores; -inf masks that pair.
      mask: bool, broadcastable to [..., N, T, S], True = may attend; or a `Mask`, which gets q = t + q_offset.
      scale: a scalar, 1 / sqrt(H) by default.
      is_causal: query t sees keys s <= t + q_offset, counted from the top left.
      query_seq_lengths: int, a scalar or [B]; rows t >= it attend nothing.
      key_value_seq_lengths: int, a scalar or [B]; keys s >= it are not attended.
      q_offset: int, a scalar (traced, if need be) or [B]: the position of query 0 among the keys.
      logits_soft_cap: c > 0 replaces scores by c * tanh(scores / c).
      precision: of both matrix products, as in `jax.lax.dot_general`; they accumulate in float32 at least.
      implementation: "dense", or a sequence of names of which the first that this version has is run. A name runs or
        raises. None chooses by what is fastest and never changes the meaning.
      return_lse: also return the log of the softmax's denominator.
      local_window_size, segment_ids, sinks, score_mod, dropout_rate, dropout_key, block_sizes: not computed yet; each
        raises unless left at its default.

    Returns:
      out [..., T, N, Hv] of the query's dtype; with `return_lse` a pair (out, lse), lse [..., T, N] natural log in
      float32 (float64 for float64 inputs), differentiable.

    Raises:
      ValueError: an argument's shape, dtype or value is wrong; the message names it.
      NotImplementedError: an argument or implementation that this version does not compute; the message names it.

    Example:
      >>> import jax.numpy as jnp
      >>> one, values = jnp.ones((2, 1, 4)), jnp.array([[[2.0]], [[4.0]]])
      >>> dot_product_attention(one, one, values, is_causal=True).ravel().tolist()
      [2.0, 3.0]
      >>> out, lse = dot_product_attention(jnp.ones((8, 5, 4, 16)), *jnp.ones((2, 8, 7, 2, 16)), return_lse=True)
      >>> out.shape, lse.shape
      ((8, 5, 4, 16), (8, 5, 4))

    Reference: Vaswani et al. 2017, arXiv:1706.03762, equation 1; Ainslie et al. 2023, arXiv:2305.13245 (grouped heads).
    """
    path = _choose(implementation)
    inputs = check_inputs(
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
    out, lse = path(inputs)
    return (out, lse) if return_lse else out


def _choose(implementation: str | Sequence[str] | None) -> Path:
    """The first path of `implementation` that this version has; None leaves the choice to us."""
    if implementation is None:
        return dense_attention
    names = (implementation,) if isinstance(implementation, str) else tuple(implementation)
    unknown = [name for name in names if name not in _PATHS]
    if unknown or not names:
        raise ValueError(f"implementation: got {implementation!r}, wanted None, or one or more of {list(_PATHS)}")
    paths = [path for path in map(_PATHS.get, names) if path is not None]
    if not paths:
        raise NotImplementedError(f"implementation: got {implementation!r}, this version has 'dense': pass it, or None")
    return paths[0]
