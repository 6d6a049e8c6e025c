"""Places to look at along a sequence, and the slope of what is found there."""

import jax.numpy as jnp
import numpy as np

from attn_jax.types import Array

_FIT_FROM = 8  # steps back; nearer ones are a mixture of rates


def spaced(length: int, number: int) -> np.ndarray:
    """At most so many whole numbers from 0 to length - 1, both ends included, int32.

    >>> spaced(10, 4).tolist(), spaced(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.unique(np.linspace(0, length - 1, min(number, length)).round()).astype(np.int32)


def check_places(number: int) -> None:
    """Refuses a `num_places` of fewer than both ends.

    >>> check_places(1)
    Traceback (most recent call last):
    ValueError: num_places: got 1, wanted an integer of at least 2
    """
    if not isinstance(number, int) or number < 2:
        raise ValueError(f"num_places: got {number!r}, wanted an integer of at least 2")


def fitted_slope(k: np.ndarray, height: Array) -> Array:
    """The least squares slope of height [n] over k, from 8 on, or from a quarter of the longest where that is less.

    What is not finite is left out; NaN where fewer than two are left.

    >>> fitted_slope(np.arange(4), jnp.array([9.0, 1.0, 3.0, -jnp.inf])).tolist()
    -3.0
    >>> fitted_slope(np.arange(16), 2.0 * jnp.arange(16)).tolist()
    2.0
    """
    sound = (k >= min(_FIT_FROM, k[-1] // 4)) & jnp.isfinite(height)
    number = jnp.sum(sound)
    off = jnp.where(sound, k - jnp.sum(jnp.where(sound, k, 0)) / number, 0.0)
    slope = jnp.sum(off * jnp.where(sound, height, 0)) / jnp.sum(off**2)
    return jnp.where(number >= 2, slope, jnp.nan)
