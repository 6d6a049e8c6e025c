"""The position-wise feed-forward network, plain or gated."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.linear import init_linear, linear
from attn_jax.layers.rows import over_rows
from attn_jax.ops.arguments import floats, random_key, takes, whole
from attn_jax.types import Array, Key, Params

Feedforward: TypeAlias = Literal["gelu", "relu", "swiglu", "geglu"]

_GATES: dict[str, Callable[[Array], Array]] = {"swiglu": jax.nn.silu, "geglu": jax.nn.gelu}
_PLAIN: dict[str, Callable[[Array], Array]] = {"gelu": jax.nn.gelu, "relu": jax.nn.relu}


@takes(key=random_key, d_model=partial(whole, least=1), d_ff=partial(whole, least=1))
def init_mlp(key: Key, d_model: int, d_ff: int, kind: Feedforward = "gelu") -> Params:
    """Parameters of `mlp`.

    Args:
      key: a key.
      d_model: the width D.
      d_ff: the hidden width F.
      kind: "gelu" or "relu", with biases; "swiglu" or "geglu", without, as published.

    Returns:
      {"up": D -> F, "down": F -> D}, of `init_linear` each; gated, "up" holds gate and value side by side, D -> 2 F.

    >>> init_mlp(jax.random.key(0), 2, 8)["up"]["w"].shape
    (2, 8)
    >>> {name: list(part["w"].shape) for name, part in init_mlp(jax.random.key(0), 2, 8, "swiglu").items()}
    {'up': [2, 16], 'down': [8, 2]}
    """
    up, down = jax.random.split(key)
    if kind in _GATES:
        gated = {"w": glorot_uniform(up, d_model, d_ff, parts=2)}
        return {"up": gated, "down": init_linear(down, d_ff, d_model, use_bias=False)}
    return {"up": init_linear(up, d_model, d_ff), "down": init_linear(down, d_ff, d_model)}


@takes(x=floats)
def mlp(params: Params, x: Array, kind: Feedforward = "gelu") -> Array:
    """The same network of one hidden layer at every place.

    y = gelu(x w_up + b_up) w_down + b_down;    gated: g, u = x w_up;  y = (silu(g) * u) w_down

    Args:
      params: of `init_mlp`, of the same kind.
      x: [..., D].
      kind: "gelu", "relu", "swiglu" (silu in the gate) or "geglu" (gelu in the gate).

    Returns:
      [..., D] in x's dtype.

    Raises:
      ValueError: another kind.

    >>> mlp(init_mlp(jax.random.key(0), 2, 8), jnp.zeros((1, 2))).tolist()
    [[0.0, 0.0]]

    Reference: Vaswani et al. 2017, arXiv 1706.03762, section 3.3; gelu: Hendrycks & Gimpel 2016, arXiv 1606.08415;
    gated: Shazeer 2020, arXiv 2002.05202, equation 6.
    """
    if kind not in _PLAIN and kind not in _GATES:
        raise ValueError(f"kind: got {kind!r}, wanted one of {', '.join((*_PLAIN, *_GATES))}")
    return over_rows(partial(_rows, params, kind), x)


def _rows(params: Params, kind: Feedforward, x: Array) -> Array:
    hidden = linear(params["up"], x)
    if kind in _PLAIN:
        return linear(params["down"], _PLAIN[kind](hidden))
    gate, value = jnp.split(hidden, 2, -1)
    return linear(params["down"], _GATES[kind](gate) * value)
