"""The order of things done to a score; every path calls this, so that no two can differ.

scales, bias, then the score modification, then the soft-cap, then the mask. A score of -inf, from whichever of them,
masks its pair, in value and gradient.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.attention.masks import Dense
from attn_jax.types import Array

Places: TypeAlias = tuple[Array, Array, Array, Array]  # (b, h, q, k), integers that broadcast against the scores


def modify_scores(
    scores: Array,
    places: Places,
    *,
    scales: Array | None,
    bias: Array | None,
    score_mod: Callable[..., Array] | None,
    soft_cap: ArrayLike | None,
    visible: Array | None,
) -> Array:
    """`where(visible, cap(score_mod(scales * scores + bias)), -inf)`; None leaves a step out."""
    dtype = scores.dtype
    if scales is not None:
        scores = scores * scales.astype(dtype)
    if bias is not None:
        if visible is not None and not (score_mod is None and soft_cap is None):
            bias = jnp.where(visible, bias, 0)  # a NaN that the mask hides must not reach a gradient through these
        scores = scores + bias.astype(dtype)
    if score_mod is not None:
        scores = jnp.broadcast_to(score_mod(scores, *places), scores.shape).astype(dtype)
    if soft_cap is not None:
        cap = jnp.asarray(soft_cap, dtype)
        masked = scores == -jnp.inf  # tanh would make it finite
        scores = jnp.where(masked, -jnp.inf, cap * jnp.tanh(jnp.where(masked, 0, scores) / cap))
    return scores if visible is None else jnp.where(visible, scores, -jnp.inf)


def visible_pairs(mask: Callable[..., ArrayLike], places: Places, read: Callable[[Array], Array]) -> Array:
    """Which pairs the mask leaves, bool, as small as the mask is; `read` gives the part of an array at the places."""
    return jnp.asarray(replace(mask, Dense, lambda node: _Known(read(node.array)))(*places), bool)


def replace(
    mask: Callable[..., ArrayLike] | None, kinds: type | tuple[type, ...], new: Callable[[Any], Callable[..., Array]]
) -> Any:
    """The mask with `new(node)` in the place of every mask of these kinds."""
    return jax.tree.map(
        lambda node: new(node) if isinstance(node, kinds) else node, mask, is_leaf=lambda node: isinstance(node, kinds)
    )


class _Known(NamedTuple):
    """A part of a mask whose answer is there already."""

    pairs: Array

    def __call__(self, *places: Array) -> Array:
        return self.pairs
