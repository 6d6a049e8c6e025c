"""Calls of a path as one compiled program, outside `jax.jit` too, in place of one for every operation."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial, wraps
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr

from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.logits import visible_pairs
from attn_jax.ops.attention.masks import MaskFn
from attn_jax.ops.attention.user_functions import PLACES, is_open
from attn_jax.ops.programs import SMALL, key_of
from attn_jax.ops.recent import Recent
from attn_jax.types import Array

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
    array that the function captures. What classes compute is a part of the program, but see `_code`.
    """
    program = jax.jit(partial(_run, path), static_argnums=(0, 1, 2, 3))

    @wraps(path)
    def call(x: Inputs, *facts: Any) -> Any:
        split = _split(x)
        code = () if split is None or not is_open((x.mask, x.score_mod)) else _code(*split)
        if split is None or code is None:
            return path(x, *facts)
        fields = tuple((name, getattr(x, name)) for name in _NO_ARRAYS)
        structure, numbers, arrays = split
        kinds = tuple(map(type, numbers))  # True == 1 == 1.0
        return program((facts, code, kinds), fields, structure, numbers, arrays)

    return call


def _run(path: Callable[..., Any], key: tuple, fields: tuple, structure: Any, numbers: tuple, arrays: list) -> Any:
    """`path` of the inputs put together again."""
    return path(_joined(structure, numbers, arrays)._replace(**dict(fields)), *key[0])


def _split(x: Inputs) -> tuple[Any, tuple, list] | None:
    """(structure, Python numbers or None for each leaf, arrays); None where a leaf is a function."""
    leaves, structure = jax.tree.flatten(x._replace(**_NO_ARRAYS))
    functions = jax.tree.leaves((x.mask, x.score_mod), is_leaf=lambda node: isinstance(node, MaskFn))
    if not all(isinstance(leaf, (jax.Array, np.ndarray, np.generic, int, float)) for leaf in (*leaves, *functions)):
        return None
    numbers = tuple(leaf if isinstance(leaf, (int, float)) else None for leaf in leaves)
    return structure, numbers, [leaf for leaf, number in zip(leaves, numbers, strict=True) if number is None]


def _joined(structure: Any, numbers: tuple, arrays: Sequence[Any]) -> Inputs:
    """The inverse of `_split`."""
    rest = iter(arrays)
    return structure.unflatten([next(rest) if number is None else number for number in numbers])


def _code(structure: Any, numbers: tuple, arrays: list) -> Hashable | None:
    """What the user's classes compute, traced for a few places; None where to compile it would not serve a later call.

    That is so of captured arrays that are large, or are traced elsewhere; of others until they are met again; and of
    what a second trace does not repeat, such as a callback that is another object every time.
    """

    def run(arrays: list, score: Array, b: Array, h: Array, q: Array, k: Array) -> Any:
        x, places = _joined(structure, numbers, arrays), (b, h, q, k)
        seen = None if x.mask is None else visible_pairs(x.mask, places, lambda _: jnp.ones((1, 1, 1), bool))
        return seen, None if x.score_mod is None else x.score_mod(score, *places)

    def traced() -> ClosedJaxpr:
        places = [jax.ShapeDtypeStruct(shape, jnp.int32) for shape in PLACES]
        score = jax.ShapeDtypeStruct((3, 5, 7), jnp.float32)
        return jax.make_jaxpr(lambda *arguments: run(*arguments))(arrays, score, *places)

    first = traced()
    if any(isinstance(x, Tracer) or np.size(x) > SMALL for x in first.consts):
        return None
    key, new = key_of(first), object()
    if _MET.setdefault(key, new) is not new:
        return key
    return None if first.consts or key_of(traced()) != key else key


_MET: Recent[object] = Recent(512)
