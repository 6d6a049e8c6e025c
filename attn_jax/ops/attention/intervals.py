"""Which blocks of the T x S scores a mask leaves something of, found from intervals of keys, without the T x S array.

A mask whose numbers are known says for every query which intervals of keys it may see. From these follows, in time
linear in T, which blocks of scores no query sees anything of (dead: skipped) and which all of it (full: no mask is
evaluated). Everything here is NumPy: it runs while a program is traced and leaves nothing in it.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from attn_jax.ops.attention.int32 import LEAST, MOST

Range: TypeAlias = tuple[np.ndarray, np.ndarray]

# Rows of queries, and counters of blocks, that are held at once: megabytes, whatever T and S.
_MAX_ROWS = 1 << 16
_MAX_COUNTERS = 1 << 20


class Intervals(NamedTuple):
    """The keys that each query may see: row t sees none outside the union of its half-open [lo_t, hi_t).

    Rows may overlap, touch or be empty (hi_t <= lo_t).
    """

    ranges: tuple[Range, ...]  # (lo, hi), int64 [T] each, in [0, S]
    exact: bool  # the union is the mask itself, for every batch row and head


class HasIntervals(Protocol):
    """What a block map asks of a mask."""

    def intervals(self, queries: np.ndarray, S: int) -> Intervals:
        """The keys in [0, S) that queries at these positions, int64 [T], may see."""
        ...


class BlockMap(NamedTuple):
    """The blocks of the scores: block (i, j) holds queries i * block_q .. and keys j * block_k .., cut off at T and S.

    `full` blocks are `live`; blocks that are neither live nor full need no work at all.
    """

    live: np.ndarray  # bool [ceil(T / block_q), ceil(S / block_k)]: some pair may be visible
    full: np.ndarray  # bool, the same: every pair is visible, and the block lies wholly inside T x S

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The live blocks as lists for a scan, those that need the mask and those that do not.

        Returns:
          (masked, full): int32 [2, m] and int32 [2, f], rows i and j, ordered by i, then j.

        Example:
          >>> live, full = np.array([[True, False], [True, True]]), np.array([[False, False], [True, False]])
          >>> masked, full = BlockMap(live, full).pairs()
          >>> masked.tolist(), full.tolist()
          ([[0, 1], [0, 1]], [[1], [0]])
        """
        return _pairs(self.live & ~self.full), _pairs(self.full)


def block_map(
    mask: HasIntervals | None, T: int, S: int, block_q: int, block_k: int, *, q_offset: ArrayLike | None = 0
) -> BlockMap:
    """Which blocks of T x S scores are dead, live and full, by intervals: O(T + blocks) time, O(blocks) memory.

    `live[i, j] = any(mask(t + q_offset, s))` and `full[i, j] = all(mask(t + q_offset, s))` over the block's pairs.
    Both are exact where the mask's intervals are; otherwise `live` may hold too many blocks and `full` holds none.

    Args:
      mask: a mask, or None where every pair is visible.
      T, S: int >= 0, the numbers of queries and keys.
      block_q, block_k: int >= 1, the sizes of a block; they need not divide T and S.
      q_offset: the position of query 0. None, a traced number or one a batch row: unknown, then every block is live
        and, unless the mask is None, none full.

    Returns:
      BlockMap of bool [ceil(T / block_q), ceil(S / block_k)]; blocks that stick out of T x S are never full.

    Raises:
      ValueError: a size is negative or no integer, or a block is empty.

    Example:
      >>> from attn_jax.ops.attention.masks import Causal
      >>> live, full = block_map(Causal(), 5, 6, 2, 2)
      >>> live.astype(int).tolist(), full.astype(int).tolist()
      ([[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[0, 0, 0], [1, 0, 0], [0, 0, 0]])

    Reference: Dong et al. 2024, arXiv:2412.05496, section 3.2 (block masks).
    """
    for name, size, least in (("T", T, 0), ("S", S, 0), ("block_q", block_q, 1), ("block_k", block_k, 1)):
        if not isinstance(size, (int, np.integer)) or size < least:
            raise ValueError(f"{name}: got {size!r}, wanted an int >= {least}")
    shape = (-(-T // block_q), -(-S // block_k))
    live, full = np.ones(shape, bool), np.full(shape, mask is None)
    offset = None if q_offset is None else static_integer(q_offset)
    if mask is not None and offset is not None:
        for blocks, queries in _chunks(T, block_q, shape):
            seen = mask.intervals(np.clip(queries + offset, LEAST, MOST), S)
            live[blocks] = _touched(seen, block_q, block_k, live[blocks].shape)
            hidden = complement(seen, len(queries), S)  # every key, where not exact
            full[blocks] = ~_touched(hidden, block_q, block_k, full[blocks].shape)
    # a block that sticks out of T x S holds pairs that are none, which its mask has to hide
    full[T // block_q :] = False
    full[:, S // block_k :] = False
    return BlockMap(live, full)


def span(
    queries: np.ndarray, S: int, lo: ArrayLike = 0, hi: ArrayLike | None = None, *, exact: bool = True
) -> Intervals:
    """One interval a query, cut to the keys there are: `max(lo, 0) <= k < min(hi, S)`.

    Args:
      queries: int64 [T], the queries' positions; only their number counts here.
      S: the number of keys.
      lo, hi: integers, scalar or [T]; None as hi is S.
      exact: whether the mask is this interval, or may be less.

    Returns:
      Intervals of one range.

    Example:
      >>> queries = np.arange(3)
      >>> [(lo.tolist(), hi.tolist()) for lo, hi in span(queries, 2, hi=queries + 1).ranges]
      [([0, 0, 0], [1, 2, 2])]
    """
    ends = (np.clip(end, 0, S) for end in (lo, S if hi is None else hi))
    first, last = (np.broadcast_to(np.asarray(end, np.int64), queries.shape) for end in ends)
    return Intervals(((first, last),), exact)


def unknown(queries: np.ndarray, S: int) -> Intervals:
    """Nothing is known: every query may see every key, and may not.

    Args:
      queries: int64 [T], the queries' positions.
      S: the number of keys.

    Returns:
      Intervals of [0, S), not exact.

    Example:
      >>> unknown(np.arange(3), 2).exact
      False
    """
    return span(queries, S, exact=False)


def intersect(a: Intervals, b: Intervals, S: int) -> Intervals:
    """The keys that both may see; exact where both are.

    Args:
      a, b: Intervals of the same queries.
      S: the number of keys.

    Returns:
      Intervals.

    Example:
      >>> queries = np.arange(2)
      >>> both = intersect(span(queries, 9, 2, 7), span(queries, 9, 4), 9)
      >>> [(lo.tolist(), hi.tolist()) for lo, hi in both.ranges]
      [([4, 4], [7, 7])]
    """
    ranges = tuple((np.maximum(lo, low), np.minimum(hi, high)) for lo, hi in a.ranges for low, high in b.ranges)
    return Intervals(_merge(ranges, S), a.exact and b.exact)


def unite(a: Intervals, b: Intervals, S: int) -> Intervals:
    """The keys that either may see; exact where both are.

    Args:
      a, b: Intervals of the same queries.
      S: the number of keys.

    Returns:
      Intervals.

    Example:
      >>> queries = np.arange(1)
      >>> either = unite(span(queries, 9, 0, 3), span(queries, 9, 3, 7), 9)
      >>> [(lo.tolist(), hi.tolist()) for lo, hi in either.ranges]
      [([0], [7])]
    """
    return Intervals(_merge(a.ranges + b.ranges, S), a.exact and b.exact)


def complement(a: Intervals, T: int, S: int) -> Intervals:
    """The keys that it does not see; nothing is known where `a` is not exact.

    Args:
      a: Intervals of T queries.
      T: the number of queries.
      S: the number of keys.

    Returns:
      Intervals.

    Example:
      >>> rest = complement(span(np.arange(1), 9, 2, 7), 1, 9)
      >>> [(lo.tolist(), hi.tolist()) for lo, hi in rest.ranges]
      [([0], [2]), ([7], [9])]
    """
    first, last = np.zeros(T, np.int64), np.full(T, S, np.int64)
    if not a.exact:
        return Intervals(((first, last),), exact=False)
    ranges = _merge(a.ranges, S)
    starts, ends = [first, *(hi for _, hi in ranges)], [*(lo for lo, _ in ranges), last]
    return Intervals(tuple(zip(starts, ends, strict=True)), exact=True)


def static_integer(number: ArrayLike | None) -> int | None:
    """`number` as an int where it is one integer known while tracing, else None.

    Args:
      number: a Python, NumPy or JAX integer scalar is known; a tracer, an array, a float or None is not.

    Returns:
      int or None.

    Example:
      >>> static_integer(np.int32(3)), static_integer(np.zeros(2, int)), static_integer(0.5)
      (3, None, None)
    """
    if number is None or isinstance(number, Tracer) or np.ndim(number) != 0:
        return None
    number = np.asarray(number)
    return int(number) if np.issubdtype(number.dtype, np.integer) else None


def _merge(ranges: tuple[Range, ...], S: int) -> tuple[Range, ...]:
    """The same unions, rows ascending and no two ranges of one overlapping or touching; empty ones last, as [S, S).

    Starts and ends may be sorted apart: a union breaks after its k-th end exactly where that lies below start k + 1.
    """
    if len(ranges) < 2:
        return ranges
    lo, hi = np.stack([lo for lo, _ in ranges]), np.stack([hi for _, hi in ranges])
    empty = hi <= lo
    lo[empty] = hi[empty] = S
    lo.sort(axis=0)
    hi.sort(axis=0)
    joined = hi[:-1] >= lo[1:]
    lo[1:][joined] = hi[:-1][joined] = S
    lo.sort(axis=0)
    hi.sort(axis=0)
    count = max(1, int(np.count_nonzero((lo < S).any(axis=1))))
    return tuple(zip(lo[:count], hi[:count], strict=True))


def _chunks(T: int, block_q: int, shape: tuple[int, int]) -> Iterator[tuple[slice, np.ndarray]]:
    """(a slice of blocks of rows, their rows), few enough at a time that neither T nor S decides the memory."""
    blocks = max(1, min(_MAX_ROWS // block_q, _MAX_COUNTERS // (shape[1] + 1)))
    for i in range(0, shape[0], blocks):
        yield slice(i, i + blocks), np.arange(i * block_q, min((i + blocks) * block_q, T), dtype=np.int64)


def _touched(seen: Intervals, block_q: int, block_k: int, shape: tuple[int, int]) -> np.ndarray:
    """The blocks, bool [nq, nk], that a range of one of their rows reaches into.

    A range reaches blocks of keys from one to another: +1 and -1 in a row of differences, whose running sum counts the
    ranges. (The least lo and the greatest hi of a block's rows would also cover gaps between them.)
    """
    nq, nk = shape
    width = nk + 1
    changes = np.zeros(nq * width, np.int64)
    for lo, hi in seen.ranges:
        rows = np.flatnonzero(hi > lo)
        at = rows // block_q * width
        changes += np.bincount(at + lo[rows] // block_k, minlength=changes.size)
        changes -= np.bincount(at + (hi[rows] - 1) // block_k + 1, minlength=changes.size)
    return np.cumsum(changes.reshape(nq, width), axis=1)[:, :nk] > 0


def _pairs(blocks: np.ndarray) -> np.ndarray:
    """The places of True as int32 [2, n]; `np.nonzero` would hold twice the memory, in int64."""
    rows, columns = (np.arange(n, dtype=np.int32) for n in blocks.shape)
    found = np.empty((2, np.count_nonzero(blocks)), np.int32)
    found[0] = np.repeat(rows, np.count_nonzero(blocks, axis=1))
    found[1] = np.broadcast_to(columns, blocks.shape)[blocks]
    return found
