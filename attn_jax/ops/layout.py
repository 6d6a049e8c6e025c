"""The layout of attention's arrays, checked: what is wrong is named, with what it got and what it wanted."""

import math
from typing import TypeVar

import jax.numpy as jnp
import numpy as np

from attn_jax.types import Array

AnyArray = TypeVar("AnyArray", Array, np.ndarray)

LAYOUT = "did you pass [B, N, T, H]? wanted query [..., T, N, H], key [..., S, K, H], value [..., S, K, Hv]"


def check_layout(query: Array, key: Array, value: Array | None) -> None:
    """The layout of contract point 1; its message holds both shapes of a mismatch."""
    named = {"query": query, "key": key} | ({} if value is None else {"value": value})
    for name, x in named.items():
        if x.ndim < 3 or x.ndim != query.ndim:
            raise ValueError(
                f"{name}: got rank {x.ndim} {x.shape}, query {query.shape}: wanted one rank >= 3; {LAYOUT}"
            )
        if x.shape[:-3] != query.shape[:-3]:
            raise ValueError(
                f"{name}: got leading dimensions {x.shape[:-3]}, wanted query's {query.shape[:-3]}; {LAYOUT}"
            )
    if key.shape[-1] != query.shape[-1] or query.shape[-1] == 0:
        raise ValueError(
            f"key: got head size H = {key.shape[-1]}, query {query.shape[-1]}: wanted one H >= 1; {LAYOUT}"
        )
    if key.shape[-2] == 0 or query.shape[-2] % key.shape[-2]:
        raise ValueError(f"key: got K = {key.shape[-2]} heads, wanted a divisor of N = {query.shape[-2]}; {LAYOUT}")
    if value is not None and value.shape[-3:-1] != key.shape[-3:-1]:
        raise ValueError(f"value: got [S, K] = {value.shape[-3:-1]}, wanted key's {key.shape[-3:-1]}; {LAYOUT}")


def to_rank(name: str, x: AnyArray, scores: tuple[int, ...]) -> AnyArray:
    """`x` of the rank of the scores, leading ones added or left out, or a ValueError where it does not broadcast."""
    x = without_ones(x, len(scores))
    fits = x.ndim <= len(scores) and all(a in (1, b) for a, b in zip(x.shape[::-1], scores[::-1], strict=False))
    if not fits:
        raise ValueError(
            f"{name}: got shape {x.shape}, wanted one that broadcasts to [..., N, T, S] = {scores}; {LAYOUT}"
        )
    return with_rank(x, len(scores))


def with_rank(x: AnyArray, rank: int) -> AnyArray:
    """`x` with leading ones up to a rank."""
    return x.reshape((1,) * (rank - x.ndim) + x.shape)


def without_ones(x: AnyArray, rank: int) -> AnyArray:
    """`x` without the leading ones beyond a rank: `jax.nn` takes a mask [1, N, T, S] beside a query [T, N, H]."""
    surplus = x.shape[: max(0, x.ndim - rank)]
    return x.reshape(x.shape[len(surplus) :]) if surplus and set(surplus) == {1} else x


def flat_pairs(pairs: AnyArray, lead: tuple[int, ...]) -> Array:
    """[... | 1, N | 1, T | 1, S | 1] of any rank up to that -> [B | 1, N | 1, T | 1, S | 1]."""
    x = with_rank(jnp.asarray(pairs), len(lead) + 3)
    if x.shape[:-3] != lead and math.prod(x.shape[:-3]) != 1:  # a part of the leading dimensions broadcasts
        x = jnp.broadcast_to(x, (*lead, *x.shape[-3:]))
    return x.reshape(math.prod(x.shape[:-3]), *x.shape[-3:])
