"""Padding: which places of a row are there. It lies on the right, so that their number says all of it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from attn_jax.ops.arguments import array
from attn_jax.types import Array


def prefix(name: str, valid: Array | None, shape: tuple[int, ...]) -> Array | None:
    """`valid` as bool [B, T], refused where it is known not to be a prefix of each row; None stays None.

    A place that is there after one that is not would leave a hole in a cache, and be overwritten. A traced `valid` is
    trusted; the numbers of one on a device are read once, and then lie in the array.

    >>> prefix("valid", [[True, True, False]], (1, 3)).tolist()
    [[True, True, False]]
    """
    if valid is None:
        return None
    valid = array(name, valid, "bool [B, T]")
    if valid.shape != shape or valid.dtype != bool:
        raise ValueError(f"{name}: got {valid.dtype}{list(valid.shape)}, wanted bool [B, T] = {list(shape)}")
    holes = _holes(valid)
    if holes.any():
        raise ValueError(
            f"{name}: got padding before a valid place in row {int(np.argmax(holes))}, wanted a prefix of each row: "
            "padding on the right only"
        )
    return valid


def all_valid(name: str, valid: Array | None, shape: tuple[int, ...]) -> Array:
    """`prefix`, True everywhere for None."""
    valid = prefix(name, valid, shape)
    return jnp.ones(shape, bool) if valid is None else valid


def _holes(valid: Array) -> np.ndarray:
    """Which rows have a valid place behind padding, bool [B]; none where the numbers are not known here."""
    if isinstance(valid, Tracer) or not (isinstance(valid, jax.Array) and valid.is_fully_addressable):
        return np.zeros(0, bool)
    known = np.asarray(valid)
    return np.asarray((known[:, 1:] & ~known[:, :-1]).any(1))
