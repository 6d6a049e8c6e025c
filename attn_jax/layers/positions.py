"""Positions that are added to embedded inputs, chosen by name."""

from functools import partial
from typing import Literal, TypeAlias

from attn_jax.layers.embedding import init_embedding
from attn_jax.ops.arguments import floats, integers, one_of, random_key, takes, whole
from attn_jax.ops.layout import with_rank
from attn_jax.ops.positions import learned, sinusoidal
from attn_jax.types import Array, Key, Params

Positions: TypeAlias = Literal["none", "sinusoidal", "learned"]


_KIND = one_of("none", "sinusoidal", "learned")


@takes(kind=_KIND, key=random_key, max_tokens=partial(whole, least=0), d_model=partial(whole, least=1))
def init_positions(kind: Positions, key: Key, max_tokens: int, d_model: int) -> Params:
    """A table of learned positions where there are any.

    Args:
      kind: "none", "sinusoidal" or "learned".
      key: a key.
      max_tokens: how many places the table has.
      d_model: the width D.

    Returns:
      {"positions": {"table": [max_tokens, D]}} for "learned", {} otherwise: to be merged into a model's parameters.

    >>> import jax
    >>> init_positions("learned", jax.random.key(0), 5, 2)["positions"]["table"].shape
    (5, 2)
    """
    return {"positions": init_embedding(key, max_tokens, d_model, scale=0.1)} if kind == "learned" else {}


@takes(kind=_KIND, x=floats, places=integers)
def add_positions(kind: Positions, params: Params, x: Array, places: Array) -> Array:
    """Embedded inputs with their places.

    Args:
      kind: as given to `init_positions`.
      params: the model's, with what `init_positions` gave.
      x: [B, T, D].
      places: int [T] or [B, T], counted from 0; one past a learned table's end gives NaN.

    Returns:
      [B, T, D] in x's dtype.

    >>> import jax.numpy as jnp
    >>> add_positions("sinusoidal", {}, jnp.ones((1, 1, 4)), jnp.array([0])).tolist()
    [[[1.0, 2.0, 1.0, 2.0]]]
    """
    if kind == "sinusoidal":
        return x + with_rank(sinusoidal(places, x.shape[-1]).astype(x.dtype), x.ndim)
    if kind == "learned":
        return x + with_rank(learned(places, params["positions"]["table"]).astype(x.dtype), x.ndim)
    return x
