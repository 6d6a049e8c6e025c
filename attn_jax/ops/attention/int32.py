"""Positions are int32: sums that do not wrap, differences compared exactly.

A position that an int32 cannot hold, of a row far behind a large offset, is the nearest that it can: on every path.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from attn_jax.types import Array

LEAST, MOST = (int(x) for x in (np.iinfo(np.int32).min, np.iinfo(np.int32).max))


def narrow(x: ArrayLike) -> ArrayLike:
    """Integers of any width as those nearest to them that an int32 holds."""
    if isinstance(x, int):
        return min(max(x, LEAST), MOST)
    # 64 bits of NumPy's are 32 of JAX's unless JAX is set otherwise: they are read where they are
    xp: Any = np if isinstance(x, (np.ndarray, np.generic)) else jnp
    wide: Any = xp.asarray(x)
    if wide.dtype.itemsize < 4 or wide.dtype == np.int32:
        return x
    low = xp.minimum(wide, xp.asarray(MOST, wide.dtype))
    return (low if wide.dtype.kind == "u" else xp.maximum(low, xp.asarray(LEAST, wide.dtype))).astype(np.int32)


def plus(x: ArrayLike, y: ArrayLike) -> Array:
    """`x + y`, or the nearest that an int32 holds."""
    x, y = (jnp.asarray(narrow(number), jnp.int32) for number in (x, y))
    total = x + y
    over = ((x >= 0) == (y >= 0)) & ((total >= 0) != (x >= 0))
    return jnp.where(over, jnp.where(x < 0, LEAST, MOST), total)


def minus(x: ArrayLike, y: ArrayLike) -> Array:
    """`x - y`, or the nearest that an int32 holds."""
    x, y = (jnp.asarray(narrow(number), jnp.int32) for number in (x, y))
    left, over = _difference(x, y)
    return jnp.where(over, jnp.where(x < 0, LEAST, MOST), left)


def at_most(x: ArrayLike, y: ArrayLike, limit: ArrayLike) -> Array:
    """Whether `x - y <= limit`, also where an int32 does not hold the difference."""
    x, y = (jnp.asarray(narrow(number), jnp.int32) for number in (x, y))
    left, over = _difference(x, y)
    return jnp.where(over, x < 0, left <= narrow(limit))


def distance(x: ArrayLike, y: ArrayLike) -> Array:
    """`|x - y|` as uint32, which holds it."""
    x, y = (jnp.asarray(narrow(number), jnp.int32) for number in (x, y))
    first, second = x.astype(jnp.uint32), y.astype(jnp.uint32)
    return jnp.where(x < y, second - first, first - second)


def _difference(x: Array, y: Array) -> tuple[Array, Array]:
    """(x - y, whether it wrapped)."""
    left = x - y
    return left, ((x >= 0) != (y >= 0)) & ((left >= 0) != (x >= 0))
