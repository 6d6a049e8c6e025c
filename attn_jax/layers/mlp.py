"""The position-wise feed-forward network."""

import jax

from attn_jax.layers.linear import init_linear, linear
from attn_jax.types import Array, Key, Params


def init_mlp(key: Key, d_model: int, d_ff: int) -> Params:
    """Parameters of `mlp`.

    Args:
      key: a key.
      d_model: the width D.
      d_ff: the hidden width F.

    Returns:
      {"up": D -> F, "down": F -> D}, of `init_linear` each.

    >>> init_mlp(jax.random.key(0), 2, 8)["up"]["w"].shape
    (2, 8)
    """
    up, down = jax.random.split(key)
    return {"up": init_linear(up, d_model, d_ff), "down": init_linear(down, d_ff, d_model)}


def mlp(params: Params, x: Array) -> Array:
    """y = gelu(x w_up + b_up) w_down + b_down, the same at every place.

    Args:
      params: of `init_mlp`.
      x: [..., D].

    Returns:
      [..., D] in x's dtype.

    >>> import jax.numpy as jnp
    >>> mlp(init_mlp(jax.random.key(0), 2, 8), jnp.zeros((1, 2))).tolist()
    [[0.0, 0.0]]

    Reference: Vaswani et al. 2017, arXiv 1706.03762, section 3.3; gelu: Hendrycks & Gimpel 2016, arXiv 1606.08415.
    """
    return linear(params["down"], jax.nn.gelu(linear(params["up"], x)))
