"""Calls of a path as one compiled program, outside `jax.jit` too, in place of one for every operation."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
import numpy as np

from attn_jax.ops.inputs import Inputs
from attn_jax.ops.masks import MaskFn
from attn_jax.ops.scores import ScoreMod

_NO_ARRAYS = {
    "dropout_rate": 0.0,
    "precision": None,
    "block_sizes": None,
    "broadcast_dropout": False,
}  # fields, and stand-ins without a leaf


def compile_eager(path: Callable[..., Any]) -> Callable[..., Any]:
    """`path(x, *facts)`, compiled for each `facts`: the first call of a new shape takes a third of the time, or less.

    Python numbers, such as an offset of 0, are a part of the program, for XLA to fold: a causal mask that were computed
    in every tile would double the time. A call with a plain function is left alone: it would be compiled anew for every
    function object.
    """
    program = jax.jit(partial(_run, path), static_argnums=(0, 1, 2, 3))

    @wraps(path)
    def call(x: Inputs, *facts: Any) -> Any:
        if not _is_plain(x):
            return path(x, *facts)
        fields = tuple((name, getattr(x, name)) for name in _NO_ARRAYS)
        leaves, structure = jax.tree.flatten(x._replace(**_NO_ARRAYS))
        numbers = tuple(leaf if isinstance(leaf, (int, float)) else None for leaf in leaves)
        arrays = [leaf for leaf, number in zip(leaves, numbers, strict=True) if number is None]
        return program(facts, fields, structure, numbers, arrays)

    return call


def _run(path: Callable[..., Any], facts: tuple, fields: tuple, structure: Any, numbers: tuple, arrays: list) -> Any:
    """`path` of the inputs put together again."""
    rest = iter(arrays)
    leaves = [next(rest) if number is None else number for number in numbers]
    return path(structure.unflatten(leaves)._replace(**dict(fields)), *facts)


def _is_plain(x: Inputs) -> bool:
    """Whether all inputs are arrays and numbers."""
    leaves = jax.tree.leaves(x._replace(**_NO_ARRAYS), is_leaf=lambda node: isinstance(node, (MaskFn, ScoreMod)))
    return all(isinstance(leaf, (jax.Array, np.ndarray, np.generic, int, float)) for leaf in leaves)
