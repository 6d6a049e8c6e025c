"""Dropout of values, and the keys of its many places from one key."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import floats, random_key, share, takes
from attn_jax.types import Array, Key


@takes(rate=share, x=floats, key=random_key)
def dropout(rate: float, x: Array, key: Key | None) -> Array:
    """Drops a share of the values while training and scales the others up, so that the mean stays.

    y = where(u < rate, 0, x / (1 - rate)),    u uniform over [0, 1), one draw a value

    Args:
      rate: the share dropped, in [0, 1).
      x: any shape.
      key: None = evaluation: x as it is.

    Returns:
      x's shape and dtype.

    >>> dropout(0.5, jnp.ones(3), None).tolist()
    [1.0, 1.0, 1.0]
    >>> sorted(set(dropout(0.5, jnp.ones(99), jax.random.key(0)).tolist()))
    [0.0, 2.0]

    Reference: Srivastava et al. 2014, JMLR 15, section 10 (inverted).
    """
    if key is None or rate == 0:
        return x
    kept = jax.random.bernoulli(key, jnp.float32(1 - rate), x.shape)
    return jnp.where(kept, x / (1 - rate), 0).astype(x.dtype)


@takes(key=random_key)
def fold_in(key: Key | None, index: ArrayLike) -> Key | None:
    """The key of one place of many, a layer or a part of it; None, which means evaluation, stays None.

    Args:
      key: a key, or None.
      index: int, traced or not.

    Returns:
      A key, or None.

    >>> fold_in(None, 3) is None
    True
    """
    return None if key is None else jax.random.fold_in(key, index)
