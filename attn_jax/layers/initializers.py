"""Initial weights: few large draws, because each draw in a compiled program costs compile time."""

import math
from functools import partial

import jax
import jax.numpy as jnp

from attn_jax.ops.arguments import random_key, takes, whole
from attn_jax.types import Array, Key

_size = partial(whole, least=1)


@takes(key=random_key, d_in=_size, d_out=_size, parts=_size)
def glorot_uniform(key: Key, d_in: int, d_out: int, *, parts: int = 1) -> Array:
    """Uniform weights that keep the variance of values and gradients: U(-a, a), a = sqrt(6 / (d_in + d_out)).

    Args:
      key: a key.
      d_in: the fan in.
      d_out: the fan out of each part.
      parts: so many matrices stand side by side, each scaled by its own fans.

    Returns:
      [d_in, parts * d_out] float32.

    >>> glorot_uniform(jax.random.key(0), 2, 3, parts=4).shape
    (2, 12)

    Reference: Glorot & Bengio 2010, equation 16.
    """
    limit = math.sqrt(6 / (d_in + d_out))
    return jax.random.uniform(key, (d_in, parts * d_out), jnp.float32, minval=-limit, maxval=limit)


@takes(key=random_key, d=_size, parts=_size)
def orthogonal(key: Key, d: int, *, parts: int = 1) -> Array:
    """Random orthogonal matrices side by side, uniform over the orthogonal group.

    Q of the QR decomposition of a Gaussian matrix, each column signed by the diagonal of R.

    Args:
      key: a key.
      d: rows of each matrix, and columns.
      parts: how many.

    Returns:
      [d, parts * d] float32.

    >>> w = orthogonal(jax.random.key(0), 3)
    >>> bool(jnp.allclose(w @ w.T, jnp.eye(3), atol=1e-6))
    True

    Reference: Saxe, McClelland & Ganguli 2014, arXiv 1312.6120; the sign: Mezzadri 2007, arXiv math-ph/0609050.
    """
    q, r = jnp.linalg.qr(jax.random.normal(key, (parts, d, d), jnp.float32))
    q = q * jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))[:, None, :]
    return jnp.swapaxes(q, 0, 1).reshape(d, parts * d)
