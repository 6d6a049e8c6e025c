"""The two norms as (init, apply) pairs chosen by name."""

from functools import partial
from typing import Literal, TypeAlias

import jax.numpy as jnp

from attn_jax.layers.rows import over_rows
from attn_jax.ops.arguments import floats, one_of, takes, whole
from attn_jax.ops.norms import layer_norm, rms_norm
from attn_jax.types import Array, Params

Norm: TypeAlias = Literal["layer", "rms", "none"]


_KIND = one_of("layer", "rms", "none")


@takes(kind=_KIND, d_model=partial(whole, least=1))
def init_norm(kind: Norm, d_model: int) -> Params:
    """Gain 1, and for layer norm bias 0.

    Args:
      kind: "layer", "rms" or "none".
      d_model: the width D.

    Returns:
      {"g": [D], "b": [D]} for "layer", {"g": [D]} for "rms", {} for "none".

    >>> sorted(init_norm("layer", 2))
    ['b', 'g']
    """
    if kind == "none":
        return {}
    gain = {"g": jnp.ones(d_model)}
    return gain | {"b": jnp.zeros(d_model)} if kind == "layer" else gain


@takes(kind=_KIND, x=floats)
def norm(kind: Norm, params: Params, x: Array) -> Array:
    """Layer norm, RMS norm or nothing.

    Args:
      kind: as given to `init_norm`.
      params: of `init_norm`.
      x: [..., D].

    Returns:
      [..., D] in x's dtype.

    Raises:
      ValueError: another kind.

    >>> norm("none", {}, jnp.array([3.0])).tolist()
    [3.0]
    """
    if kind == "none":
        return x
    if kind == "layer":
        return over_rows(partial(layer_norm, gain=params["g"], bias=params["b"]), x)
    return over_rows(partial(rms_norm, gain=params["g"]), x)
