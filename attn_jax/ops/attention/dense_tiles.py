"""Dense attention for a batch of short sequences: a few rows at a time, so that their scores stay in the cache.

All scores of a batch at once go through memory in every step, forward and backward. A tile of a few rows is computed,
and computed again for the gradient, faster than that: 768 heads of 16 at T = 64 take half the time on one core.
"""

import jax.numpy as jnp
from jax import lax

from attn_jax.ops.attention.dense import dense_attention
from attn_jax.ops.attention.eager import compile_eager
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.logits import replace
from attn_jax.ops.attention.masks import Dense
from attn_jax.ops.attention.sinks import Result, nothing
from attn_jax.ops.attention.tiles import map_tiles
from attn_jax.ops.layout import flat_pairs
from attn_jax.ops.placement import is_split, on_cpu
from attn_jax.types import Array

# Measured on one AVX-512 core (scripts/bench_attention.py): below the first, T x S scores are too few to be worth a
# loop; a tile holds about as many scores as the second.
_FEWEST, _TILE = 24 * 24, 1 << 15


def short_attention(x: Inputs) -> Result:
    """`dense_attention`, by tiles of batch rows where that is faster."""
    if x.empty:  # no function of places is asked about any
        return nothing(x)
    rows = _rows_at_once(x)
    return _at_once(x) if rows is None else _by_rows(x, rows)


_at_once = compile_eager(dense_attention)


def _rows_at_once(x: Inputs) -> int | None:
    """How many batch rows make a tile, a divisor of B for no remainder to be compiled apart; None: all of them."""
    T, S = x.lengths
    known = all(isinstance(size, int) for size in (x.batch_size, T, S))
    if not on_cpu() or not known or T * S < _FEWEST or is_split(x.query, x.key, x.value, x.scales, x.bias):
        return None
    most = max(1, _TILE // (x.heads * T * S))
    rows = max(divisor for divisor in range(1, most + 1) if x.batch_size % divisor == 0)
    return rows if rows < x.batch_size else None


@compile_eager
def _by_rows(x: Inputs, rows: int) -> Result:
    """The result of a loop over batch rows, `rows` of them at a time, each computed again for its gradient."""
    B = x.batch_size
    assert x.value is not None  # None only for attention_weights, which takes no path
    arrays = [a.reshape(B, *a.shape[-3:]) for a in (x.query, x.key, x.value)]
    whole = x._replace(
        scales=None if x.scales is None else flat_pairs(x.scales, x.lead),
        bias=None if x.bias is None else flat_pairs(x.bias, x.lead),
        mask=replace(x.mask, Dense, lambda node: Dense(flat_pairs(node.array, x.lead))),
    )
    results = map_tiles(lambda row: _one_row(whole, *row), (jnp.arange(B), *arrays), rows)
    return Result(*(y.reshape(*x.lead, *y.shape[1:]) for y in results))


def _one_row(x: Inputs, b: Array, query: Array, key: Array, value: Array) -> Result:
    """Batch row b alone, [T, N, H]; x holds what all rows read."""
    scales, bias = (None if pairs is None else _read(pairs, b) for pairs in (x.scales, x.bias))
    mask = replace(x.mask, Dense, lambda node: Dense(_read(node.array, b)))
    return dense_attention(x._replace(query=query, key=key, value=value, scales=scales, bias=bias, mask=mask, rows=b))


def _read(pairs: Array, b: Array) -> Array:
    """Row b of [B | 1, N | 1, T | 1, S | 1]."""
    return lax.dynamic_index_in_dim(pairs, b if len(pairs) > 1 else 0, 0, keepdims=False)
