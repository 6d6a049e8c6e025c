"""Feature maps of linear attention: phi(q) . phi(k) takes the place of exp(q . k). Their values are never negative."""

import math
from functools import partial

import jax
import jax.numpy as jnp

from attn_jax.ops.arguments import floats, random_key, takes, whole
from attn_jax.types import Array, Key


@takes(x=floats)
def elu_plus_one(x: Array) -> Array:
    """Positive features: x + 1 where x > 0, exp(x) elsewhere.

    Args:
      x: any shape, floating.

    Returns:
      x's shape and dtype.

    >>> elu_plus_one(jnp.array([0.0, 2.0])).tolist()
    [1.0, 3.0]

    Reference: Katharopoulos et al. 2020, arXiv 2006.16236, equation 7.
    """
    return jax.nn.elu(x) + 1


@takes(x=floats)
def relu(x: Array) -> Array:
    """Sparse features: max(x, 0).

    Args:
      x: any shape, floating.

    Returns:
      x's shape and dtype.

    >>> relu(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]

    Reference: Choromanski et al. 2020, arXiv 2009.14794, section 4 (Performer-ReLU).
    """
    return jax.nn.relu(x)


@takes(x=floats, projection=floats)
def positive_random_features(x: Array, projection: Array) -> Array:
    """Features whose inner product is an unbiased estimate of exp(q . k / sqrt(H)): softmax attention without softmax.

    phi(x) = exp(w_m . x' - |x'|^2 / 2) / sqrt(M) for each row w_m of the projection,    x' = x / H^(1/4)

    The exponent is at most |w_m|^2 / 2, some H / 2: float32 holds it for H up to 128.

    Args:
      x: [..., H], queries or keys.
      projection: [M, H], of `orthogonal_projection`; the same for queries and keys.

    Returns:
      [..., M] in x's dtype, computed in at least float32.

    >>> positive_random_features(jnp.zeros((2, 3)), jnp.ones((4, 3)))[0].tolist()
    [0.5, 0.5, 0.5, 0.5]

    Reference: Choromanski et al. 2020, arXiv 2009.14794, equation 5 and lemma 1.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32)) / x.shape[-1] ** 0.25
    exponent = wide @ projection.T.astype(wide.dtype) - jnp.sum(jnp.square(wide), -1, keepdims=True) / 2
    return (jnp.exp(exponent) / math.sqrt(projection.shape[0])).astype(x.dtype)


@takes(key=random_key, num_features=partial(whole, least=1), head_dim=partial(whole, least=1))
def orthogonal_projection(key: Key, num_features: int, head_dim: int) -> Array:
    """Random directions for `positive_random_features`: orthogonal in blocks of H, with the norms of Gaussian vectors.

    Orthogonality lowers the variance of the estimate and leaves it unbiased.

    Args:
      key: a key.
      num_features: M.
      head_dim: H.

    Returns:
      [M, H] float32.

    >>> orthogonal_projection(jax.random.key(0), 5, 2).shape
    (5, 2)

    Reference: Choromanski et al. 2020, arXiv 2009.14794, section 2.3 and theorem 2.
    """
    key_blocks, key_norms = jax.random.split(key)
    num_blocks = -(-num_features // head_dim)
    blocks, r = jnp.linalg.qr(jax.random.normal(key_blocks, (num_blocks, head_dim, head_dim), jnp.float32))
    blocks = (
        blocks * jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))[:, None, :]
    )  # else no direction is like its opposite
    rows = jnp.swapaxes(blocks, -1, -2).reshape(-1, head_dim)[:num_features]
    norms = jnp.linalg.norm(jax.random.normal(key_norms, (num_features, head_dim), jnp.float32), axis=-1, keepdims=True)
    return rows * norms
