"""Attention a block of scores at a time: memory linear in length, every mode of differentiation.

The forward pass is the online softmax over the live blocks of T x S. Its derivative is one rule for tangents: with
P_ij = exp(s_ij - lse_i) computed again from the saved lse, and ds the tangent of the scores,

    t1_i = sum_j P_ij (ds_ij v_j + dv_j)      t2_i = sum_j P_ij ds_ij
    d out_i = t1_i - t2_i out_i               d lse_i = t2_i

which is linear in the tangents. JAX transposes it into the five matrix products of FlashAttention-2 (its body is
checkpointed: blocks of P are computed again, never stored), forward mode is the rule itself, and second order is the
rule differentiated. Bias, score modification, cap and grouped heads need no rules of their own: `jax.jvp` of the
block's score function gives ds.

Reference: Milakov & Gimelshein 2018, arXiv:1805.02867 (online softmax); Rabe & Staats 2021, arXiv:2112.05682; Dao 2023,
arXiv:2307.08691 (FlashAttention-2).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from attn_jax.ops.attention.block_tiling import cut, join, plan_blocks
from attn_jax.ops.attention.blocks import Block, Plan, Shared, Tiles, at_block, common_zero, over_blocks, over_tiles
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.sinks import Result, nothing
from attn_jax.ops.placement import is_split
from attn_jax.types import Array


def why_not(x: Inputs) -> str | None:
    """Why not by blocks, as a message that names the argument; None: they can be."""
    if not all(isinstance(length, int) for length in x.lengths):
        return f"query, key: got the lengths (T, S) = {x.lengths}, the blockwise path wants plain ints"
    if is_split(x.query, x.key, x.value, x.scales, x.bias):
        return "query, key, value, scale or bias: got one split over explicit axes, wanted the call in jax.shard_map"
    return None


def blockwise_attention(x: Inputs) -> Result:
    """Attention with temporaries linear in T and S."""
    assert x.value is not None  # None only for attention_weights, which takes no path
    if x.empty:
        return nothing(x)
    if x.value.shape[-1] == 0:  # there is an lse all the same
        whole = blockwise_attention(x._replace(value=jnp.zeros((*x.value.shape[:-1], 1), x.value.dtype)))
        return whole._replace(out=whole.out[..., :0])
    plan, shared = plan_blocks(x)
    return _attend(plan, (x.query, x.key, x.value), x.scale, shared)


@partial(jax.jit, static_argnums=0)
def _attend(plan: Plan, arrays: tuple[Array, Array, Array], scale: Any, shared: Shared) -> Result:
    """Cuts, attends and joins. Compiled even where the caller is not, so that equal eager calls compile once."""
    rows = arrays[0].shape[:-1]
    tiles, dirty = cut(plan, *arrays, scale)
    out, lse = attend_tiles(plan, tiles, shared)
    taint = _taint(plan, *jax.lax.stop_gradient((tiles, dirty, shared, lse)))
    return Result(*(join(plan, x, rows) for x in (out, lse, taint)))


def _taint(plan: Plan, tiles: Tiles, dirty: Tiles, shared: Shared, lse: Array) -> Array:
    """NaN for rows whose query, or whose visible keys or values, are not finite; 0 for the others, and for empty rows.

    Added to the result, it leaves cotangents as they are. The search over blocks is a loop that runs once where a key
    or value is not finite, and otherwise not at all.
    """
    bad = dirty.key | dirty.value

    def search(state):
        return jnp.zeros_like(state[0]), over_tiles(plan, partial(_search, plan, shared), (tiles, bad))

    nothing = jnp.zeros_like(lse, bool)
    _, seen = lax.while_loop(lambda state: state[0], search, (bad.any(), nothing))
    return jnp.where((seen | dirty.query) & (lse > -jnp.inf), jnp.nan, 0).astype(lse.dtype)


def _search(plan: Plan, shared: Shared, tile: tuple[Array, Array], own: tuple[Tiles, Array]) -> Array:
    """Which rows of a tile see a bad key, [blocks of queries, R]."""
    tiles, bad = own
    by_score = shared.bias is not None or shared.score_mod is not None  # these may mask too

    def body(seen, at, masked):
        i, j = at
        block = Block(plan, *tile, i, j, masked)
        visible = block.visible(shared)
        if by_score:
            visible = block.scores(tiles, shared) > -jnp.inf
        elif visible is not None:
            visible = block.rows(visible)
        found = at_block(bad, j)[None]
        if visible is not None:
            found = visible & found
        return seen.at[i].set(at_block(seen, i) | found.any(-1))

    zero = common_zero(plan, own, shared)
    return over_blocks(plan, body, jnp.zeros_like(zero, bool, shape=(plan.counts[0], plan.rows)))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def attend_tiles(plan: Plan, tiles: Tiles, shared: Shared) -> tuple[Array, Array]:
    """(out [L, blocks of queries, R, Hv], lse [L, blocks of queries, R]) in the accumulator's dtype."""
    return over_tiles(plan, lambda at, tile: _forward(plan, at, tile, shared), tiles)


@partial(attend_tiles.defjvp, symbolic_zeros=True)
def _attend_tiles_jvp(plan: Plan, primals: tuple[Tiles, Shared], tangents: tuple[Any, Any]):
    """The rule above; a tangent that is zero by construction is left out of it."""
    out, lse = attend_tiles(plan, *primals)
    own, tree = jax.tree.flatten(primals[0])
    shared, shared_tree = jax.tree.flatten(primals[1])
    own_dots, shared_dots = (_perturbed(x) for x in tangents)

    @jax.checkpoint
    def tile_tangent(at, tile):
        lse, own, own_dots = tile
        operands = Operands((tree, _turn(own), _turn(own_dots)), (shared_tree, shared, shared_dots))
        return _tangent(plan, at, lse, operands)

    t1, t2 = over_tiles(plan, tile_tangent, (lse, own, own_dots))
    return (out, lse), (t1 - t2[..., None] * out, t2)


def _perturbed(tangents: Any) -> dict[int, Array]:
    """The leaves that have a tangent, by their number."""
    leaves = jax.tree.leaves(tangents, is_leaf=lambda x: isinstance(x, SymbolicZero))
    return {i: x for i, x in enumerate(leaves) if not isinstance(x, SymbolicZero)}


def _turn(own: Any) -> Any:
    """Keys and values of a tile as [blocks of keys, H, block_k], from a list or dict of its leaves.

    Their gradients are then q.T @ dS, 82-102 GFLOP/s on a CPU core, and not the 28-56 of dS.T @ q.
    """
    if isinstance(own, dict):
        return {i: x.mT if i else x for i, x in own.items()}
    return [x.mT if i else x for i, x in enumerate(own)]


def _forward(plan: Plan, tile: tuple[Array, Array], own: Tiles, shared: Shared) -> tuple[Array, Array]:
    """(out, lse) of one tile by the online softmax: a row's highest score, sum and value are mended block by block."""
    rows = (plan.counts[0], plan.rows)
    zero = common_zero(plan, own, shared)
    start = (
        jnp.full_like(zero, -jnp.inf, shape=rows),
        jnp.zeros_like(zero, shape=rows),
        jnp.zeros_like(zero, shape=(*rows, own.value.shape[-1])),
    )

    def body(carry, at, masked):
        i, j = at
        block = Block(plan, *tile, i, j, masked)
        highest, total, out = (at_block(x, i) for x in carry)
        scores = block.scores(own, shared)
        higher = jnp.maximum(highest, scores.max(-1))
        safe = jnp.where(higher == -jnp.inf, 0, higher)  # a row that has seen nothing: exp(-inf - 0) = 0
        powers, shrink = jnp.exp(scores - safe[:, None]), jnp.exp(highest - safe)
        values = plan.dot(block.drop(powers, shared), at_block(own.value, j), (1, 0))
        new = higher, total * shrink + powers.sum(-1), out * shrink[:, None] + values
        return tuple(lax.dynamic_update_index_in_dim(x, y, i, 0) for x, y in zip(carry, new, strict=True))

    highest, total, out = over_blocks(plan, body, start)
    empty = total == 0
    total = jnp.where(empty, 1, total)
    return out / total[..., None], jnp.where(empty, -jnp.inf, highest + jnp.log(total))


class Operands(NamedTuple):
    """What a tile's scores depend on: (tree, leaves, tangents by number of leaf), its own and what all share."""

    own: tuple[Any, list[Array], dict[int, Array]]
    shared: tuple[Any, list[Array], dict[int, Array]]

    def merged(self, own: dict[int, Array], shared: dict[int, Array]) -> tuple[Tiles, Shared]:
        """Both as they are but for the leaves given."""
        (tree, leaves, _), (shared_tree, shared_leaves, _) = self
        own_leaves = [own.get(i, leaf) for i, leaf in enumerate(leaves)]
        return tree.unflatten(own_leaves), shared_tree.unflatten(
            [shared.get(i, leaf) for i, leaf in enumerate(shared_leaves)]
        )


_VALUE = Tiles._fields.index("value")


def _tangent(plan: Plan, tile: tuple[Array, Array], lse: Array, operands: Operands) -> tuple[Array, Array]:
    """(t1, t2) of one tile, from turned keys and values."""
    (_, own, own_dots), (_, leaves, shared_dots) = operands
    _, shared = operands.merged({}, {})
    finite = jnp.where(lse == -jnp.inf, 0, lse)  # an empty row: exp(-inf - 0) = 0
    value, d_value = own[_VALUE], own_dots.get(_VALUE)
    dots = {i: x for i, x in own_dots.items() if i != _VALUE}, shared_dots
    points = {i: own[i] for i in dots[0]}, {i: leaves[i] for i in dots[1]}
    zero = common_zero(plan, lse, own, own_dots, leaves, shared_dots)
    start = jnp.zeros_like(zero, shape=(*lse.shape, value.shape[-2])), jnp.zeros_like(zero, shape=lse.shape)

    def body(carry, at, masked):
        i, j = at
        block = Block(plan, *tile, i, j, masked)

        def scores(*some):
            return block.scores(*operands.merged(*some), turned=True)

        still = not (dots[0] or dots[1])
        s, ds = (scores(*points), None) if still else jax.jvp(scores, points, dots)
        weights = jnp.exp(s - at_block(finite, i)[:, None])
        t1, t2 = carry
        if ds is not None:
            moved = weights * ds
            t1 = t1.at[i].add(plan.dot(block.drop(moved, shared), at_block(value, j), (1, 1)))
            t2 = t2.at[i].add(moved.sum(-1))
        if d_value is not None:
            t1 = t1.at[i].add(plan.dot(block.drop(weights, shared), at_block(d_value, j), (1, 1)))
        return t1, t2

    def again(carry, at, masked):
        return jax.checkpoint(partial(body, masked=masked), prevent_cse=False)(carry, at)

    return over_blocks(plan, again, start)
