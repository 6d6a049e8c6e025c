"""Traced functions that are equal where they compute the same, as keys of compiled programs.

A function object is no such key: what it reads, a global, an attribute, a captured number, may change between two
calls. So it is traced at every call, which takes about a millisecond, and a program is compiled again where the trace
is another one.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun

_RULE = "jvp_jaxpr_fun"  # a parameter of jax.custom_jvp, another function in every trace


@dataclass(frozen=True, eq=False)
class Program:
    """A jaxpr; of the same operations, shapes, dtypes and numbers there is one object. Captured arrays are inputs."""

    jaxpr: Jaxpr


_PROGRAMS: "WeakValueDictionary[Hashable, Program]" = WeakValueDictionary()


def program_of(traced: ClosedJaxpr) -> Program:
    """The program of a traced function."""
    rules: list[str] = []
    content = _operations(traced.jaxpr, rules)
    return _PROGRAMS.setdefault((content, _derivative(traced.jaxpr) if rules else None), Program(traced.jaxpr))


def key_of(traced: ClosedJaxpr) -> Hashable:
    """A traced function as a key: its program, and the arrays it captured, by identity, as no JAX array changes."""
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
    rules += [name for name in params if name == _RULE]
    return [(name, _value(x, rules)) for name, x in sorted(params.items()) if name != _RULE]


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
    if hasattr(x, "__array__") and not isinstance(x, jax.Array):
        array = np.asarray(x)
        return array.shape, array.dtype, array.tobytes()
    try:
        hash(x)
    except TypeError:
        return _Same(x)
    return type(x), x


@dataclass(frozen=True, eq=False)
class _Same:
    """Equal to the same object only, which it keeps alive."""

    x: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


def _derivative(jaxpr: Any) -> Hashable:
    """The operations of the first derivative by all that is floating, in which the rules of jax.custom_jvp stand."""
    shapes = [jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype) for x in (*jaxpr.constvars, *jaxpr.invars)]
    floating = [i for i, x in enumerate(shapes) if jnp.issubdtype(x.dtype, jnp.inexact)]
    captured = len(jaxpr.constvars)

    def moved(*arrays: jax.Array) -> Any:
        def run(*points: jax.Array) -> Any:
            given = list(arrays)
            for i, point in zip(floating, points, strict=True):
                given[i] = point
            return jaxpr_as_fun(ClosedJaxpr(jaxpr, given[:captured]))(*given[captured:])

        points = [arrays[i] for i in floating]
        return jax.jvp(run, points, points)

    try:
        return _operations(jax.make_jaxpr(moved)(*shapes).jaxpr, [])
    except Exception:  # a rule may refuse; then no two programs are taken for equal
        return _Same(object())
