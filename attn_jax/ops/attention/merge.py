"""Attention over parts of the keys, merged: splits of a long context, shards and rings of devices are built on it."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import floats, takes, whole
from attn_jax.types import Array


@takes(outs=floats, lses=floats, axis=whole)
def merge_attention(outs: ArrayLike, lses: ArrayLike, axis: int = 0) -> tuple[Array, Array]:
    """Attention over all keys from attention over P disjoint parts of them, exactly.

    `lse = log sum_p exp(lse_p)`, `out = sum_p exp(lse_p - lse) out_p`: each part weighs as much as its exponentials.

    A part in which a row saw no key, lse_p = -inf, counts nothing, and its gradients are 0; if all are empty, out is 0
    and lse -inf. A part that is NaN makes its own rows NaN, and no gradient of other rows. Sinks belong to the whole
    row, not to a part: leave them out of the parts and apply them once, after the merge, `out * sigmoid(lse - sinks)`
    and `logaddexp(lse, sinks)`. Dropout may stay inside the parts, since lse does not see it.

    Args:
      outs: [P, ..., T, N, Hv], P at `axis`: the outputs of `dot_product_attention(..., return_lse=True)`. Parts of
        float32 lose nothing; parts of bfloat16 have been rounded once.
      lses: [P, ..., T, N], their log-sum-exps.
      axis: where P stands, counted from the front; T, N and Hv come after it or not.

    Returns:
      out [..., T, N, Hv] in the dtype of outs, and lse [..., T, N] in that of lses, float32 at least.

    Raises:
      ValueError: lses is not outs without its last axis, or has no such axis; P is 0.

    Example:
      >>> out, lse = merge_attention(jnp.array([[[[3.0]]], [[[5.0]]]]), jnp.log(jnp.array([[[3.0]], [[1.0]]])))
      >>> round(out.item(), 4), round(jnp.exp(lse).item(), 4)
      (3.5, 4.0)

    Reference: Dao et al. 2022, arXiv:2205.14135, section 3.1; Liu et al. 2023, arXiv:2310.01889 (the ring).
    """
    outs, lses = _check_parts(outs, lses, axis)
    accumulator = jnp.promote_types(lses.dtype, jnp.float32)
    empty = lses == -jnp.inf
    bad = ~empty & ~(jnp.isfinite(lses) & jnp.isfinite(outs).all(-1))
    # NaN is added at the end, not computed with: a row of zero cotangent then stays out of every gradient
    taint = jnp.where(bad.any(axis), jnp.nan, 0).astype(accumulator)
    scores = jnp.where(bad, -jnp.inf, lses).astype(accumulator)
    values = jnp.where((empty | bad)[..., None], 0, outs).astype(accumulator)
    weights, lse = _shares(scores, axis)
    out = (weights[..., None] * values).sum(axis) + taint[..., None]
    return out.astype(outs.dtype), lse + taint


def _shares(scores: Array, axis: int) -> tuple[Array, Array]:
    """(softmax, logsumexp) along an axis; (0, -inf), both of gradient 0, where every score is -inf."""
    highest = jax.lax.stop_gradient(scores.max(axis, keepdims=True))  # results do not depend on it
    empty = highest == -jnp.inf
    highest = jnp.where(empty, 0, highest)
    powers = jnp.exp(scores - highest)
    total = jnp.where(empty, 1, powers.sum(axis, keepdims=True))
    lse = jnp.where(empty, -jnp.inf, highest + jnp.log(total))
    return powers / total, lse.squeeze(axis)


def _check_parts(outs: ArrayLike, lses: ArrayLike, axis: int) -> tuple[Array, Array]:
    """Both as arrays, or a ValueError that names the argument."""
    outs, lses = jnp.asarray(outs), jnp.asarray(lses)
    if outs.ndim < 1 or lses.shape != outs.shape[:-1]:
        raise ValueError(
            f"lses: got shape {lses.shape}, wanted {outs.shape[:-1]}: outs [P, ..., T, N, Hv] without its last axis"
        )
    if not 0 <= axis < lses.ndim:
        raise ValueError(f"axis: got {axis}, wanted 0 <= axis < {lses.ndim}, an axis of lses counted from the front")
    if lses.shape[axis] == 0:
        raise ValueError(f"outs: got shape {outs.shape}, wanted at least one part at axis {axis}")
    return outs, lses
