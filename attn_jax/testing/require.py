"""How the checks say that a promise is broken."""

from typing import Any

import jax
import numpy as np

_CLOSE = 2e-5  # float32, sums of some tens of terms in another order


def require(condition: bool | np.bool_, message: str) -> None:
    """`assert`, which python -O would leave out.

    >>> require(True, "never said")
    """
    if not condition:
        raise AssertionError(message)


def require_finite(tree: Any, sentence: str) -> None:
    """Of a tree, every leaf."""
    require(all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree)), sentence)


def require_close(a: Any, b: Any, sentence: str) -> None:
    """Equal up to rounding, leaf by leaf, relative to the leaf's largest value; NaN is equal to nothing."""
    for one, other in zip(map(np.asarray, jax.tree.leaves(a)), map(np.asarray, jax.tree.leaves(b)), strict=True):
        scale = max(float(np.abs(one).max()), 1.0) if one.size else 1.0
        with np.errstate(invalid="ignore"):  # of two infinities
            require((np.abs(one - other) <= _CLOSE * scale).all(), sentence)
