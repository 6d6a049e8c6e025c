"""Attention cut into blocks: what is static (`Plan`), one tile's arrays, and where in T x S a block lies.

A *tile* is one batch row and one key/value head. Its G query heads are folded into rows, R = G * block_q, so that a
block of scores is one matrix product [R, H] x [H, block_k]. The last block of an axis does not reach past the end: it
starts earlier and overlaps the block before it. Nothing is padded; keys seen twice are masked the second time, rows
computed twice are dropped.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial, reduce
from operator import add, and_
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from attn_jax.ops.attention.dropout import keep_weights
from attn_jax.ops.attention.int32 import plus
from attn_jax.ops.attention.logits import Places, modify_scores, visible_pairs
from attn_jax.ops.attention.masks import per_batch
from attn_jax.ops.attention.tiles import map_tiles
from attn_jax.types import Array


@dataclass(frozen=True)
class Plan:
    """All that is static, hashable, so that equal calls share a compiled program."""

    lengths: tuple[Any, Any]  # (T, S)
    blocks: tuple[int, int]  # (block_q, block_k)
    counts: tuple[int, int]  # how many blocks of queries and of keys
    kv_heads: Any  # K
    groups: int  # G
    tiles: int | None  # how many tiles one step computes; None: all
    masked: bytes  # int32 [2, number of blocks]: the (i, j) that the mask cuts
    full: bytes  # the same, of the blocks in which every pair is visible
    dropout_rate: float
    broadcast_dropout: bool
    accumulator: jnp.dtype
    operand: jnp.dtype  # of the factors of matrix products
    precision: jax.lax.PrecisionLike
    code: tuple[Hashable, ...]  # what masks and modifications of the user's classes compute, traced

    @property
    def rows(self) -> int:
        """R, the rows of a block of scores."""
        return self.groups * self.blocks[0]

    def dot(self, a: Array, b: Array, axes: tuple[int, int]) -> Array:
        """The product of two matrices over one axis of each."""
        contract = (((axes[0],), (axes[1],)), ((), ()))
        a, b = a.astype(self.operand), b.astype(self.operand)
        return lax.dot_general(a, b, contract, precision=self.precision, preferred_element_type=self.accumulator)

    def pairs(self, *, masked: bool) -> np.ndarray:
        """The live blocks (i, j) of one kind, int32 [number, 2]."""
        return np.frombuffer(self.masked if masked else self.full, np.int32).reshape(2, -1).T


class Shared(NamedTuple):
    """What all tiles read, a part a block; None where absent."""

    scales: Array | None  # [B | 1, N | 1, T | 1, S | 1]
    bias: Array | None  # likewise
    mask: Any  # a Mask, its arrays [B | 1, N | 1, T | 1, S | 1], its functions lifted
    score_mod: Any  # a ScoreModification or a lifted function
    soft_cap: ArrayLike | None
    q_offset: ArrayLike
    dropout_words: Array | None


class Tiles(NamedTuple):
    """The arrays that each tile has of its own, L = B * K tiles; or, without the first axis, those of one."""

    query: Array  # [L, blocks of queries, R, H], scaled
    key: Array  # [L, blocks of keys, block_k, H]
    value: Array  # [L, blocks of keys, block_k, Hv]


class Block(NamedTuple):
    """One block of one tile."""

    plan: Plan
    b: Array  # the batch row
    n: Array  # the key/value head
    i: Array  # which block of queries
    j: Array  # which block of keys
    masked: bool

    @property
    def first(self) -> tuple[Array, Array]:
        """The row of the first query, and the first key."""
        starts = zip((self.i, self.j), self.plan.blocks, self.plan.lengths, strict=True)
        first_row, first_key = (jnp.minimum(at * size, length - size) for at, size, length in starts)
        return first_row, first_key

    def places(self, q_offset: ArrayLike) -> Places:
        """(b, h, q, k): a scalar, [G, 1, 1], [1, block_q, 1] and [1, 1, block_k]."""
        (t, s), (block_q, block_k) = self.first, self.plan.blocks
        q = plus(t + _arange(block_q), per_batch(q_offset, self.b))
        return self.b, self.heads[:, None, None], q[None, :, None], (s + _arange(block_k))[None, None]

    @property
    def heads(self) -> Array:
        """The query heads of the tile, [G]."""
        return self.n * self.plan.groups + _arange(self.plan.groups)

    def read(self, x: Array) -> Array:
        """This block of an array [B | 1, N | 1, T | 1, S | 1], as [G | 1, block_q | 1, block_k | 1]."""
        starts = (self.b, self.n * self.plan.groups, *self.first)
        sizes = (1, self.plan.groups, *self.plan.blocks)
        starts = [jnp.int32(0) if full == 1 else start for start, full in zip(starts, x.shape, strict=True)]
        return lax.dynamic_slice(x, starts, [min(a, b) for a, b in zip(sizes, x.shape, strict=True)])[0]

    def visible(self, shared: Shared) -> Array | None:
        """Which pairs the masks leave, [G | 1, block_q | 1, block_k | 1]; None in a block that they leave whole."""
        if not self.masked:
            return None
        places = self.places(shared.q_offset)
        parts = []
        if self.plan.lengths[1] % self.plan.blocks[1]:
            parts.append(places[3] >= self.j * self.plan.blocks[1])  # not seen in the block before
        if shared.mask is not None:
            parts.append(visible_pairs(shared.mask, places, self.read))
        return reduce(and_, parts) if parts else None

    def scores(self, own: Tiles, shared: Shared, *, turned: bool = False) -> Array:
        """This block's scores [R, block_k]; `turned` where keys lie as [blocks of keys, H, block_k]."""
        products = self.plan.dot(at_block(own.query, self.i), at_block(own.key, self.j), (1, 0 if turned else 1))
        scores = modify_scores(
            products.reshape(self.plan.groups, *self.plan.blocks),
            self.places(shared.q_offset),
            scales=None if shared.scales is None else self.read(shared.scales),
            bias=None if shared.bias is None else self.read(shared.bias),
            score_mod=shared.score_mod,
            soft_cap=shared.soft_cap,
            visible=self.visible(shared),
        )
        return scores.reshape(products.shape)

    def rows(self, pairs: Array) -> Array:
        """[G | 1, block_q | 1, block_k | 1] -> [R, block_k]."""
        return jnp.broadcast_to(pairs, (self.plan.groups, *self.plan.blocks)).reshape(self.plan.rows, -1)

    def drop(self, weights: Array, shared: Shared) -> Array:
        """Weights [R, block_k] with some of them dropped, the others scaled up."""
        if shared.dropout_words is None:
            return weights
        plan = self.plan
        b, heads = (0, jnp.arange(1)) if plan.broadcast_dropout else (self.b, self.heads)
        keep = keep_weights(shared.dropout_words, plan.dropout_rate, b, heads=heads, size=plan.blocks, first=self.first)
        return weights * self.rows(keep).astype(weights.dtype)


def _arange(size: int) -> Array:
    """0 .. size - 1, int32 also where 64 bits are the default."""
    return jnp.arange(size, dtype=jnp.int32)


def at_block(x: Array, i: Array) -> Array:
    """`x[i]`."""
    return lax.dynamic_index_in_dim(x, i, 0, keepdims=False)


def common_zero(plan: Plan, *operands: Any) -> Array:
    """0 as a carry of `lax.scan` begins: under `jax.shard_map` it differs between devices where any operand does."""
    zeros = [jnp.zeros_like(leaf, plan.accumulator, shape=()) for leaf in jax.tree.leaves(operands)]
    return reduce(add, zeros)


def over_blocks(plan: Plan, body: Callable[..., Any], carry: Any) -> Any:
    """`carry = body(carry, (i, j), masked)` over the live blocks, those that the mask leaves whole first."""
    for masked in (False, True):
        pairs = plan.pairs(masked=masked)
        if len(pairs):
            carry, _ = lax.scan(partial(_step, body, masked), carry, jnp.asarray(pairs))
    return carry


def _step(body: Callable[..., Any], masked: bool, carry: Any, at: Array) -> tuple[Any, None]:
    """`body` as `lax.scan` calls it."""
    return body(carry, (at[0], at[1]), masked), None


def over_tiles(plan: Plan, function: Callable[..., Any], tiles: Any) -> Any:
    """`function((b, n), tile)` for every tile, `plan.tiles` of them at a time, None for all at once."""
    count = jax.tree.leaves(tiles)[0].shape[0]
    index = jnp.arange(count, dtype=jnp.int32)
    places = index // plan.kv_heads, index % plan.kv_heads
    if plan.tiles is None:
        return jax.vmap(function)(places, tiles)
    if isinstance(count, int) and count == 1:  # no loop around the loops
        one = jax.tree.map(lambda x: x[0], (places, tiles))
        return jax.tree.map(lambda x: x[None], function(*one))
    return map_tiles(lambda own: function(*own), (places, tiles), plan.tiles)
