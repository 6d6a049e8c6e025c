"""How T x S is cut into blocks and the heads into tiles: the plan, and the arrays there and back."""

from collections.abc import Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from attn_jax.ops.attention.blocks import Plan, Shared, Tiles
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.intervals import BlockMap, block_map
from attn_jax.ops.attention.logits import replace
from attn_jax.ops.attention.masks import Dense, MaskFn
from attn_jax.ops.attention.scores import ScoreModification
from attn_jax.ops.attention.user_functions import is_open
from attn_jax.ops.closures import captures, lift, trace
from attn_jax.ops.layout import flat_pairs
from attn_jax.ops.placement import on_cpu
from attn_jax.ops.programs import key_of
from attn_jax.types import Array

# Measured on one AVX-512 core (scripts/bench_attention.py): sizes of a block, and of the scores that are held at once.
_FULL, _CUT, _CUT_SHORT = (256, 512), (256, 256), (128, 128)
_SHORT = 512  # queries up to which smaller blocks are better cut by a mask
_FEWEST, _FEWEST_SHORT = 64, 128  # queries of a block whose rows are those of several heads
_TILE_SCORES = 1 << 16
# Of an accelerator: a block's side, and the scores of all tiles in a step, 16 MB of float32, which stay in the 50 MB of
# an H100's cache and the 128 MB of a TPU's. None has been timed; scripts/compile_for.py counts what they hold.
_SIDES, _STEP_SCORES = (128, 1024), 1 << 22


def plan_blocks(x: Inputs) -> tuple[Plan, Shared]:
    """The static plan of a call, and the arrays that all tiles read."""
    T, S = x.lengths
    sizes = choose_block_sizes(x)
    counts = -(-T // sizes[0]), -(-S // sizes[1])
    live, full = live_blocks(x, sizes)
    # full blocks have a loop of their own, without a mask; what is differentiated a pair at a time allows one loop only
    if any(pairs is not None and min(pairs.shape[-2:]) > 1 for pairs in (x.scales, x.bias)):
        full = full if full.all() else np.zeros_like(full)
    # lists as bytes: a plan is static, and bytes are hashed and compared where an array is not
    masked, full = BlockMap(live, full).pairs()
    mask, score_mod, code = _lift_functions(x, sizes)
    plan = Plan(
        lengths=(T, S),
        blocks=sizes,
        counts=counts,
        kv_heads=x.kv_heads,
        groups=x.groups,
        tiles=_tiles(x.batch_size * x.kv_heads, x.groups * sizes[0] * sizes[1]) if on_cpu() else None,
        masked=masked.tobytes(),
        full=full.tobytes(),
        dropout_rate=x.dropout_rate,
        broadcast_dropout=x.broadcast_dropout,
        accumulator=x.accumulator,
        operand=_operand(x),
        precision=x.precision,
        code=code,
    )
    scales, bias = (None if pairs is None else flat_pairs(pairs, x.lead) for pairs in (x.scales, x.bias))
    return plan, Shared(scales, bias, mask, score_mod, x.soft_cap, x.q_offset, x.dropout_words)


def choose_block_sizes(x: Inputs) -> tuple[int, int]:
    """(block_q, block_k): as asked for, or those measured to be fastest, made even over T and S."""
    if x.block_sizes is not None:
        return min(x.block_sizes[0], x.lengths[0]), min(x.block_sizes[1], x.lengths[1])
    short = x.lengths[0] <= _SHORT
    if not on_cpu():
        block_q = block_k = _side(x.batch_size * x.kv_heads)
    else:
        block_q, block_k = _FULL if x.mask is None else _CUT_SHORT if short else _CUT
    fewest = _FEWEST_SHORT if short and on_cpu() else _FEWEST
    return _even(x.lengths[0], max(fewest, block_q // x.groups), 8), _even(x.lengths[1], block_k, 16)


def _side(tiles: Any) -> int:
    """The side of a block of which an accelerator computes one of every tile in a step: a power of two."""
    room = _STEP_SCORES // tiles if isinstance(tiles, int) else _STEP_SCORES  # a symbolic batch
    return min(_SIDES[1], max(_SIDES[0], 1 << (max(1, room).bit_length() - 1) // 2))


def _even(length: int, size: int, step: int) -> int:
    """A multiple of `step` near `size` such that blocks of it are hardly longer than the axis: 4099 -> 17 of 248."""
    count = -(-length // size)
    return min(length, -(-length // (step * count)) * step)


def live_blocks(x: Inputs, sizes: tuple[int, int]) -> BlockMap:
    """Which blocks have to be computed."""
    return block_map(x.mask, *x.lengths, *sizes, q_offset=x.q_offset)


def _tiles(count: Any, scores: int) -> int:
    """How many tiles at a time: a divisor of their number, for no remainder to be compiled apart."""
    if not isinstance(count, int):  # a symbolic batch
        return 1
    most = max(1, _TILE_SCORES // scores)
    return max(divisor for divisor in range(1, most + 1) if count % divisor == 0)


def _operand(x: Inputs) -> jnp.dtype:
    """The dtype of the factors of products: on a CPU that of the sums, elsewhere that of the inputs."""
    given = jnp.result_type(*(a for a in (x.query, x.key, x.value) if a is not None))
    return x.accumulator if on_cpu() else given


def _lift_functions(x: Inputs, sizes: tuple[int, int]) -> tuple[Any, Any, tuple[Hashable, ...]]:
    """The mask with flat arrays, and the modification, their plain functions traced for one block; see `Plan.code`."""
    shapes = ((), (x.groups, 1, 1), (1, sizes[0], 1), (1, 1, sizes[1]))
    places = [jax.ShapeDtypeStruct(shape, jnp.int32) for shape in shapes]

    def lower(node):
        return lift(node.function, *places) if isinstance(node, MaskFn) else Dense(flat_pairs(node.array, x.lead))

    mask = replace(x.mask, (MaskFn, Dense), lower)
    score = jax.ShapeDtypeStruct((x.groups, *sizes), x.accumulator)
    code = [key_of(trace(mask, *places))] if is_open(mask) else []
    if x.score_mod is None or not is_open(x.score_mod):
        return mask, x.score_mod, tuple(code)
    traced = trace(x.score_mod, score, *places) if isinstance(x.score_mod, ScoreModification) else None
    if traced is None or captures(traced):
        return mask, lift(x.score_mod, score, *places), tuple(code)
    return mask, x.score_mod, (*code, key_of(traced))


def cut(plan: Plan, query: Array, key: Array, value: Array, scale: ArrayLike) -> tuple[Tiles, Tiles]:
    """(tiles, which of their vectors are not finite); the vectors that are not are 0 in the tiles."""
    arrays = ((0, query), (1, key), (1, value))
    dirty = [_to_tiles(plan, ~jnp.isfinite(x).all(-1, keepdims=True), axis)[..., 0] for axis, x in arrays]
    clean = [_to_tiles(plan, jnp.where(jnp.isfinite(x), x, 0).astype(plan.accumulator), axis) for axis, x in arrays]
    clean[0] = (clean[0] * scale).astype(plan.accumulator)
    return Tiles(*clean), Tiles(*dirty)


def _to_tiles(plan: Plan, x: Array, axis: int) -> Array:
    """[..., T, K * G, H] -> [L, blocks, G * block, H], with G = 1 for keys and values."""
    length, size, count = plan.lengths[axis], plan.blocks[axis], plan.counts[axis]
    groups = x.shape[-2] // plan.kv_heads
    x = x.reshape(-1, length, plan.kv_heads, groups, x.shape[-1])
    if count * size > length:  # the last block begins early: see attn_jax/ops/attention/blocks.py
        x = jnp.concatenate([x[:, : (count - 1) * size], x[:, length - size :]], axis=1)
    x = x.reshape(x.shape[0], count, size, *x.shape[2:]).transpose(0, 3, 1, 4, 2, 5)
    return x.reshape(-1, count, groups * size, x.shape[-1])


def join(plan: Plan, x: Array, shape: tuple[int, ...]) -> Array:
    """[L, blocks of queries, R, ...] -> [..., T, N, ...], where [..., T, N] is `shape`."""
    (size, _), (count, _), (length, _) = plan.blocks, plan.counts, plan.lengths
    last = x.shape[3:]
    x = x.reshape(-1, plan.kv_heads, count, plan.groups, size, *last)
    x = jnp.moveaxis(x, (2, 4), (1, 2)).reshape(-1, count * size, plan.kv_heads * plan.groups, *last)
    if count * size > length:
        again = count * size - length  # rows at the head of the last block that the one before it holds
        x = jnp.concatenate([x[:, : (count - 1) * size], x[:, (count - 1) * size + again :]], axis=1)
    return x.reshape(*shape, *last)
