"""The promises that come before all others: what kinds of things a mixer or model is made of, and gives."""

from typing import Any

import jax

from attn_jax.layers.decay import SparedFn
from attn_jax.testing.require import require
from attn_jax.types import Params

_NO_FUNCTIONS = {"causal": (bool,), "tables": (tuple,), "through": (dict, type(None))}


def check_bundle(bundle: Any, *kinds: type) -> None:
    """Checks that `make` gave one of these bundles, of functions, or of None where there is nothing to call.

    Raises:
      AssertionError: a sentence that says what else it gave.

    >>> from attn_jax.mixers import GRU, Mixer
    >>> check_bundle(GRU(d_model=8), Mixer)
    Traceback (most recent call last):
    AssertionError: make gives a GRU, wanted a Mixer
    """
    wanted = " or ".join(kind.__name__ for kind in kinds)
    require(isinstance(bundle, kinds), f"make gives a {type(bundle).__name__}, wanted a {wanted}")
    for name, part in bundle._asdict().items():
        types = _NO_FUNCTIONS.get(name)
        right = part is None or callable(part) if types is None else isinstance(part, types)
        require(right, f"{name} is {part!r:.60}, wanted a {'function' if types is None else types[0].__name__}")


def check_output(y: Any, shape: tuple[int, ...]) -> None:
    """Checks that `apply` gives one array, of this shape.

    Args:
      y: what it gave, or the shapes of that.
      shape: the one it should have.

    Raises:
      AssertionError: a sentence that says what else it gave.

    >>> check_output((1, 2), (2, 9, 16))
    Traceback (most recent call last):
    AssertionError: apply gives a tuple, wanted one array of shape (2, 9, 16)
    """
    array = hasattr(y, "shape") and hasattr(y, "dtype")
    require(array, f"apply gives a {type(y).__name__}, wanted one array of shape {shape}")
    require(y.shape == shape, f"apply gives shape {y.shape}, wanted {shape}")


def check_spared(spared: SparedFn, params: Params) -> None:
    """Checks that weight decay learns a bool of each leaf; it asks with shapes too, of layers that are scanned.

    Raises:
      AssertionError: a sentence that says what else `spared` gave.

    >>> check_spared(lambda params: None, {"w": 1.0})
    Traceback (most recent call last):
    AssertionError: spared gives None, wanted a tree of bools like params
    """
    for asked in (params, jax.eval_shape(lambda: params)):
        found = spared(asked)
        alike = jax.tree.structure(found) == jax.tree.structure(params)
        bools = alike and all(isinstance(leaf, bool) for leaf in jax.tree.leaves(found))
        require(bools, f"spared gives {found!s:.60}, wanted a tree of bools like params")
