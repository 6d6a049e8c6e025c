"""A loop over tiles that `jax.vmap` makes longer, where it makes every step of `jax.lax.map` wider.

A tile is as large as the cache takes. Under `jax.vmap` over 12 runs a step of `lax.map` computes 12 of them, out of the
cache. So this loop is a primitive,

    sums, each[i] = sum_i f(shared, own[i])[0], f(shared, own[i])[1],

a form that its rules keep: batched, it is a loop over runs around the loop; its tangent and its transpose are loops of
the body's tangent and transpose (what is shared gets the sum of its cotangents). For a gradient the body is computed
again, as under `jax.checkpoint`. What JAX has for this loses a mode: `jax.custom_batching.custom_vmap` has no
transpose, a rule of `jax.custom_vjp` no forward mode.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Primitive, jaxpr_as_fun, mapped_aval, unmapped_aval
from jax.interpreters import ad, batching, mlir
from jax.interpreters import partial_eval as pe

from attn_jax.ops.placement import vary_with
from attn_jax.types import Array

Out = TypeVar("Out")


def map_tiles(function: Callable[[Any], Out], xs: Any, rows: int = 1) -> Out:
    """`[function(x) for x in xs]`, stacked, `rows` of them a tile, which divide their number."""
    if rows == 1:
        return _loop(lambda _, x: ((), function(x)), (), xs)[1]
    tiled = jax.tree.map(lambda x: x.reshape(-1, rows, *x.shape[1:]), xs)
    outs = map_tiles(jax.vmap(function), tiled)
    return jax.tree.map(lambda y: y.reshape(-1, *y.shape[2:]), outs)


def _loop(body: Callable[[Any, Any], Any], shared: Any, own: Any) -> Any:
    """(sums, each) of `body(shared, a tile of own)`; what it captures is shared."""
    shared_leaves, shared_tree = jax.tree.flatten(shared)
    own_leaves, own_tree = jax.tree.flatten(own)
    length, num_shared = own_leaves[0].shape[0], len(shared_leaves)

    def flat(*leaves: Array) -> Any:
        return body(shared_tree.unflatten(leaves[:num_shared]), own_tree.unflatten(leaves[num_shared:]))

    avals = [*map(jax.typeof, shared_leaves), *(mapped_aval(length, 0, jax.typeof(x)) for x in own_leaves)]
    traced, outs = jax.make_jaxpr(flat, return_shape=True)(*avals)
    if traced.consts:  # as operands: a rule sees no others
        inner = traced.jaxpr

        def lifted(shared: Any, own: Any) -> Any:
            found = jaxpr_as_fun(ClosedJaxpr(inner, shared[0]))(*jax.tree.leaves((shared[1], own)))
            return jax.tree.unflatten(jax.tree.structure(outs), found)

        return _loop(lifted, ([*map(jnp.asarray, traced.consts)], shared), own)
    needed, _ = pe.dce_jaxpr(traced.jaxpr, [True] * len(traced.jaxpr.outvars), True)
    sums = len(jax.tree.leaves(outs[0]))
    found = tiles.bind(
        *shared_leaves, *own_leaves, jaxpr=ClosedJaxpr(needed, ()), length=length, num_shared=num_shared, num_sums=sums
    )
    return jax.tree.unflatten(jax.tree.structure(outs), found)


def _body(jaxpr: ClosedJaxpr, num_sums: int, shared: Sequence[Array], own: Sequence[Array]) -> tuple[list, list]:
    """(sums, each) of one tile."""
    outs = jaxpr_as_fun(jaxpr)(*shared, *own)
    return outs[:num_sums], outs[num_sums:]


def _run(*operands: Array, jaxpr: ClosedJaxpr, length: int, num_shared: int, num_sums: int) -> list[Array]:
    """The loop, computed."""
    body = partial(_body, jaxpr, num_sums, operands[:num_shared])
    if length == 1:
        sums, each = body([x[0] for x in operands[num_shared:]])
        return [*sums, *(y[None] for y in each)]

    def step(totals: list[Array], tile: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        sums, each = body(tile)
        return [a + b for a, b in zip(totals, sums, strict=True)], each

    avals: list[Any] = jaxpr.out_avals[:num_sums]
    zeros = [jnp.zeros(aval.shape, aval.dtype) for aval in avals]
    totals, each = lax.scan(step, vary_with(zeros, operands), operands[num_shared:])
    return [*totals, *each]


def _types(*avals: Any, jaxpr: ClosedJaxpr, length: int, num_shared: int, num_sums: int) -> Any:
    """The types of the results, and the body's effects."""
    outs = jaxpr.out_avals
    return [*outs[:num_sums], *(unmapped_aval(length, 0, aval) for aval in outs[num_sums:])], jaxpr.effects


def _batch(operands: Sequence[Array], axes: Sequence[int | None], **params: Any) -> tuple[list[Array], list[int]]:
    """A loop around the loop; one with wider steps where the mapped axis is split over devices."""
    mapped = {i: (x, axis) for i, (x, axis) in enumerate(zip(operands, axes, strict=True)) if axis is not None}
    if any(jax.typeof(x).sharding.spec[axis] is not None for x, axis in mapped.values()):
        outs = jax.vmap(partial(_run, **params), tuple(axes))(*operands)
    else:
        runs = {i: jnp.moveaxis(x, axis, 0) for i, (x, axis) in mapped.items()}
        outs = lax.map(lambda own: tiles.bind(*(own.get(i, x) for i, x in enumerate(operands)), **params), runs)
    return outs, [0] * len(outs)


def _tangent(primals: Sequence[Array], tangents: Sequence[Any], **params: Any) -> tuple[list[Array], list[Array]]:
    """The loop, and the loop of its body's tangent, which is linear in the tangents."""
    jaxpr, num_shared, num_sums = (params[name] for name in ("jaxpr", "num_shared", "num_sums"))
    outs = tiles.bind(*primals, **params)
    dots = [{i: x for i, x in enumerate(xs) if not isinstance(x, ad.Zero)} for xs in _split(tangents, num_shared)]

    def body(*operands: Any) -> Any:
        (fixed, fixed_own), dots = zip(*operands, strict=True)
        points = tuple({i: xs[i] for i in xs_dots} for xs, xs_dots in zip((fixed, fixed_own), dots, strict=True))

        def moved(shared: dict[int, Array], own: dict[int, Array]) -> Any:
            return _body(jaxpr, num_sums, _with(fixed, shared), _with(fixed_own, own))

        return jax.jvp(moved, points, dots)[1]

    sums, each = _loop(body, *zip(_split(primals, num_shared), dots, strict=True))
    return outs, [*sums, *each]


def _transpose(
    cotangents: Sequence[Any], *operands: Any, jaxpr: ClosedJaxpr, num_shared: int, num_sums: int, length: int
) -> list[Any]:
    """The loop of its body's transpose."""
    groups = _split(operands, num_shared)
    known = [{i: x for i, x in enumerate(xs) if not ad.is_undefined_primal(x)} for xs in groups]
    linear = [{i: x.aval for i, x in enumerate(xs) if ad.is_undefined_primal(x)} for xs in groups]
    linear[1] = {i: mapped_aval(length, 0, aval) for i, aval in linear[1].items()}
    given = [{i: y for i, y in enumerate(ys) if not isinstance(y, ad.Zero)} for ys in _split(cotangents, num_sums)]

    def body(*operands: Any) -> Any:
        (fixed, fixed_own), given = zip(*operands, strict=True)

        def forward(shared: dict[int, Array], own: dict[int, Array]) -> Any:
            outs = _body(jaxpr, num_sums, _values(fixed | shared), _values(fixed_own | own))
            return tuple({i: ys[i] for i in wanted} for ys, wanted in zip(outs, given, strict=True))

        return jax.linear_transpose(forward, *linear)(given)

    found = _loop(body, *zip(known, given, strict=True))
    return [xs.get(i) for xs, group in zip(found, groups, strict=True) for i in range(len(group))]


def _split(xs: Sequence[Any], at: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """The first ones and the rest."""
    return xs[:at], xs[at:]


def _with(xs: Sequence[Array], some: dict[int, Array]) -> list[Array]:
    """`xs` with some of them replaced."""
    return [some.get(i, x) for i, x in enumerate(xs)]


def _values(xs: dict[int, Array]) -> list[Array]:
    """In the order of their numbers."""
    return [xs[i] for i in sorted(xs)]


tiles = Primitive("tiles")
tiles.multiple_results = True
tiles.def_impl(_run)
tiles.def_effectful_abstract_eval(_types)
ad.primitive_jvps[tiles] = _tangent
ad.primitive_transposes[tiles] = _transpose
batching.primitive_batchers[tiles] = _batch
mlir.register_lowering(tiles, mlir.lower_fun(_run))
