"""Traced functions that are equal where they compute the same, as keys of compiled programs.

A function object is no such key: what it reads, a global, an attribute, a captured number, may change between two
calls. So it is traced at every call, and a program is compiled again where the trace is another one. That takes a
fraction of a millisecond an operation: measured, 1-2 ms for `score * 2`, 4-8 for a few operations such as those of a
soft cap, and as much again where rules of derivatives are compared. Under `jax.jit` it is paid once.
"""

from collections.abc import Hashable
from dataclasses import dataclass, fields
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun

from attn_jax.ops.recent import Recent
from attn_jax.ops.same import Function, Same, frozen

# Parameters of jax.custom_jvp and jax.custom_vjp, other functions in every trace.
_JVP, _VJP = {"jvp_jaxpr_fun"}, {"fwd_jaxpr_thunk", "bwd", "out_trees"}
SMALL = 1024  # up to so many numbers a captured JAX array is compared by them


@dataclass(frozen=True, eq=False)
class Program:
    """A jaxpr; of the same operations, shapes, dtypes and numbers there is one object. Captured arrays are inputs."""

    jaxpr: Jaxpr


_PROGRAMS: Recent[Program] = Recent(512)


def program_of(traced: ClosedJaxpr) -> Program:
    """The program of a traced function."""
    rules: list[str] = []
    content = _operations(traced.jaxpr, rules)
    derivative = _derivative(traced.jaxpr, backward=not _VJP.isdisjoint(rules)) if rules else None
    return _PROGRAMS.setdefault((content, derivative), Program(traced.jaxpr))


def key_of(traced: ClosedJaxpr) -> Hashable:
    """A traced function as a key: its program, and the arrays it captured, large ones by identity."""
    return program_of(traced), _value(tuple(traced.consts), [])


def _operations(jaxpr: Any, rules: list[str]) -> Hashable:
    """Every operation in order, its variables by number; `rules` is filled with parameters that were left out."""
    numbers: dict[Any, int] = {}

    def name(x: Any) -> Hashable:
        value = _value(np.asarray(x.val), rules) if isinstance(x, Literal) else numbers.setdefault(x, len(numbers))
        return value, getattr(x.aval, "shape", x.aval), getattr(x.aval, "dtype", None), getattr(x.aval, "weak_type", 0)

    inputs = tuple(name(x) for x in (*jaxpr.constvars, *jaxpr.invars))
    steps = tuple(
        (step.primitive, step.ctx, *_parameters(step.params, rules), *map(name, (*step.invars, *step.outvars)))
        for step in jaxpr.eqns
    )
    return inputs, steps, tuple(name(x) for x in jaxpr.outvars)


def _parameters(params: dict[str, Any], rules: list[str]) -> list[Hashable]:
    """The parameters of an operation."""
    own = params.keys() & (_JVP | _VJP)
    rules += own
    return [(name, _value(x, rules)) for name, x in sorted(params.items()) if name not in own]


def _value(x: Any, rules: list[str]) -> Hashable:
    """Anything that an operation holds; what can only be compared by identity, by identity."""
    inner = getattr(x, "jaxpr", x)
    if isinstance(inner, Jaxpr):
        return _operations(inner, rules), _value(tuple(getattr(x, "consts", ())), rules)
    if isinstance(x, (tuple, list)):
        return type(x), tuple(_value(part, rules) for part in x)
    if isinstance(x, dict):
        return tuple((name, _value(part, rules)) for name, part in x.items())
    if isinstance(x, float):
        return x.hex()  # -0.0 is not 0.0, and NaN is NaN
    if isinstance(x, jax.Array):
        return _array(x)
    if hasattr(x, "__array__"):
        array = np.asarray(x)
        return array.shape, array.dtype, array.tobytes()
    if isinstance(x, FunctionType):
        return Function(x)
    if getattr(vars(type(x)).get("__dataclass_params__"), "frozen", False):  # such as a callback's
        return type(x), tuple(frozen(getattr(x, part.name)) for part in fields(x))
    try:
        hash(x)
    except TypeError:
        return Same(x)
    return type(x), x


def _array(x: jax.Array) -> Hashable:
    """A JAX array, by its numbers where they are few and at hand."""
    if (
        isinstance(x, Tracer)
        or x.size > SMALL
        or not x.is_fully_addressable
        or jnp.issubdtype(x.dtype, jax.dtypes.extended)
    ):
        return Same(x)
    return x.shape, x.dtype, x.weak_type, x.sharding, np.asarray(x).tobytes()


def _derivative(jaxpr: Any, *, backward: bool) -> Hashable:
    """The operations of the first derivative by all that is floating, in which the rules stand: of jax.custom_jvp,
    or `backward`, as those of jax.custom_vjp know no other way."""
    shapes = [jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype) for x in (*jaxpr.constvars, *jaxpr.invars)]
    floating = [i for i, x in enumerate(shapes) if jnp.issubdtype(x.dtype, jnp.inexact)]
    captured = len(jaxpr.constvars)
    answers = [i for i, x in enumerate(jaxpr.outvars) if jnp.issubdtype(x.aval.dtype, jnp.inexact)]
    if not floating or not answers:  # such as a mask's
        return None

    def moved(arrays: list[jax.Array], tangents: list[jax.Array], cotangents: list[jax.Array]) -> Any:
        def run(*points: jax.Array) -> list[jax.Array]:
            given = list(arrays)
            for i, point in zip(floating, points, strict=True):
                given[i] = point
            found = jaxpr_as_fun(ClosedJaxpr(jaxpr, given[:captured]))(*given[captured:])
            return [found[i] for i in answers]

        points = [arrays[i] for i in floating]
        return jax.vjp(run, *points)[1](cotangents) if backward else jax.jvp(run, points, tangents)

    results = [jax.ShapeDtypeStruct(jaxpr.outvars[i].aval.shape, jaxpr.outvars[i].aval.dtype) for i in answers]
    try:
        traced = jax.make_jaxpr(moved)(shapes, [shapes[i] for i in floating], results)
    except Exception:  # a rule may refuse; then no two programs are taken for equal
        return Same(object())
    return _value(traced, []) if not any(isinstance(x, Tracer) for x in traced.consts) else Same(object())
