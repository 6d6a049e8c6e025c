"""Layer norm and RMS norm over the last axis; statistics in float32 (float64 for float64 inputs)."""

import jax.numpy as jnp
from jax import lax

from attn_jax.ops.arguments import floats, scalar, takes
from attn_jax.ops.layout import with_rank
from attn_jax.types import Array


def accumulator(dtype) -> jnp.dtype:
    """The dtype of sums over values of `dtype`: at least float32.

    >>> accumulator(jnp.bfloat16)
    dtype('float32')
    """
    return jnp.promote_types(dtype, jnp.float32)


@takes(x=floats, gain=floats, bias=floats, eps=scalar)
def layer_norm(x: Array, gain: Array, bias: Array | None = None, *, eps: float = 1e-6) -> Array:
    """Normalises each vector to mean 0 and variance 1, then scales and shifts it.

    y = (x - mean(x)) / sqrt(var(x) + eps) * gain + bias

    Args:
      x: [..., D] floating.
      gain: [D].
      bias: [D], or None for none.
      eps: added to the variance.

    Returns:
      [..., D] in x's dtype.

    >>> layer_norm(jnp.array([-1.0, 1.0]), jnp.ones(2), eps=0.0).tolist()
    [-1.0, 1.0]

    Reference: Ba, Kiros & Hinton 2016, arXiv 1607.06450, equation 4.
    """
    wide = x.astype(accumulator(x.dtype))
    centred = wide - jnp.mean(wide, -1, keepdims=True)
    y = centred * lax.rsqrt(jnp.mean(jnp.square(centred), -1, keepdims=True) + eps) * with_rank(gain, x.ndim)
    return (y if bias is None else y + with_rank(bias, x.ndim)).astype(x.dtype)


@takes(x=floats, gain=floats, eps=scalar)
def rms_norm(x: Array, gain: Array, *, eps: float = 1e-6) -> Array:
    """Scales each vector to root mean square 1, then by the gain; nothing is centred.

    y = x / sqrt(mean(x^2) + eps) * gain

    Args:
      x: [..., D] floating.
      gain: [D].
      eps: added to the mean square.

    Returns:
      [..., D] in x's dtype.

    >>> rms_norm(jnp.array([3.0, -3.0]), jnp.ones(2), eps=0.0).tolist()
    [1.0, -1.0]

    Reference: Zhang & Sennrich 2019, arXiv 1910.07467, equation 4.
    """
    wide = x.astype(accumulator(x.dtype))
    y = wide * lax.rsqrt(jnp.mean(jnp.square(wide), -1, keepdims=True) + eps) * with_rank(gain, x.ndim)
    return y.astype(x.dtype)
