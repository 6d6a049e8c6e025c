"""Attention as retrieval, the view for learning it: one query asks a database, the softmax decides how much it takes.

Similarity of a query with every key (ops/attention/similarities.py) -> softmax -> weighted sum of the values. Long
sequences and many heads go through `dot_product_attention`, which the tests prove equal to this.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, floats
from attn_jax.ops.attention.similarities import Similarity, scaled_dot_product
from attn_jax.types import Array


class Retrieval(NamedTuple):
    """What `attend` found, and how."""

    similarities: Array  # [S], -inf where the mask hides the key
    weights: Array  # [S], sum 1; all 0 where there is nothing to see
    value: Array  # [Hv]


def attend(
    query: ArrayLike,
    keys: ArrayLike,
    values: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    similarity: Similarity = scaled_dot_product,
) -> Retrieval:
    """One query against a database: `weights = softmax(similarity(query, keys))`, `value = weights @ values`.

    Many queries: `jax.vmap(attend, in_axes=(0, None, None))`. Where the mask hides every key, or there is none, weights
    and value are 0. A hidden key or value may be anything, NaN too.

    Args:
      query: [H], any floating dtype.
      keys: [S, H].
      values: [S, Hv].
      mask: bool [S], True = may be seen; None: all.
      similarity: (query [H], keys [S, H]) -> [S].

    Returns:
      Retrieval(similarities [S], weights [S], value [Hv]); the first two float32 (float64 for float64 inputs), the
      value in the query's dtype.

    Raises:
      ValueError: an argument's shape or dtype is wrong, or the similarity's shape; the message names it.

    Example:
      >>> found = attend(jnp.zeros(2), jnp.ones((4, 2)), jnp.array([[0.0], [2.0], [4.0], [6.0]]))
      >>> found.similarities.tolist(), found.weights.tolist(), found.value.tolist()
      ([0.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [3.0])

    Reference: Bahdanau, Cho & Bengio 2014, arXiv:1409.0473, equations 5 and 6.
    """
    query, keys, values = _floating(query=query, keys=keys, values=values)
    _check_database(query, keys, values)
    visible = None if mask is None else _check_mask(mask, keys.shape[0])
    exact = jnp.promote_types(jnp.result_type(query, keys, values), jnp.float32)
    if visible is not None:  # before anything is computed of them: NaN * 0 is NaN, in gradients too
        keys, values = (jnp.where(visible[:, None], x, 0) for x in (keys, values))
    similarities = similarity(query.astype(exact), keys.astype(exact))
    if similarities.shape != keys.shape[:1]:
        raise ValueError(f"similarity: returned shape {similarities.shape}, wanted [S] = {keys.shape[:1]}")
    if visible is not None:
        similarities = jnp.where(visible, similarities, -jnp.inf)
    weights = _softmax(similarities)
    return Retrieval(similarities, weights, (weights @ values.astype(exact)).astype(query.dtype))


def single_head_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    similarity: Similarity = scaled_dot_product,
) -> Array:
    """`attend` for every query of a sequence, by `jax.vmap`: `out_t = attend(query_t, key, value).value`.

    With `scaled_dot_product` this is `dot_product_attention` of one head, which has an axis of heads before H.

    Args:
      query: [..., T, H], any leading dimensions.
      key: [..., S, H].
      value: [..., S, Hv].
      mask: bool, broadcastable to [..., T, S], True = may attend: `Causal().materialize(T, S)`, for example.
      similarity: (query [H], keys [S, H]) -> [S].

    Returns:
      [..., T, Hv] in the query's dtype.

    Raises:
      ValueError: an argument's shape or dtype is wrong; the message names it.

    Example:
      >>> causal = jnp.array([[True, False], [True, True]])
      >>> single_head_attention(jnp.ones((2, 4)), jnp.ones((2, 4)), jnp.array([[2.0], [4.0]]), causal).tolist()
      [[2.0], [3.0]]

    Reference: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
    """
    query, key, value = _floating(query=query, key=key, value=value)
    for name, x in (("query", query), ("key", key), ("value", value)):
        if x.ndim < 2 or x.ndim != query.ndim or x.shape[:-2] != query.shape[:-2]:
            raise ValueError(
                f"{name}: got shape {x.shape}, query {query.shape}; wanted query [..., T, H], key [..., S, H], "
                "value [..., S, Hv] with the same leading dimensions; did you pass an axis of heads?"
            )
    if value.shape[-2] != key.shape[-2]:
        raise ValueError(f"value: got shape {value.shape}, wanted [..., S, Hv] with S = {key.shape[-2]} keys")
    pairs = (*query.shape[:-1], key.shape[-2])
    attend_each = jax.vmap(partial(_value, similarity), in_axes=(0, None, None, 0))
    for _ in query.shape[:-2]:
        attend_each = jax.vmap(attend_each)
    return attend_each(query, key, value, _broadcast_mask(mask, pairs))


def _value(similarity: Similarity, query: Array, keys: Array, values: Array, mask: Array) -> Array:
    """What `attend` retrieves."""
    return attend(query, keys, values, mask, similarity=similarity).value


def _softmax(similarities: Array) -> Array:
    """[S] -> [S] of sum 1, or zeros where every entry is -inf or there is none."""
    highest = jax.lax.stop_gradient(jnp.max(similarities, initial=-jnp.inf))
    empty = highest == -jnp.inf
    powers = jnp.exp(similarities - jnp.where(empty, 0, highest))
    return powers / jnp.where(empty, 1, jnp.sum(powers))


def _floating(**arrays: ArrayLike) -> list[Array]:
    """Arrays of floats, or a ValueError that names the one that is not."""
    return [floats(name, x) for name, x in arrays.items()]


def _check_database(query: Array, keys: Array, values: Array) -> None:
    """One query [H], keys [S, H] and values [S, Hv]. How H of both relate is the similarity's matter."""
    if query.ndim != 1:
        raise ValueError(f"query: got shape {query.shape}, wanted one query [H]; for many, jax.vmap over them")
    if keys.ndim != 2:
        raise ValueError(f"keys: got shape {keys.shape}, wanted [S, H]")
    if values.ndim != 2 or values.shape[0] != keys.shape[0]:
        raise ValueError(f"values: got shape {values.shape}, wanted [S, Hv] with S = {keys.shape[0]} keys")


def _check_mask(mask: ArrayLike, S: int) -> Array:
    """`mask`, refused unless it is bool [S]."""
    mask = array("mask", mask, "bool")
    if mask.dtype != bool or mask.shape != (S,):
        raise ValueError(f"mask: got {mask.dtype}{list(mask.shape)}, wanted bool [S] = [{S}]")
    return mask


def _broadcast_mask(mask: ArrayLike | None, pairs: tuple[int, ...]) -> Array:
    """`mask` as bool [..., T, S], all True for None, or a ValueError."""
    given = array("mask", True if mask is None else mask, "bool")
    fits = given.ndim <= len(pairs) and all(a in (1, b) for a, b in zip(given.shape[::-1], pairs[::-1], strict=False))
    if given.dtype != bool or not fits:
        raise ValueError(
            f"mask: got {given.dtype}{list(given.shape)}, wanted bool, broadcastable to [..., T, S] = {pairs}"
        )
    return jnp.broadcast_to(given, pairs)
