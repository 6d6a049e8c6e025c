"""Which parameters weight decay leaves alone: each mixer and model says so of its own."""

from collections.abc import Collection
from typing import Protocol

import jax
import jax.numpy as jnp

from attn_jax.types import Params


class SparedFn(Protocol):
    """What weight decay leaves alone."""

    def __call__(self, params: Params, /) -> Params:
        """A tree like params, or like their shapes: True where a leaf is left alone."""
        ...


def spared(names: Collection[str], params: Params) -> Params:
    """True at leaves of fewer than two axes, which are biases, gains and the like, and at those called by these names.

    Names are for what has two axes or more and must still not be pulled to 0: the biases of heads, or what sets a
    decay or a frequency, since a memory would be pulled to a length of its own.

    Args:
      names: the last keys of such leaves' paths.
      params: a pytree of arrays, or of their shapes.

    >>> spared(["log_a"], {"w": jnp.ones((2, 3)), "b": jnp.ones(3), "log_a": jnp.ones((2, 3))})
    {'b': True, 'log_a': True, 'w': False}
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: jnp.ndim(leaf) < 2 or _name(path) in names, params)


def _name(path: tuple) -> str:
    return str(getattr(path[-1], "key", "")) if path else ""
