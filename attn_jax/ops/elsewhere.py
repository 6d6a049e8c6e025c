"""What is traced here and lowered for another platform is traced anew there, in the form that suits that platform.

What a program is for is known when it is lowered (`jax.export`, `lower(lowering_platforms=...)`, arguments on another
device), long after the choice between a loop that keeps a CPU's cache warm and one wide step. So what a function gives
here passes through a primitive, which is the identity where the program is lowered for the platform that it was traced
for. Lowered for another one, it puts the function in its own place, traced for that one; what was computed for this one
is dead code there, which XLA removes. Nothing is traced twice for the platform at hand.
(`lax.platform_dependent` traces every form at every call, and each form returns the residuals of all, as zeros where
they are another's.)

Derivatives: tangents pass through the same primitive, and so do cotangents. Of a function that is traced anew no
residual is kept: its derivative begins with the arguments, and computes the rest again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jax.extend.core import JaxprEqn, Primitive
from jax.interpreters import ad, batching, mlir
from jax.interpreters import partial_eval as pe

from attn_jax.ops.placement import is_meant, meant_for, platform
from attn_jax.types import Array

Result = TypeVar("Result")


def by_platform(function: Callable[[Any], Result], arguments: Any) -> Result:
    """`function(arguments)` as the platform wants it that this is lowered for, whichever it was traced for.

    `function` asks `placement.platform()` what to do, and gives everywhere the same, up to rounding. Arrays that are
    being traced are leaves of `arguments`; none is captured.
    """
    found = function(arguments)
    leaves, structure = jax.tree.flatten(arguments)
    traced = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tracer)]
    if not traced or is_meant():  # computed at once, or for a platform that is known
        return found
    results, result_structure = jax.tree.flatten(found)
    fixed = [None if isinstance(leaf, Tracer) else leaf for leaf in leaves]

    def anew(*arrays: Array) -> list[Array]:
        return jax.tree.leaves(function(structure.unflatten(_filled(fixed, traced, arrays))))

    arrays = [leaves[i] for i in traced]
    none = (False,) * len(results)
    return result_structure.unflatten(_elsewhere.bind(*results, *arrays, here=platform(), anew=Anew(anew), absent=none))


def _filled(all_: Sequence[Any], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """`all_` with other values at some places."""
    filled = list(all_)
    for place, value in zip(places, values, strict=True):
        filled[place] = value
    return filled


@dataclass(frozen=True, eq=False)
class Anew:
    """`function(*arrays)`; a program's text shows no address, so that equal programs have equal texts."""

    function: Callable[..., list[Array]] = field(repr=False)

    def __call__(self, *arrays: Array) -> list[Array]:
        """The results."""
        return self.function(*arrays)


# results, arrays -> results. `anew(*arrays)` gives the same results on another platform than `here`. Of those that are
# `absent` there is none here: zeros stand in, whose tangents are another platform's all the same.
_elsewhere = Primitive("attn_jax_elsewhere")
_elsewhere.multiple_results = True
_elsewhere.def_impl(lambda *xs, absent, **_: list(xs[: len(absent)]))
_elsewhere.def_abstract_eval(lambda *xs, absent, **_: list(xs[: len(absent)]))


def _jvp(primals, tangents, *, here: str, anew: Anew, absent: tuple[bool, ...]):
    """Tangents that are zero here by construction are zero everywhere."""
    count = len(absent)
    found = _elsewhere.bind(*primals, here=here, anew=anew, absent=absent)
    arrays, dots = primals[count:], tangents[count:]
    moved = [i for i in range(count) if absent[i] or type(tangents[i]) is not ad.Zero]
    given = [i for i, dot in enumerate(dots) if type(dot) is not ad.Zero]
    found_dots = [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in found]
    if not moved or not given:
        return found, _filled(found_dots, moved, [tangents[i] for i in moved])

    def tangent(*both: Array) -> list[Array]:
        points, own_dots = both[: len(arrays)], list(both[len(arrays) :])

        def run(*some: Array) -> list[Array]:
            results = anew(*_filled(points, given, some))
            return [results[i] for i in moved]

        return jax.jvp(run, [points[i] for i in given], own_dots)[1]

    own = [ad.instantiate_zeros(tangents[i]) for i in moved]
    result = _elsewhere.bind(
        *own,
        *arrays,
        *(dots[i] for i in given),
        here=here,
        anew=Anew(tangent),
        absent=tuple(absent[i] for i in moved),
    )
    return found, _filled(found_dots, moved, result)


def _transpose(cotangents, *xs, here: str, anew: Anew, absent: tuple[bool, ...]):
    """Here cotangents go on to the results; elsewhere zeros, and the cotangents of arrays are what is traced anew."""
    count = len(absent)
    arrays = xs[count:]
    live = [i for i, cotangent in enumerate(cotangents) if type(cotangent) is not ad.Zero]
    linear = [i for i, x in enumerate(arrays) if ad.is_undefined_primal(x)]
    known = [i for i in range(len(arrays)) if i not in linear]
    own = [cotangents[i] for i in live]
    shapes = [jax.ShapeDtypeStruct(arrays[i].aval.shape, arrays[i].aval.dtype) for i in linear]

    def transposed(*both: Array) -> list[Array]:
        points, own = both[: len(known)], list(both[len(known) :])

        def run(*some: Array) -> list[Array]:
            results = anew(*_filled(_filled(arrays, known, points), linear, some))
            return [results[i] for i in live]

        return [*map(jnp.zeros_like, own), *jax.linear_transpose(run, *shapes)(own)]

    result = _elsewhere.bind(
        *own,
        *(ad.instantiate_zeros(ad.Zero(arrays[i].aval)) for i in linear),
        *(arrays[i] for i in known),
        *own,
        here=here,
        anew=Anew(transposed),
        absent=(False,) * len(own) + (True,) * len(linear),
    )
    onward = [i for i in range(count) if i in live and ad.is_undefined_primal(xs[i])]
    found = dict(zip(live, result, strict=False))
    places = [*onward, *(count + i for i in linear)]
    return _filled([None] * len(xs), places, [*(found[i] for i in onward), *result[len(own) :]])


def _without_unused(used: list[bool], *last: Any) -> tuple[list[bool], JaxprEqn | None]:
    """A result that nobody reads is none elsewhere either, and what computes its tangent here goes."""
    eqn: JaxprEqn = last[-1]  # before it jax 0.12 says which of its arrays are live
    if not any(used):
        return [False] * len(eqn.invars), None
    anew, kept = eqn.params["anew"], [i for i, own in enumerate(used) if own]

    def fewer(*arrays: Array) -> list[Array]:
        results = anew(*arrays)
        return [results[i] for i in kept]

    read = [*used, *[True] * (len(eqn.invars) - len(used))]
    rest = eqn.replace(
        invars=[x for x, own in zip(eqn.invars, read, strict=True) if own],
        outvars=[eqn.outvars[i] for i in kept],
        params=eqn.params | {"anew": Anew(fewer), "absent": tuple(eqn.params["absent"][i] for i in kept)},
    )
    return read, rest


def _batch(xs, axes, *, here: str, anew: Anew, absent: tuple[bool, ...]):
    """A result that has no batch axis here has none elsewhere; a stand-in has one."""
    count = len(absent)
    size = next(x.shape[axis] for x, axis in zip(xs, axes, strict=True) if axis is not None)
    xs = [x if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(xs, axes, strict=True)]
    for i, missing in enumerate(absent):
        if missing and axes[i] is None:
            xs[i] = jnp.broadcast_to(xs[i], (size, *xs[i].shape))
    wide = [missing or axis is not None for missing, axis in zip(absent, axes, strict=False)]
    array_axes = tuple(None if axis is None else 0 for axis in axes[count:])

    def many(*arrays: Array) -> list[Array]:
        results = jax.vmap(anew, array_axes, axis_size=size)(*arrays)
        return [x if own else x[0] for x, own in zip(results, wide, strict=True)]

    result = _elsewhere.bind(*xs, here=here, anew=Anew(many), absent=absent)
    return result, [0 if own else None for own in wide]


def _lower(lowered_for: str, ctx, *xs, here: str, anew: Anew, absent: tuple[bool, ...]):
    """The identity, or the function traced for the platform at hand."""
    count = len(absent)
    if lowered_for == here:
        return list(xs[:count])

    def run(*arrays: Array) -> list[Array]:
        with meant_for(lowered_for):
            return anew(*arrays[count:])

    return mlir.lower_fun(run)(ctx, *xs)


ad.primitive_jvps[_elsewhere] = _jvp
ad.primitive_transposes[_elsewhere] = _transpose
batching.primitive_batchers[_elsewhere] = _batch
pe.dce_rules[_elsewhere] = _without_unused
for _name in ("cpu", "gpu", "tpu"):
    mlir.register_lowering(_elsewhere, partial(_lower, _name), platform=_name)
mlir.register_lowering(_elsewhere, lambda ctx, *xs, absent, **_: list(xs[: len(absent)]))
