"""Functions of the user's as masks and score modifications: what they may be, and whether a mask runs one.

They are called with a block of places at a time, traced, so they must be elementwise.
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from attn_jax.ops.attention.logits import Places, visible_pairs
from attn_jax.ops.attention.masks import Mask, MaskFn
from attn_jax.ops.attention.scores import ScoreMod
from attn_jax.ops.closures import captures
from attn_jax.types import Array

PLACES = ((), (3, 1, 1), (1, 5, 1), (1, 1, 7))  # b, h, q and k, each of its own size, to check a function with


def is_open(tree: Any) -> bool:
    """Whether a mask or modification runs code of the user's: what it computes is then not told by its structure.

    MaskFn and ScoreMod hold functions; the package's other classes read their fields alone.
    """
    found: list[bool] = []

    def visit(node: Any) -> bool:
        own = type(node).__module__.startswith("attn_jax.ops.") and not isinstance(node, (MaskFn, ScoreMod))
        found.append(callable(node) and not own)
        return found[-1]

    jax.tree.leaves(tree, is_leaf=visit)
    return any(found)


def captures_traced(mask: Mask | None, score_mod: Callable[..., Array] | None) -> bool:
    """Whether a function of the user's reads, beside its arguments, an array that is being traced."""
    if not is_open((mask, score_mod)):
        return False
    leaves, structure = jax.tree.flatten((mask, score_mod))
    own = {i: leaf for i, leaf in enumerate(leaves) if isinstance(leaf, Tracer)}

    def run(own: dict[int, Array], score: Array, places: Places) -> Any:
        mask, score_mod = structure.unflatten([own.get(i, leaf) for i, leaf in enumerate(leaves)])
        seen = None if mask is None else visible_pairs(mask, places, lambda _: jnp.ones((1, 1, 1), bool))
        return seen, None if score_mod is None else score_mod(score, *places)

    places = tuple(jax.ShapeDtypeStruct(shape, jnp.int32) for shape in PLACES)
    return captures(jax.make_jaxpr(run)(own, jax.ShapeDtypeStruct((3, 5, 7), jnp.float32), places))


def check_function(name: str, function: Callable[..., Any], *, score_dtype: jnp.dtype | None = None) -> None:
    """Raises a ValueError that names the argument unless `function` is elementwise on traced places.

    A mask is called as function(b, h, q, k) and answers bool; with `score_dtype` it is a score modification, called as
    function(score, b, h, q, k), and answers a floating number.
    """
    places = [jax.ShapeDtypeStruct(shape, jnp.int32) for shape in PLACES]
    whole = (3, 5, 7)
    score = [] if score_dtype is None else [jax.ShapeDtypeStruct(whole, score_dtype)]
    try:
        inspect.signature(function).bind(*score, *places)
    except TypeError as error:
        wanted = f"({'' if score_dtype is None else 'score, '}b, h, q, k)"
        raise ValueError(f"{name}: got a function that cannot be called with {wanted}: {error}") from error
    try:
        result = jax.eval_shape(lambda *arguments: function(*arguments), *score, *places)  # anew, as in `lift`
    except (TypeError, ValueError) as error:
        if not _asks_for_a_value(error):
            raise
        raise ValueError(
            f"{name}: the function asks for the value of an index or a score while it is traced (`if`, `and`, `in`, "
            "int(), a NumPy array's [h]); wanted elementwise jax.numpy: jnp.where(q >= k, ...), & and |, "
            "jnp.asarray(array)[h]"
        ) from error
    wanted = "bool" if score_dtype is None else "a floating dtype"
    kind = jnp.bool_ if score_dtype is None else jnp.floating
    if not isinstance(result, jax.ShapeDtypeStruct) or not jnp.issubdtype(result.dtype, kind):
        got = result.dtype if isinstance(result, jax.ShapeDtypeStruct) else type(result).__name__
        raise ValueError(f"{name}: the function returns {got}, wanted one array of {wanted}")
    fits = len(result.shape) <= 3 and all(a in (1, n) for a, n in zip(result.shape[::-1], whole[::-1], strict=False))
    if not fits:
        raise ValueError(
            f"{name}: the function turns places of shapes {PLACES} into {result.shape}, wanted a shape that "
            f"broadcasts to {whole}: elementwise"
        )
    reduced = next((axis for axis in range(3) if _reduces(function, [*score, *places], result.shape, axis)), None)
    if reduced is not None:
        raise ValueError(
            f"{name}: the function turns places of shapes {PLACES} into {result.shape} by reducing over "
            f"{('heads', 'queries', 'keys')[reduced]}, wanted elementwise: it is called with a block of them at a time"
        )


def _reduces(function: Callable[..., Any], inputs: list[Any], found: tuple[int, ...], axis: int) -> bool:
    """Whether the result has no such axis and yet depends on an input that has: `jax.vmap` of those inputs tells."""
    if (1, 1, 1, *found)[axis - 3] != 1:
        return False
    wide = [len(x.shape) == 3 and x.shape[axis] > 1 for x in inputs]
    axes = tuple(0 if own else None for own in wide)
    many = [jax.ShapeDtypeStruct((2, *x.shape), x.dtype) if own else x for x, own in zip(inputs, wide, strict=True)]
    try:
        jax.eval_shape(jax.vmap(lambda *arguments: function(*arguments), axes, None), *many)
    except Exception as error:  # of any other kind it tells nothing
        return "out_axes" in str(error)
    return False


def _asks_for_a_value(error: Exception) -> bool:
    """Whether an error is JAX's answer to `if`, int() or the like; of more than one number it is none of JAX's own."""
    traced = isinstance(error, (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError))
    return traced or "truth value of an array" in str(error) or "scalar arrays can be converted" in str(error)
