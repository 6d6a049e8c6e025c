"""The definition of multi-head attention: one head under `jax.vmap`. attn_jax/layers/multi_head.py is proved equal."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.layers.multi_head import Position, norm_heads, place_heads
from attn_jax.ops.arguments import floats, takes
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.logits import replace
from attn_jax.ops.attention.masks import Dense, Mask, Shifted
from attn_jax.ops.layout import flat_pairs
from attn_jax.types import Array, Params


@takes(x_q=floats, x_kv=floats)
def multi_head_by_vmap(
    params: Params,
    x_q: Array,
    x_kv: Array | None = None,
    *,
    position: Position | None = None,
    q_offset: ArrayLike | None = None,
    **options: Any,
) -> Array:
    """The definition of multi-head attention: `jax.vmap` of one head over N, then the sum over heads.

    Args:
      params, x_q, x_kv, position, q_offset: as in `multi_head_attention`.
      options: those of `dot_product_attention`, return_lse, return_residual and dropout aside: a single head cannot
        know which weights its neighbours drop.

    Returns:
      [..., T, D] in the dtype of x_q.

    Raises:
      ValueError: dropout_rate is not 0.

    Example:
      >>> from attn_jax.layers.multi_head import init_multi_head_attention
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=2)
      >>> multi_head_by_vmap(params, jnp.ones((3, 5, 8)), is_causal=True).shape
      (3, 5, 8)

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """
    if options.get("dropout_rate"):
        raise ValueError(f"dropout_rate: got {options['dropout_rate']}, wanted 0: weights are dropped by head")
    N, K = params["w_q"].shape[-2], params["w_k"].shape[-2]
    weights = {name: jnp.repeat(w, N // K, -2) if name in _OF_KV else w for name, w in params.items() if name != "b_o"}
    axes = {name: {"w": 1, "b": 0, "g": None}[name[0]] for name in weights} | {"w_o": 0}
    head = partial(_one_head, x_q, x_q if x_kv is None else x_kv, position, q_offset, options)
    y = jax.vmap(head, in_axes=(0, axes))(jnp.arange(N), weights).sum(0)
    return y + params["b_o"].astype(y.dtype) if "b_o" in params else y


_OF_KV = ("w_k", "w_v", "b_k", "b_v")  # one for each of K heads


def _one_head(
    x_q: Array,
    x_kv: Array,
    position: Position | None,
    q_offset: ArrayLike | None,
    options: dict[str, Any],
    n: Array,
    params: Params,
) -> Array:
    """Head n's part of the output, [..., T, D]; its w_q and w_k are [D, H], its w_v [D, Hv], its w_o [Hv, D]."""
    params = {name: w if name[0] == "g" else w.astype(x_q.dtype) for name, w in params.items()}
    query = norm_heads(params, "g_q", x_q @ params["w_q"] + params.get("b_q", 0))[..., None, :]
    key = norm_heads(params, "g_k", x_kv @ params["w_k"] + params.get("b_k", 0))[..., None, :]
    value = (x_kv @ params["w_v"] + params.get("b_v", 0))[..., None, :]
    query, key = place_heads(position, query, q_offset), place_heads(position, key, None)
    offset = {} if q_offset is None else {"q_offset": q_offset}
    options = options | {"mask": _by_position(options.get("mask"), x_q.shape[:-2], q_offset)}
    of_head = {name: _of_head(name, option, n) for name, option in options.items()}
    return dot_product_attention(query, key, value, **offset, **of_head)[..., 0, :] @ params["w_o"]


def _by_position(mask: Any, lead: tuple[int, ...], q_offset: ArrayLike | None) -> Any:
    """A mask whose arrays, within a combination, are asked about positions and not about rows."""
    if not isinstance(mask, Mask) or isinstance(mask, Dense):
        return mask
    shift = 0 if q_offset is None else q_offset
    return replace(mask, Dense, lambda node: Shifted(Dense(flat_pairs(node.array, lead)), shift))


def _of_head(name: str, option: Any, n: Array) -> Any:
    """What head n, alone, is given of an option."""
    if name not in ("mask", "bias", "score_mod", "sinks") or option is None:
        return option
    if callable(option) and not isinstance(option, Dense):
        return partial(_at_head, option, n)
    axis = -1 if name == "sinks" else -3
    array = jnp.asarray(option.array if isinstance(option, Dense) else option)
    if array.ndim < -axis or array.shape[axis] == 1:
        return array
    return jax.lax.dynamic_index_in_dim(array, n, array.ndim + axis)


def _at_head(rule: Callable[..., Any], n: Array, *arguments: Array) -> Array:
    """A mask or score modification called with h = n: its only caller counts one head, 0."""
    *before, _, q, k = arguments
    return rule(*before, n, q, k)
