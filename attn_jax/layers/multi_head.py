"""Multi-head attention: `jax.vmap` of one head (the definition), and the same with all heads in one product.

Parameters: `w_q` [D, N, H], `w_k` [D, K, H], `w_v` [D, K, Hv], `w_o` [N, Hv, D]; with biases `b_q` [N, H], `b_k`
[K, H], `b_v` [K, Hv], `b_o` [D]; with qk-norm `g_q` [H] and `g_k` [H].
"""

import math
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.layers.rows import over_rows
from attn_jax.ops.arguments import flag, floats, integers, random_key, takes, whole
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.int32 import plus
from attn_jax.ops.attention.masks import check_per_batch
from attn_jax.ops.layout import with_rank
from attn_jax.ops.norms import rms_norm
from attn_jax.types import Array, Key, Params

# (x [..., T, N, H], positions [T] or [..., T]) -> x turned by its positions, such as rotary
Position: TypeAlias = Callable[[Array, Array], Array]

BIASES = ("b_q", "b_k", "b_v", "b_o")  # what `use_bias` adds; weight decay leaves biases alone, whatever their rank


@takes(key=random_key, use_bias=flag, qk_norm=flag)
def init_multi_head_attention(
    key: Key,
    *,
    d_model: int,
    num_heads: int,
    num_kv_heads: int | None = None,
    head_dim: int | None = None,
    value_dim: int | None = None,
    use_bias: bool = False,
    qk_norm: bool = False,
    w_init: Callable[..., Array] | None = None,
) -> Params:
    """Parameters of multi-head attention: Glorot uniform over the fused fans, biases zero, gains one.

    Each of the four is drawn as the matrix that all its heads form, U(-a, a) with a = sqrt(6 / (fan in + fan out)):
    w_q as [D, N H], w_k as [D, K H], w_v as [D, K Hv], w_o as [N Hv, D].

    Args:
      key: a key.
      d_model: D, the width of inputs and outputs.
      num_heads: N, the query heads.
      num_kv_heads: K, the key/value heads, a divisor of N; None means N, and 1 is multi-query attention.
      head_dim: H; None means D // N, and then N divides D.
      value_dim: Hv; None means H.
      use_bias: biases on all four.
      qk_norm: RMS norm of each head's queries and keys, with gains g_q and g_k.
      w_init: (key, shape, dtype) -> weights, any of `jax.nn.initializers`, called with the shape of each fused matrix.

    Returns:
      A dict of float32 arrays, shapes as in this module's docstring.

    Raises:
      ValueError: the sizes do not divide, or one is below 1.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=4, num_kv_heads=2)
      >>> {name: w.shape for name, w in params.items()}
      {'w_q': (8, 4, 2), 'w_k': (8, 2, 2), 'w_v': (8, 2, 2), 'w_o': (4, 2, 8)}

    Reference: Glorot & Bengio 2010, equation 16; Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; qk-norm: Henry
    et al. 2020, arXiv:2010.04245, Dehghani et al. 2023, arXiv:2302.05442, section 2.
    """
    N, K, H, Hv = _sizes(d_model, num_heads, num_kv_heads, head_dim, value_dim)
    shapes = {"w_q": (d_model, N, H), "w_k": (d_model, K, H), "w_v": (d_model, K, Hv), "w_o": (N, Hv, d_model)}
    params = _glorot_uniform(key, d_model, shapes) if w_init is None else _drawn(w_init, key, shapes)
    if use_bias:
        biases = {"b_q": (N, H), "b_k": (K, H), "b_v": (K, Hv), "b_o": (d_model,)}
        params |= {name: jnp.zeros(shape) for name, shape in biases.items()}
    if qk_norm:
        params |= {"g_q": jnp.ones(H), "g_k": jnp.ones(H)}
    return params


def _sizes(
    d_model: int, num_heads: int, num_kv_heads: int | None, head_dim: int | None, value_dim: int | None
) -> tuple[int, int, int, int]:
    """(N, K, H, Hv), or a ValueError that names the argument."""
    sizes = {"d_model": d_model, "num_heads": num_heads, "head_dim": head_dim, "value_dim": value_dim}
    for name, size in sizes.items():
        if size is not None:
            whole(name, size, 1)
    K = num_heads if num_kv_heads is None else whole("num_kv_heads", num_kv_heads, 1)
    if num_heads % K:
        raise ValueError(f"num_kv_heads: got {num_kv_heads}, wanted a divisor of num_heads = {num_heads}")
    if head_dim is None and d_model % num_heads:
        raise ValueError(f"num_heads: got {num_heads}, wanted a divisor of d_model = {d_model}, or head_dim")
    H = d_model // num_heads if head_dim is None else head_dim
    return num_heads, K, H, H if value_dim is None else value_dim


def _glorot_uniform(key: Key, d_model: int, shapes: dict[str, tuple[int, ...]]) -> Params:
    """All weights from one draw, each scaled by its fans: D on one side, its heads on the other."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    draws = jnp.split(
        jax.random.uniform(key, (sum(sizes),), jnp.float32, minval=-1, maxval=1), list(accumulate(sizes))[:-1]
    )
    limits = [math.sqrt(6 / (d_model + size // d_model)) for size in sizes]
    return {
        name: limit * draw.reshape(shape)
        for (name, shape), draw, limit in zip(shapes.items(), draws, limits, strict=True)
    }


def _drawn(w_init: Callable[..., Array], key: Key, shapes: dict[str, tuple[int, ...]]) -> Params:
    """Each weight by `w_init`, as a matrix of inputs by outputs: the heads are outputs, and of w_o inputs."""
    keys = jax.random.split(key, len(shapes))
    matrices = [(a * b, c) if name == "w_o" else (a, b * c) for name, (a, b, c) in shapes.items()]
    return {
        name: w_init(k, matrix, jnp.float32).reshape(shape)
        for (name, shape), matrix, k in zip(shapes.items(), matrices, keys, strict=True)
    }


@takes(x_q=floats, x_kv=floats)
def project_heads(params: Params, x_q: Array, x_kv: Array | None = None) -> tuple[Array, Array, Array]:
    """Queries, keys and values: `q[t, n] = x_q[t] w_q[:, n] + b_q[n]`, keys and values likewise from x_kv.

    Where there are gains, `q[t, n] / rms(q[t, n]) * g_q`, and the keys likewise.

    Args:
      params: of `init_multi_head_attention`.
      x_q: [..., T, D], what asks.
      x_kv: [..., S, D], what is asked; None means x_q (self-attention).

    Returns:
      query [..., T, N, H], key [..., S, K, H] and value [..., S, K, Hv], of the dtype of x_q and x_kv.

    Raises:
      ValueError: the width of an input is not that of the weights.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=4, num_kv_heads=2)
      >>> [x.shape for x in project_heads(params, jnp.ones((3, 5, 8)))]
      [(3, 5, 4, 2), (3, 5, 2, 2), (3, 5, 2, 2)]
    """
    return project_query(params, x_q), *project_memory(params, x_q if x_kv is None else x_kv)


@takes(x_q=floats)
def project_query(params: Params, x_q: Array) -> Array:
    """The queries of `project_heads` alone, [..., T, D] -> [..., T, N, H], to ask a memory that is projected already.

    >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=4)
    >>> project_query(params, jnp.ones((3, 5, 8))).shape
    (3, 5, 4, 2)
    """
    return norm_heads(params, "g_q", _project(params, "q", x_q, "x_q"))


@takes(x_kv=floats)
def project_memory(params: Params, x_kv: Array) -> tuple[Array, Array]:
    """The keys and values of `project_heads` alone, [..., S, D] -> [..., S, K, H] and [..., S, K, Hv].

    >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=4)
    >>> [x.shape for x in project_memory(params, jnp.ones((3, 7, 8)))]
    [(3, 7, 4, 2), (3, 7, 4, 2)]
    """
    return norm_heads(params, "g_k", _project(params, "k", x_kv, "x_kv")), _project(params, "v", x_kv, "x_kv")


def _project(params: Params, which: str, x: Array, name: str) -> Array:
    """`x w + b` for one of q, k, v, [..., T, D] -> [..., T, N, H]."""
    weights = params[f"w_{which}"]
    if x.ndim < 2 or x.shape[-1] != weights.shape[0]:
        raise ValueError(f"{name}: got shape {x.shape}, wanted [..., T, D] with D = {weights.shape[0]}")
    bias = params.get(f"b_{which}")
    matrix, bias = weights.reshape(weights.shape[0], -1), None if bias is None else bias.reshape(-1)
    return over_rows(partial(_affine, matrix, bias), x).reshape(*x.shape[:-1], *weights.shape[1:])


def norm_heads(params: Params, gain: str, x: Array) -> Array:
    """RMS norm of each head, where the parameters have its gain."""
    return rms_norm(x, params[gain]) if gain in params else x


@takes(heads=floats)
def merge_heads(params: Params, heads: Array) -> Array:
    """Outputs of all heads into one vector a place: `y[t] = sum_n heads[t, n] w_o[n] + b_o`.

    Args:
      params: of `init_multi_head_attention`.
      heads: [..., T, N, Hv].

    Returns:
      [..., T, D] in the dtype of heads.

    Raises:
      ValueError: N or Hv is not that of the weights.

    Example:
      >>> merge_heads({"w_o": jnp.ones((2, 3, 4))}, jnp.ones((5, 2, 3)))[0].tolist()
      [6.0, 6.0, 6.0, 6.0]
    """
    weights = params["w_o"]
    if heads.ndim < 3 or heads.shape[-2:] != weights.shape[:2]:
        raise ValueError(f"heads: got shape {heads.shape}, wanted [..., T, N, Hv] with [N, Hv] = {weights.shape[:2]}")
    size = weights.shape[0] * weights.shape[1]
    matrix = weights.reshape(size, weights.shape[-1])
    return over_rows(partial(_affine, matrix, params.get("b_o")), heads.reshape(*heads.shape[:-2], size))


def _affine(weights: Array, bias: Array | None, x: Array) -> Array:
    """`x weights + bias`, accumulated in float32 at least, in x's dtype."""
    accumulator = jnp.promote_types(x.dtype, jnp.float32)
    y = jnp.matmul(x, weights.astype(x.dtype), preferred_element_type=accumulator)
    return (y if bias is None else y + with_rank(bias.astype(accumulator), y.ndim)).astype(x.dtype)


@takes(x_q=floats, x_kv=floats)
def multi_head_attention(
    params: Params,
    x_q: Array,
    x_kv: Array | None = None,
    *,
    position: Position | None = None,
    q_offset: ArrayLike | None = None,
    attention: Callable[..., Any] = dot_product_attention,
    **options: Any,
) -> Array:
    """N heads that attend each on its own, merged by a linear map; equal to `attn_jax.multi_head_by_vmap`.

    `y = sum_n attention(x_q w_q[n], x_kv w_k[n // G], x_kv w_v[n // G]) w_o[n]`, computed in the dtype of x_q.

    Args:
      params: of `init_multi_head_attention`.
      x_q: [..., T, D].
      x_kv: [..., S, D]; None means x_q (self-attention).
      position: (x [..., T, N, H], positions) -> x, applied to queries and keys, `functools.partial(rotary, base=...)`;
        positions [T] count from q_offset for queries, and from 0 for keys.
      q_offset: int, a scalar or [B]: the position of query 0 among the keys, for `position` and `attention`.
      attention: (query, key, value, **options) -> [..., T, N, Hv].
      options: handed to `attention` by name: mask, bias, is_causal, score_mod, dropout_rate and whatever else it takes.

    Returns:
      [..., T, D] in the dtype of x_q.

    Raises:
      ValueError: return_lse or return_residual is asked for; or as `project_heads`, `merge_heads` and `attention`.
      TypeError: an option that `attention` does not have.

    Example:
      >>> params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=2, qk_norm=True)
      >>> multi_head_attention(params, jnp.ones((3, 5, 8)), jnp.ones((3, 7, 8)), is_causal=True).shape
      (3, 5, 8)

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """
    for name in ("return_lse", "return_residual"):
        if options.get(name):
            raise ValueError(f"{name}: got True, wanted False: heads are merged; call attention on `project_heads`")
    query, key, value = project_heads(params, x_q, x_kv)
    query, key = place_heads(position, query, q_offset), place_heads(position, key, None)
    offset = {} if q_offset is None else {"q_offset": q_offset}
    return merge_heads(params, attention(query, key, value, **offset, **options))


def place_heads(position: Position | None, x: Array, offset: ArrayLike | None) -> Array:
    """`position` applied to x [..., T, N, H] at the positions from `offset` on, a scalar or [B]."""
    if position is None:
        return x
    first = integers("q_offset", 0 if offset is None else offset)
    check_per_batch("q_offset", first, math.prod(x.shape[:-3]))
    first = first if first.ndim == 0 else first.reshape(*x.shape[:-3], 1)
    return position(x, plus(first, jnp.arange(x.shape[-3])))
