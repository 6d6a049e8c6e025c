"""The loop over tiles: equal to no loop in every mode, no wider under `vmap`, and counted as the loop it is."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import draw, jit, tiled_attention
from jax import lax

from attn_jax.lab.cost.program import count_flops, sequential_depth
from attn_jax.ops.attention.tiles import map_tiles

WEIGHTS, ROWS = np.linspace(0.5, 2, 3, dtype=np.float32), np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)


def each(map_rows):
    """A function of shared weights, captured, and of rows, through one of the ways to map it over rows."""
    return lambda weights, rows: map_rows(lambda row: (jnp.sin(row * weights), (row * weights).sum() ** 2), rows)


tiled, plain = each(lambda function, rows: map_tiles(function, rows, 2)), each(lambda f, rows: jax.vmap(f)(rows))


def loss(function):
    """Of both results; its gradient sums over rows what the weights get."""
    return lambda *arrays: sum((y**3).sum() for y in jax.tree.leaves(function(*arrays)))


MODES = {
    "reverse": lambda f: jax.grad(loss(f), (0, 1)),
    "forward": lambda f: lambda *arrays: jax.jvp(f, arrays, arrays),
    "forward over reverse": lambda f: lambda *arrays: jax.jvp(jax.grad(loss(f), (0, 1)), arrays, arrays),
    "reverse over reverse": lambda f: jax.grad(loss(jax.grad(loss(f), (0, 1))), (0, 1)),
    "reverse over a map of both": lambda f: jax.grad(loss(jax.vmap(f)), (0, 1)),
    "a map of weights": lambda f: jax.vmap(jax.grad(loss(f), (0, 1)), (0, None)),
    "a map of rows": lambda f: jax.vmap(jax.grad(loss(f), (0, 1)), (None, 2)),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_modes(mode):
    weights, rows = WEIGHTS, ROWS
    if mode in ("reverse over a map of both", "a map of weights"):
        weights = np.stack([WEIGHTS, WEIGHTS + 1])
    if "map of" in mode and "weights" not in mode:
        rows = np.stack([ROWS, 1 - ROWS], axis=2 if "rows" in mode else 0)
    got, want = jit(lambda *arrays: [MODES[mode](f)(*arrays) for f in (tiled, plain)])(weights, rows)
    jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, rtol=2e-5, atol=2e-5), got, want)


def widest(function, *arrays):
    """The most numbers that any value inside of the innermost loops holds."""

    def walk(jaxpr):
        inner = [
            x
            for e in jaxpr.eqns
            for p in e.params.values()
            for x in jax.tree.leaves(p, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr"))
            if hasattr(x, "eqns") or hasattr(x, "jaxpr")
        ]
        scores = [math.prod(v.aval.shape) for e in jaxpr.eqns if e.primitive.name == "exp" for v in e.outvars]
        return max([*scores, *(walk(getattr(x, "jaxpr", x)) for x in inner)], default=0)

    return walk(jax.make_jaxpr(function)(*arrays).jaxpr)


def test_vmap_makes_no_step_wider():
    """Nor its gradient; `lax.map` is the twin."""
    arrays = draw(0, (12, 4), 8, 8, N=2, K=2)
    whole = lambda attention: jax.grad(lambda *a: jax.vmap(attention)(*a).sum())  # noqa: E731
    one = widest(tiled_attention, *(x[0] for x in arrays))
    assert one == widest(jax.vmap(tiled_attention), *arrays) == widest(whole(tiled_attention), *arrays) == 2 * 2 * 8 * 8
    exps = lambda rows: lax.map(jnp.exp, rows)  # noqa: E731
    assert widest(jax.vmap(exps), arrays[0]) == 12 * widest(exps, arrays[0][0])


def test_what_it_costs():
    looped = each(lambda function, rows: lax.map(function, rows, batch_size=2))
    assert count_flops(tiled, WEIGHTS, ROWS) == count_flops(looped, WEIGHTS, ROWS) > 0
    assert sequential_depth(tiled, WEIGHTS, ROWS) == sequential_depth(looped, WEIGHTS, ROWS)
    gradient = jax.grad(loss(tiled))
    assert count_flops(gradient, WEIGHTS, ROWS) > count_flops(tiled, WEIGHTS, ROWS)
