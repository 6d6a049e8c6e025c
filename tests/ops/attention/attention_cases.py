"""Draws, the paths, and the textbook form that the tests of attention share; no test in it."""

import functools
import itertools
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention import dense_tiles
from attn_jax.ops.attention.dense import attention_reference
from attn_jax.ops.attention.dot_product import dot_product_attention


def tiled_attention(*arrays, **options):
    """The dense path in tiles of few batch rows, whatever their size."""
    with mock.patch.multiple(dense_tiles, _FEWEST=1, _TILE=256):
        return dot_product_attention(*arrays, implementation="dense", **options)


dense = functools.partial(dot_product_attention, implementation="dense")
blockwise = functools.partial(dot_product_attention, implementation="blockwise", block_sizes=(4, 3))

PATHS = {"dense": dense, "tiled": tiled_attention, "blockwise": blockwise, "reference": attention_reference}
each_path = pytest.mark.parametrize("attention", PATHS.values(), ids=PATHS)


def draw(seed, lead=(2,), T=5, S=7, N=4, K=2, H=3, Hv=None, dtype=np.float32):
    """Query, key and value from a seed."""
    random = np.random.default_rng(seed)
    shapes = ((*lead, T, N, H), (*lead, S, K, H), (*lead, S, K, H if Hv is None else Hv))
    return tuple(jnp.asarray(random.standard_normal(shape), dtype) for shape in shapes)


def places(scores):
    """(b, h, q, k) that broadcast against scores [B, N, T, S]."""
    B, N, T, S = scores.shape
    return np.ogrid[:B, :N, :T, :S]


def plain(query, key, value, change=lambda scores: scores, *, scale=None, sinks=None, keep=1.0, return_lse=False):
    """The textbook formula, [B, T, N, H], in the inputs' dtype; `change` does to scores [B, N, T, S] what a case wants.

    NaN is not contained. A row that sees nothing is 0.
    """
    groups = query.shape[-2] // key.shape[-2]
    key, value = jnp.repeat(key, groups, -2), jnp.repeat(value, groups, -2)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = change(jnp.einsum("btnh,bsnh->bnts", query, key) * jnp.asarray(scale, query.dtype))
    sink = jnp.full(query.shape[-2], -jnp.inf) if sinks is None else sinks
    sink = jnp.broadcast_to(sink[None, :, None, None], (*scores.shape[:3], 1)).astype(scores.dtype)
    terms = jnp.concatenate([scores, sink], -1)
    counts = terms > -jnp.inf
    highest = jax.lax.stop_gradient(
        jnp.max(terms, -1, initial=jnp.finfo(scores.dtype).min, where=counts, keepdims=True)
    )
    powers = jnp.where(counts, jnp.exp(jnp.where(counts, terms - highest, 0)), 0)
    empty = ~counts.any(-1)
    total = jnp.where(empty, 1, powers.sum(-1))
    out = jnp.einsum("bnts,bsnh->btnh", powers[..., :-1] / total[..., None] * keep, value)
    lse = jnp.where(empty, -jnp.inf, highest[..., 0] + jnp.log(total)).swapaxes(1, 2)
    return (out, lse) if return_lse else out


# compiling is most of the time of these tests, and level 0 does least of it
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def compiled(attention, **options):
    """One program instead of dozens of small ones: an eager call compiles each operation alone."""
    return jit(functools.partial(attention, **options))


def finite(x):
    """`x` with 0 for its infinities, for a loss over the lse of empty rows."""
    return jnp.where(jnp.isinf(x), 0, x)


def gradients(attention, arrays, weights, **options):
    """Of `sum(out * weights[0]) + sum(lse * weights[1])`, with respect to query, key and value."""

    def loss(*arrays):
        out, lse = attention(*arrays, return_lse=True, **options)
        return (out.astype(weights[0].dtype) * weights[0]).sum() + (finite(lse) * weights[1]).sum()

    return jax.grad(loss, (0, 1, 2))(*arrays)


def worst(got, want):
    """The greatest absolute difference, 0 where there is nothing."""
    return np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64)).max(initial=0)


def pairwise(*factors):
    """Rows of choices, one a factor, in which every two choices of two factors occur together; few, by greed."""
    random = np.random.default_rng(0)
    sizes = [range(len(choices)) for choices in factors]
    pairs = itertools.combinations(range(len(factors)), 2)
    missing = {((i, a), (j, b)) for i, j in pairs for a in sizes[i] for b in sizes[j]}
    rows = []
    while missing:
        fixed = dict(min(missing))
        tries = [[fixed.get(i, random.integers(len(size))) for i, size in enumerate(sizes)] for _ in range(50)]
        covers = [missing & set(itertools.combinations(enumerate(row), 2)) for row in tries]
        best = max(range(len(tries)), key=lambda at: len(covers[at]))
        missing -= covers[best]
        rows.append(tuple(choices[at] for choices, at in zip(factors, tries[best], strict=True)))
    return rows
