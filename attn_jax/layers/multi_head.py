"""Multi-head attention: `jax.vmap` of one head (the definition), and the same with all heads in one product.

Parameters: `w_q` [D, N, H], `w_k` and `w_v` [D, K, H], `w_o` [N, H, D], and with biases `b_q` [N, H], `b_k` and `b_v`
[K, H], `b_o` [D].
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.attention import dot_product_attention
from attn_jax.ops.masks import Mask
from attn_jax.types import Array, Key, Params


def init_multi_head_attention(
    key: Key,
    *,
    d_model: int,
    num_heads: int,
    num_kv_heads: int | None = None,
    head_dim: int | None = None,
    use_bias: bool = False,
) -> Params:
    """Parameters of multi-head attention: Glorot uniform over the fused fans, biases zero.

    Each of the four is drawn as the matrix that all its heads form, U(-a, a) with a = sqrt(6 / (fan in + fan out)):
    w_q as [D, N H], w_k and w_v as [D, K H], w_o as [N H, D].

    Args:
      key: a key.
      d_model: D, the width of inputs and outputs.
      num_heads: N, the query heads.
      num_kv_heads: K, the key/value heads, a divisor of N; None means N.
      head_dim: H; None means D // N, and then N divides D.
      use_bias: biases on all four.

    Returns:
      A dict of float32 arrays, shapes as in this module's docstring.

    Raises:
      ValueError: the sizes do not divide.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=4, num_kv_heads=2)
      >>> {name: w.shape for name, w in params.items()}
      {'w_q': (8, 4, 2), 'w_k': (8, 2, 2), 'w_v': (8, 2, 2), 'w_o': (4, 2, 8)}

    Reference: Glorot & Bengio 2010, equation 16; Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """
    N, K = num_heads, num_heads if num_kv_heads is None else num_kv_heads
    if N < 1:
        raise ValueError(f"num_heads: got {num_heads}, wanted at least 1")
    if K < 1 or N % K:
        raise ValueError(f"num_kv_heads: got {num_kv_heads}, wanted a divisor of num_heads = {num_heads}")
    if head_dim is None and d_model % N:
        raise ValueError(f"num_heads: got {num_heads}, wanted a divisor of d_model = {d_model}, or head_dim")
    H = d_model // N if head_dim is None else head_dim
    shapes = {"w_q": (d_model, N, H), "w_k": (d_model, K, H), "w_v": (d_model, K, H), "w_o": (N, H, d_model)}
    params = _glorot_uniform(key, d_model, shapes)
    if use_bias:
        params |= {
            "b_q": jnp.zeros((N, H)),
            "b_k": jnp.zeros((K, H)),
            "b_v": jnp.zeros((K, H)),
            "b_o": jnp.zeros(d_model),
        }
    return params


def _glorot_uniform(key: Key, d_model: int, shapes: dict[str, tuple[int, ...]]) -> Params:
    """All weights from one draw, each scaled by its fans: D on one side, its heads on the other."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    draws = jnp.split(jax.random.uniform(key, (sum(sizes),), minval=-1, maxval=1), list(accumulate(sizes))[:-1])
    limits = [math.sqrt(6 / (d_model + size // d_model)) for size in sizes]
    return {
        name: limit * draw.reshape(shape)
        for (name, shape), draw, limit in zip(shapes.items(), draws, limits, strict=True)
    }


def project_heads(params: Params, x_q: Array, x_kv: Array | None = None) -> tuple[Array, Array, Array]:
    """Queries, keys and values: `q[t, n] = x_q[t] w_q[:, n] + b_q[n]`, keys and values likewise from x_kv.

    Args:
      params: of `init_multi_head_attention`.
      x_q: [..., T, D], what asks.
      x_kv: [..., S, D], what is asked; None means x_q (self-attention).

    Returns:
      query [..., T, N, H], key [..., S, K, H] and value [..., S, K, H], of the dtype of x_q and x_kv.

    Raises:
      ValueError: the width of an input is not that of the weights.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=4, num_kv_heads=2)
      >>> [x.shape for x in project_heads(params, jnp.ones((3, 5, 8)))]
      [(3, 5, 4, 2), (3, 5, 2, 2), (3, 5, 2, 2)]
    """
    x_kv = x_q if x_kv is None else x_kv
    return _project(params, "q", x_q, "x_q"), _project(params, "k", x_kv, "x_kv"), _project(params, "v", x_kv, "x_kv")


def _project(params: Params, which: str, x: Array, name: str) -> Array:
    """`x w + b` for one of q, k, v, [..., T, D] -> [..., T, N, H]."""
    weights = params[f"w_{which}"]
    if x.ndim < 2 or x.shape[-1] != weights.shape[0]:
        raise ValueError(f"{name}: got shape {x.shape}, wanted [..., T, D] with D = {weights.shape[0]}")
    return _affine("...td,dnh->...tnh", x, weights, params.get(f"b_{which}"))


def merge_heads(params: Params, heads: Array) -> Array:
    """Outputs of all heads into one vector a place: `y[t] = sum_n heads[t, n] w_o[n] + b_o`.

    Args:
      params: of `init_multi_head_attention`.
      heads: [..., T, N, H].

    Returns:
      [..., T, D] in the dtype of heads.

    Raises:
      ValueError: N or H is not that of the weights.

    Example:
      >>> merge_heads({"w_o": jnp.ones((2, 3, 4))}, jnp.ones((5, 2, 3)))[0].tolist()
      [6.0, 6.0, 6.0, 6.0]
    """
    weights = params["w_o"]
    if heads.ndim < 3 or heads.shape[-2:] != weights.shape[:2]:
        raise ValueError(f"heads: got shape {heads.shape}, wanted [..., T, N, H] with [N, H] = {weights.shape[:2]}")
    return _affine("...tnh,nhd->...td", heads, weights, params.get("b_o"))


def _affine(equation: str, x: Array, weights: Array, bias: Array | None) -> Array:
    """`einsum(equation, x, weights) + bias`, accumulated in float32 at least, in x's dtype."""
    accumulator = jnp.promote_types(x.dtype, jnp.float32)
    y = jnp.einsum(equation, x, weights.astype(x.dtype), preferred_element_type=accumulator)
    return (y if bias is None else y + bias.astype(accumulator)).astype(x.dtype)


def multi_head_attention(
    params: Params,
    x_q: Array,
    x_kv: Array | None = None,
    *,
    bias: ArrayLike | None = None,
    mask: ArrayLike | Mask | None = None,
    is_causal: bool = False,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    attention: Callable[..., Any] = dot_product_attention,
) -> Array:
    """N heads that attend each on its own, merged by a linear map; equal to `multi_head_by_vmap`.

    `y = sum_n attention(x_q w_q[n], x_kv w_k[n // G], x_kv w_v[n // G]) w_o[n]`, computed in the dtype of x_q.

    Args:
      params: of `init_multi_head_attention`.
      x_q: [..., T, D].
      x_kv: [..., S, D]; None means x_q (self-attention).
      bias, mask, is_causal, query_seq_lengths, key_value_seq_lengths: handed to `attention`, of its meaning.
      attention: (query, key, value, **the above) -> [..., T, N, H]; its other options are bound with
        `functools.partial(dot_product_attention, logits_soft_cap=30.0)`.

    Returns:
      [..., T, D] in the dtype of x_q.

    Raises:
      ValueError: as `project_heads`, `merge_heads` and `attention`.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=2)
      >>> multi_head_attention(params, jnp.ones((3, 5, 8)), jnp.ones((3, 7, 8))).shape
      (3, 5, 8)

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """
    query, key, value = project_heads(params, x_q, x_kv)
    heads = attention(
        query,
        key,
        value,
        bias=bias,
        mask=mask,
        is_causal=is_causal,
        query_seq_lengths=query_seq_lengths,
        key_value_seq_lengths=key_value_seq_lengths,
    )
    return merge_heads(params, heads)


@partial(jax.jit, static_argnames="is_causal")
def multi_head_by_vmap(
    params: Params,
    x_q: Array,
    x_kv: Array | None = None,
    *,
    mask: ArrayLike | Mask | None = None,
    is_causal: bool = False,
    key_value_seq_lengths: ArrayLike | None = None,
) -> Array:
    """The definition of multi-head attention: `jax.vmap` of one head over N, compiled; then the sum over heads.

    Args:
      params: of `init_multi_head_attention`.
      x_q: [..., T, D].
      x_kv: [..., S, D]; None means x_q (self-attention).
      mask, is_causal, key_value_seq_lengths: as in `dot_product_attention`, the same for every head.

    Returns:
      [..., T, D] in the dtype of x_q.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=2)
      >>> multi_head_by_vmap(params, jnp.ones((3, 5, 8)), is_causal=True).shape
      (3, 5, 8)

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """
    G = params["w_q"].shape[-2] // params["w_k"].shape[-2]
    weights = {
        name: jnp.repeat(w, G, axis=-2) if name[-1] in "kv" else w for name, w in params.items() if name != "b_o"
    }
    head_axis = {name: 0 if name == "w_o" else w.ndim - 2 for name, w in weights.items()}
    attend = partial(_one_head, mask=mask, is_causal=is_causal, key_value_seq_lengths=key_value_seq_lengths)
    y = jax.vmap(attend, in_axes=(head_axis, None, None))(weights, x_q, x_q if x_kv is None else x_kv).sum(0)
    return y + params["b_o"].astype(y.dtype) if "b_o" in params else y


def _one_head(params: Params, x_q: Array, x_kv: Array, **masks: Any) -> Array:
    """One head's part of the output, [..., T, D]; its w_q, w_k, w_v are [D, H], its w_o [H, D]."""
    params = {name: w.astype(x_q.dtype) for name, w in params.items()}
    query = x_q @ params["w_q"] + params.get("b_q", 0)
    key = x_kv @ params["w_k"] + params.get("b_k", 0)
    value = x_kv @ params["w_v"] + params.get("b_v", 0)
    out = dot_product_attention(query[..., None, :], key[..., None, :], value[..., None, :], **masks)
    return out[..., 0, :] @ params["w_o"]
