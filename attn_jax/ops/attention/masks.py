"""Masks as functions of places: which query may attend which key, combined with `&`, `|` and `~`.

What a mask is stands in ops/attention/mask_algebra.py; a new mask is a class here and a row in the tests' table.
"""

import math
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array
from attn_jax.ops.attention.int32 import MOST, at_most
from attn_jax.ops.attention.intervals import Intervals, block_map, span, static_integer, unknown
from attn_jax.ops.attention.mask_algebra import And, Mask, MaskFn, Not, Or, Shifted, check_per_batch, per_batch
from attn_jax.types import Array

__all__ = [
    "And",
    "Causal",
    "Dense",
    "Lengths",
    "Mask",
    "MaskFn",
    "Not",
    "Or",
    "PrefixLM",
    "Segments",
    "Shifted",
    "SlidingWindow",
    "block_map",
    "check_per_batch",
    "per_batch",
]


@dataclass(frozen=True)
class Causal(Mask):
    """No look ahead: `k <= q + offset`, counted from the top left, so that query 0 sees key 0.

    Args:
      offset: int, a traced scalar, or int [B]: how many further keys every query sees.

    Example:
      >>> Causal().materialize(2, 3).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0]]
      >>> Causal(offset=1).materialize(2, 3).astype(int).tolist()
      [[1, 1, 0], [1, 1, 1]]

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3.
    """

    offset: ArrayLike = 0

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`k <= q + offset`."""
        return at_most(k, q, per_batch(self.offset, b))

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """`[0, q + offset + 1)`, where the offset is known."""
        offset = static_integer(self.offset)
        return unknown(queries, S) if offset is None else span(queries, S, hi=queries + offset + 1)

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Offset: a scalar or [B]."""
        check_per_batch("Causal.offset", self.offset, math.prod(scores[:-3]))


@dataclass(frozen=True)
class SlidingWindow(Mask):
    """The neighbourhood: `q - left <= k <= q + right`, up to left + right + 1 keys a query.

    Args:
      left, right: int >= 0, how far a query sees before and after its own place; None = without limit. Static: a
        window that is traced is `Causal(right) & ~Causal(-left - 1)`.

    Raises:
      ValueError: a side is negative or no int.

    Example:
      >>> SlidingWindow(1).materialize(3, 3).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
      >>> SlidingWindow(0, 1).materialize(3, 3).astype(int).tolist()
      [[1, 1, 0], [0, 1, 1], [0, 0, 1]]

    Reference: Beltagy et al. 2020, arXiv:2004.05150, section 3.1.
    """

    left: int | None = field(metadata={"static": True})
    right: int | None = field(default=0, metadata={"static": True})

    def __post_init__(self):
        for name, side in (("left", self.left), ("right", self.right)):
            whole = isinstance(side, (int, np.integer)) and not isinstance(side, bool)
            if side is not None and not (whole and side >= 0):
                raise ValueError(
                    f"SlidingWindow.{name}: got {side!r}, wanted an int >= 0, or None for no limit; a traced window is "
                    "Causal(right) & ~Causal(-left - 1)"
                )
            if side is not None and side >= MOST:  # no limit
                object.__setattr__(self, name, None)

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`q - left <= k <= q + right`."""
        inside = jnp.asarray(True)
        if self.left is not None:
            inside = inside & at_most(q, k, self.left)
        if self.right is not None:
            inside = inside & at_most(k, q, self.right)
        return inside

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """`[q - left, q + right + 1)`."""
        lo = 0 if self.left is None else queries - self.left
        return span(queries, S, lo, None if self.right is None else queries + self.right + 1)


@dataclass(frozen=True)
class PrefixLM(Mask):
    """A prefix that all see, and no look ahead after it: `k < n or k <= q`.

    Args:
      n: int, a traced scalar, or int [B]: the length of the prefix.

    Example:
      >>> PrefixLM(2).materialize(3, 4).astype(int).tolist()
      [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]

    Reference: Raffel et al. 2020, arXiv:1910.10683, section 3.2.1.
    """

    n: ArrayLike

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`k < n or k <= q`."""
        return jnp.less(k, per_batch(self.n, b)) | jnp.less_equal(k, q)

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """`[0, max(n, q + 1))`, where n is known."""
        n = static_integer(self.n)
        return unknown(queries, S) if n is None else span(queries, S, hi=np.maximum(queries + 1, n))

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """A scalar n, or [B]."""
        check_per_batch("PrefixLM.n", self.n, math.prod(scores[:-3]))


@dataclass(frozen=True)
class Lengths(Mask):
    """Padding on the right: `q < self.q and k < self.k`, where None bounds nothing.

    Args:
      q: int, a traced scalar, or int [B]: how many queries are real.
      k: the same for keys.

    Example:
      >>> Lengths(q=1, k=2).materialize(2, 3).astype(int).tolist()
      [[1, 1, 0], [0, 0, 0]]
    """

    q: ArrayLike | None = None
    k: ArrayLike | None = None

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`q < self.q and k < self.k`."""
        inside = jnp.asarray(True)
        if self.q is not None:
            inside = inside & jnp.less(q, per_batch(self.q, b))
        if self.k is not None:
            inside = inside & jnp.less(k, per_batch(self.k, b))
        return inside

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """`[0, self.k)` for `q < self.q`; a length that is not known bounds nothing."""
        rows, keys = static_integer(self.q), static_integer(self.k)
        exact = (rows is None) == (self.q is None) and (keys is None) == (self.k is None)
        hi = S if keys is None else min(keys, S)
        return span(queries, S, hi=hi if rows is None else np.where(queries < rows, hi, 0), exact=exact)

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Each of q and k: None, a scalar or [B]."""
        for name, length in (("Lengths.q", self.q), ("Lengths.k", self.k)):
            if length is not None:
                check_per_batch(name, length, math.prod(scores[:-3]))


@dataclass(frozen=True)
class Segments(Mask):
    """Several sequences in one row, apart from each other: `ids_q[b, q] == ids_k[b, k]`.

    No id is special: padding whose id no other place has is seen by padding alone. A position that has no id, before
    the array or behind it, sees nothing and is seen by none.

    Args:
      q: integers [T] or [B, T]: the segment of every query position, from position 0 on. With a q_offset the array
        must reach as far as the queries do.
      k: integers [S] or [B, S]: the segment of every key; None = those of q.

    Example:
      >>> Segments(jnp.array([1, 1, 2])).materialize(3, 3).astype(int).tolist()
      [[1, 1, 0], [1, 1, 0], [0, 0, 1]]

    Reference: Krell et al. 2021, arXiv:2107.02027, section 3.2 (packed sequences).
    """

    q: Array
    k: Array | None = None

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`ids_q[b, q] == ids_k[b, k]`."""
        keys = self.q if self.k is None else self.k
        of_q, with_id_q = _look_up(self.q, *((b, q) if jnp.ndim(self.q) == 2 else (q,)))
        of_k, with_id_k = _look_up(keys, *((b, k) if jnp.ndim(keys) == 2 else (k,)))
        return (of_q == of_k) & with_id_q & with_id_k

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Integers, S of them for the keys, and at least T for the queries, whose positions may start at an offset."""
        *lead, _, T, S = scores
        _check_ids("Segments.q", self.q, math.prod(lead), T, at_least=True)
        if self.k is None:
            _check_ids("Segments.q, which serves the keys too", self.q, math.prod(lead), S)
        else:
            _check_ids("Segments.k", self.k, math.prod(lead), S)


@dataclass(frozen=True)
class Dense(Mask):
    """A mask given as an array, to be combined with others: `array[b, h, t, s]`.

    Its rows are those of the call, t, not positions: it does not move with a q_offset, and attention reads the array
    directly. Called by itself (as `materialize` does) q counts rows, and a place outside the array is not visible.

    Args:
      array: bool, of a shape that broadcasts to [..., N, T, S].

    Example:
      >>> Dense(jnp.array([[True, False], [True, True]])).materialize(2, 2).astype(int).tolist()
      [[1, 0], [1, 1]]
    """

    array: Array

    def __call__(self, b: ArrayLike, h: ArrayLike, q: ArrayLike, k: ArrayLike) -> Array:
        """`array[b, h, q, k]`, where an axis of size 1 serves every index."""
        shape = (1,) * (4 - jnp.ndim(self.array)) + jnp.shape(self.array)
        lead = shape[:-3]
        while lead and lead[0] == 1:
            lead = lead[1:]
        if 1 in lead:
            raise ValueError(
                f"Dense.array: got leading dimensions {list(shape[:-3])}, of which b, a flat index, cannot tell which "
                "are broadcast: wanted [B, N, T, S]"
            )
        array = jnp.reshape(self.array, (math.prod(lead), *shape[-3:]))
        b = jnp.mod(b, array.shape[0])  # leading dimensions that are missing on the left
        places = [jnp.zeros_like(i) if n == 1 else i for n, i in zip(array.shape, (b, h, q, k), strict=True)]
        allowed, inside = _look_up(array, *places)
        return allowed & inside

    def check_shapes(self, scores: tuple[int, ...]) -> None:
        """Bool, and broadcasts to the scores."""
        shape, dtype = (found := array("Dense.array", self.array, "bool")).shape, found.dtype
        fits = len(shape) <= len(scores) and all(a in (1, n) for a, n in zip(shape[::-1], scores[::-1], strict=False))
        if not jnp.issubdtype(dtype, jnp.bool_) or not fits:
            raise ValueError(
                f"Dense.array: got {dtype}{list(shape)}, wanted bool (True = may attend) that broadcasts to "
                f"[..., N, T, S] = {list(scores)}"
            )


def _check_ids(name: str, ids: Array, B: int, n: int, *, at_least: bool = False) -> None:
    """Raises a ValueError unless `ids` are n (or more) integers, or that for each of B rows."""
    shape, dtype = (found := array(name, ids, "integers")).shape, found.dtype
    fits = len(shape) > 0 and shape[:-1] in ((), (B,)) and (shape[-1] == n or (at_least and shape[-1] > n))
    if not (fits and jnp.issubdtype(dtype, jnp.integer)):
        count = f"at least {n}" if at_least else f"{n}"
        raise ValueError(
            f"{name}: got {dtype}{list(shape)}, wanted integers [n] or [B, n] with B = {B} and n = {count}"
        )


def _look_up(table: ArrayLike, *places: ArrayLike) -> tuple[Array, Array]:
    """(table[places], whether the places lie inside): indexing alone would clamp, or count from the end."""
    inside = jnp.asarray(True)
    for size, place in zip(jnp.shape(table), places, strict=True):
        inside = inside & jnp.greater_equal(place, 0) & jnp.less(place, size)
    if jnp.size(table) == 0:  # holds nothing to clamp to
        table = jnp.zeros((1,) * jnp.ndim(table), jnp.result_type(table))
    return jnp.asarray(table)[places], inside
