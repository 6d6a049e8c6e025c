"""The affine map."""

from functools import partial

import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.rows import over_rows
from attn_jax.ops.arguments import flag, floats, random_key, takes, whole
from attn_jax.ops.layout import with_rank
from attn_jax.types import Array, Key, Params


@takes(key=random_key, d_in=partial(whole, least=1), d_out=partial(whole, least=1), use_bias=flag)
def init_linear(key: Key, d_in: int, d_out: int, *, use_bias: bool = True) -> Params:
    """Parameters of y = x w + b: w Glorot uniform, b zero.

    Args:
      key: a key.
      d_in: the input width.
      d_out: the output width.
      use_bias: False leaves b out.

    Returns:
      {"w": [d_in, d_out], "b": [d_out]}, float32.

    >>> import jax
    >>> init_linear(jax.random.key(0), 2, 3)["b"].tolist()
    [0.0, 0.0, 0.0]
    """
    params = {"w": glorot_uniform(key, d_in, d_out)}
    return params | {"b": jnp.zeros(d_out)} if use_bias else params


@takes(x=floats)
def linear(params: Params, x: Array) -> Array:
    """y = x w + b.

    Args:
      params: of `init_linear`.
      x: [..., d_in].

    Returns:
      [..., d_out] in x's dtype.

    >>> linear({"w": jnp.ones((2, 1)), "b": jnp.ones(1)}, jnp.array([2.0, 3.0])).tolist()
    [6.0]
    """
    return over_rows(partial(_rows, params), x)


def _rows(params: Params, x: Array) -> Array:
    y = x @ params["w"].astype(x.dtype)
    return y + with_rank(params["b"].astype(x.dtype), y.ndim) if "b" in params else y
