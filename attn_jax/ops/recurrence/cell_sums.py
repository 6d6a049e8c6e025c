"""What a recurrent cell sums before its gates: products with the input and with the hidden state, and biases."""

import jax.numpy as jnp

from attn_jax.ops.layout import with_rank
from attn_jax.types import Array, Params


def product(x: Array, w: Array) -> Array:
    """x @ w in x's dtype, accumulated in at least float32."""
    return jnp.matmul(x, w.astype(x.dtype), preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))


def add(z: Array, b: Array) -> Array:
    """z [..., P] + b [P]."""
    return z + with_rank(b, z.ndim)


def summed(params: Params, h: Array, x: Array) -> Array:
    """x w_x + h w_h + b."""
    return add(product(x, params["w_x"]) + product(h.astype(x.dtype), params["w_h"]), params["b"])


def summed_apart(params: Params, h: Array, x: Array) -> tuple[Array, Array]:
    """x w_x + b and h w_h + b_h, of the GRU."""
    past = product(h.astype(x.dtype), params["w_h"])
    return add(product(x, params["w_x"]), params["b"]), add(past, params["b_h"])
