"""What comes after a path: attention sinks, one more logit a head that gives no value, and the NaN that rows saw."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, flag, floats, takes
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.layout import with_rank
from attn_jax.types import Array


class Result(NamedTuple):
    """What a path computes, in the accumulator's dtype."""

    out: Array  # [..., T, N, Hv], of the cleaned inputs
    lse: Array  # [..., T, N], likewise
    taint: Array  # [..., T, N], NaN for rows that see what is not finite, else 0; all 0 where the others hold it


def nothing(x: Inputs) -> Result:
    """What attention over no scores gives: rows that attend nothing, where there are any."""
    assert x.value is not None  # None only for attention_weights, which takes no path
    zeros = partial(jnp.zeros_like, x.query, dtype=x.accumulator)
    rows = x.query.shape[:-1]
    return Result(zeros(shape=(*rows, x.value.shape[-1])), zeros(shape=rows) - jnp.inf, zeros(shape=rows))


def finish(result: Result, sinks: ArrayLike | None) -> tuple[Array, Array]:
    """(out, lse) with sinks, then with the taint: added last, it leaves the cotangents of the rest as they are."""
    out, lse = add_sinks(result.out, result.lse, None if sinks is None else array("sinks", sinks))
    return out + result.taint[..., None], lse + result.taint


def answer(out: Array, lse: Array, query: Array, *, return_lse: bool, return_residual: bool) -> Any:
    """What a call gives: the output, alone or with lse, or with `jax.nn`'s residual: rounded, without a gradient."""
    if query.ndim < 3:  # one query
        out, lse = out.reshape(*query.shape[:-1], out.shape[-1]), lse.reshape(query.shape[:-1])
    if flag("return_lse", return_lse) and flag("return_residual", return_residual):
        raise ValueError("return_residual: got True beside return_lse=True, wanted one of the two")
    if return_residual:
        return out.astype(query.dtype), jax.lax.stop_gradient(lse).astype(query.dtype)
    return (out.astype(query.dtype), lse) if return_lse else out.astype(query.dtype)


@takes(out=floats, lse=floats, sinks=array)
def add_sinks(out: Array, lse: Array, sinks: Array | None) -> tuple[Array, Array]:
    """Attention with sinks from attention without: `out * sigmoid(lse - sink)` and `log(exp(lse) + exp(sink))`.

    Results over parts of the keys are merged first; the sinks are added once, to the whole.

    Args:
      out: [..., T, N, Hv].
      lse: [..., T, N].
      sinks: [N] or a scalar, floating; None leaves both as they are. A row that may attend nothing stays 0, and its lse
        is the sink.

    Returns:
      (out, lse) of the same shapes and dtypes.

    Raises:
      ValueError: sinks is not floating, or neither a scalar nor [N].

    Example:
      >>> [x.tolist() for x in add_sinks(jnp.ones((1, 1, 1)), jnp.zeros((1, 1)), jnp.zeros(1))]
      [[[[0.5]]], [[0.6931471824645996]]]

    Reference: Xiao et al. 2023, arXiv:2309.17453, section 3.3; OpenAI 2025, arXiv:2508.10925 (a learned sink a head).
    """
    if sinks is None:
        return out, lse
    if sinks.shape not in ((), lse.shape[-1:]) or not jnp.issubdtype(sinks.dtype, jnp.floating):
        raise ValueError(
            f"sinks: got {sinks.dtype}{list(sinks.shape)}, wanted floats, a scalar or [N] = [{lse.shape[-1]}]"
        )
    sink = jnp.broadcast_to(with_rank(sinks.astype(lse.dtype), lse.ndim), lse.shape)
    # an empty row's lse is -inf and a tainted row's NaN: 0 stands in for both, for no derivative to be NaN
    empty, tainted = lse == -jnp.inf, jnp.isnan(lse)
    known = jnp.where(empty | tainted, 0, lse)
    share = jnp.where(empty, 0, jax.nn.sigmoid(known - sink))
    out = jnp.where(tainted[..., None], 0, out) * share[..., None]
    lse = jnp.where(empty, sink, jnp.logaddexp(known, sink))
    return jnp.where(tainted[..., None], jnp.nan, out), jnp.where(tainted, jnp.nan, lse)
