"""Calls of a path as one compiled program, outside `jax.jit` too, in place of one for every operation."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import jax
import numpy as np

from attn_jax.ops.inputs import Inputs
from attn_jax.ops.masks import MaskFn
from attn_jax.ops.scores import ScoreMod

_STATIC = {"dropout_rate": 0.0, "precision": None, "block_sizes": None}  # what is no array, and a stand-in for it


def compile_eager(path: Callable[..., Any]) -> Callable[..., Any]:
    """`path(x, *facts)`, compiled for each `facts`: the first call of a new shape takes a third of the time, or less.

    A call with a plain function is left alone: it would be compiled anew for every function object.
    """
    program = jax.jit(partial(_run, path), static_argnums=(0, 1))

    @wraps(path)
    def call(x: Inputs, *facts: Any) -> Any:
        if not _is_plain(x):
            return path(x, *facts)
        static = tuple((name, getattr(x, name)) for name in _STATIC)
        return program(facts, static, x._replace(**_STATIC))

    return call


def _run(path: Callable[..., Any], facts: tuple, static: tuple[tuple[str, Any], ...], x: Inputs) -> Any:
    """`path` of the whole inputs."""
    return path(x._replace(**dict(static)), *facts)


def _is_plain(x: Inputs) -> bool:
    """Whether all inputs are arrays and numbers."""
    leaves = jax.tree.leaves(x._replace(**_STATIC), is_leaf=lambda node: isinstance(node, (MaskFn, ScoreMod)))
    return all(isinstance(leaf, (jax.Array, np.ndarray, np.generic, int, float)) for leaf in leaves)
