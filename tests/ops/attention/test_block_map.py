"""Block maps against the count of visible pairs in the dense mask, exact wherever the mask is."""

import tracemalloc
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attn_jax.ops.attention import intervals
from attn_jax.ops.attention.intervals import Intervals, block_map, complement, intersect, span, unite, unknown
from attn_jax.ops.attention.masks import (
    Causal,
    Dense,
    Lengths,
    Mask,
    MaskFn,
    PrefixLM,
    Segments,
    Shifted,
    SlidingWindow,
)


def dense(rule, T, S, q_offset):
    """The rule of (q, k) as bool [T, S]."""
    return np.broadcast_to(rule(np.arange(T)[:, None] + q_offset, np.arange(S)[None]), (T, S))


def count(array, block_q, block_k):
    """(live, full) by looking at every pair of every block."""
    T, S = array.shape
    live, full = np.zeros((2, -(-T // block_q), -(-S // block_k)), bool)
    for i, j in np.ndindex(*live.shape):
        block = array[i * block_q : (i + 1) * block_q, j * block_k : (j + 1) * block_k]
        live[i, j] = block.any()
        full[i, j] = block.all() and block.shape == (block_q, block_k)
    return live, full


def check(mask, rule, T, S, block_q, block_k, q_offset=0, *, exact=True):
    """Fails unless the block map of `mask` is that of the dense array, or bounds it where it cannot be exact."""
    got = mask.block_map(T, S, block_q, block_k, q_offset=q_offset)
    live, full = count(dense(rule, T, S, q_offset), block_q, block_k)
    assert got.live.dtype == got.full.dtype == bool
    if exact:
        np.testing.assert_array_equal(got.live, live)
        np.testing.assert_array_equal(got.full, full)
    else:
        assert got.live.shape == live.shape
        assert not (live & ~got.live).any()
        assert not (got.full & ~full).any()


SIZES = st.tuples(st.integers(0, 23), st.integers(0, 23), st.integers(1, 9), st.integers(1, 9), st.integers(-9, 9))
SMALL, SIDE = st.integers(-5, 24), st.none() | st.integers(0, 9)


def window(left, right):
    return SlidingWindow(
        left, right
    ), lambda q, k: (k >= q - (99 if left is None else left)) & (k <= q + (99 if right is None else right))


EXACT = st.one_of(
    SMALL.map(lambda n: (Causal(n), lambda q, k: k <= q + n)),
    SMALL.map(lambda n: (Causal(np.int32(n)), lambda q, k: k <= q + n)),
    st.tuples(SIDE, SIDE).map(lambda sides: window(*sides)),
    SMALL.map(lambda n: (PrefixLM(n), lambda q, k: (k < n) | (k <= q))),
    SMALL.map(lambda n: (Lengths(q=n), lambda q, k: (q < n) & (k == k))),
    st.tuples(SMALL, SMALL).map(lambda n: (Lengths(*n), lambda q, k: (q < n[0]) & (k < n[1]))),
    SMALL.map(lambda n: (Shifted(SlidingWindow(2), n), lambda q, k: (k >= q - n - 2) & (k <= q - n))),
)
IDS = np.arange(40) // 5
PARITY = np.add.outer(np.arange(40), np.arange(40)) % 2 == 0
KNOWN_IN_PART = [
    (MaskFn(lambda b, h, q, k: (q + k) % 3 == 0), lambda q, k: (q + k) % 3 == 0),
    (Segments(IDS), lambda q, k: (q >= 0) & (k >= 0) & (q // 5 == k // 5)),
    (Lengths(q=np.array([4]), k=6), lambda q, k: (q < 4) & (k < 6)),
    (Lengths(q=4, k=np.array([6])), lambda q, k: (q < 4) & (k < 6)),
    (Causal(np.array([2])), lambda q, k: k <= q + 2),
    (PrefixLM(np.array([9])), lambda q, k: (k < 9) | (k <= q)),
]


def trees(leaves):
    return st.recursive(
        leaves,
        lambda tree: st.one_of(
            st.tuples(tree, tree).map(lambda p: (p[0][0] & p[1][0], lambda q, k: p[0][1](q, k) & p[1][1](q, k))),
            st.tuples(tree, tree).map(lambda p: (p[0][0] | p[1][0], lambda q, k: p[0][1](q, k) | p[1][1](q, k))),
            tree.map(lambda p: (~p[0], lambda q, k: ~p[1](q, k))),
        ),
        max_leaves=7,
    )


@settings(max_examples=300, deadline=None)
@given(trees(EXACT), SIZES)
@example((~window(1, 1)[0], lambda q, k: (k < q - 1) | (k > q + 1)), (16, 16, 4, 4, 0))
def test_live_and_full_are_exact_for_masks_of_known_numbers(pair, sizes):
    check(*pair, *sizes)
    assert pair[0].intervals(np.arange(3), 5).exact


@settings(max_examples=100, deadline=None)
@given(trees(EXACT | st.sampled_from(KNOWN_IN_PART)), SIZES)
def test_live_holds_all_and_full_nothing_else_where_a_part_is_unknown(pair, sizes):
    check(*pair, *sizes, exact=pair[0].intervals(np.arange(3), 5).exact)


@pytest.mark.parametrize(("mask", "rule"), KNOWN_IN_PART)
def test_what_is_known_in_part_claims_no_more(mask, rule):
    assert not mask.intervals(np.arange(9), 9).exact
    check(mask, rule, 17, 19, 2, 2, 1, exact=False)


@dataclass(frozen=True)
class Hull(Mask):
    """The broken twin: one interval a row, from the first visible key to the last, said to be exact."""

    mask: Mask

    def __call__(self, b, h, q, k):
        return self.mask(b, h, q, k)

    def intervals(self, queries, S):
        ranges = self.mask.intervals(queries, S).ranges
        lows = [np.where(hi > lo, lo, S) for lo, hi in ranges]
        highs = [np.where(hi > lo, hi, 0) for lo, hi in ranges]
        return Intervals(((np.min(lows, axis=0), np.max(highs, axis=0)),), exact=True)


@dataclass(frozen=True)
class Boastful(Hull):
    """Another: says to be exact where it only bounds."""

    def intervals(self, queries, S):
        return self.mask.intervals(queries, S)._replace(exact=True)


@pytest.mark.parametrize(
    ("twin", "mask", "rule", "exact"),
    [
        (Hull, ~SlidingWindow(6, 6), lambda q, k: (k < q - 6) | (k > q + 6), True),
        (Boastful, Causal() & MaskFn(lambda b, h, q, k: k != 3), lambda q, k: (k <= q) & (k != 3), False),
    ],
)
def test_the_check_refuses_a_mask_whose_intervals_lie(twin, mask, rule, exact):
    check(mask, rule, 32, 32, 4, 4, exact=exact)
    with pytest.raises(AssertionError):
        check(twin(mask), rule, 32, 32, 4, 4, exact=exact)


@pytest.mark.parametrize(("rows", "counters"), [(8, 1 << 20), (1 << 16, 12), (1, 1)])
def test_a_map_found_piece_by_piece_is_the_same(monkeypatch, rows, counters):
    monkeypatch.setattr(intervals, "_MAX_ROWS", rows)
    monkeypatch.setattr(intervals, "_MAX_COUNTERS", counters)
    check(~SlidingWindow(4, 4) & Causal(9), lambda q, k: (abs(q - k) > 4) & (k <= q + 9), 29, 31, 3, 4, -2)


def test_known_parts_of_a_mask_still_skip_blocks():
    causal = Causal().block_map(9, 9, 3, 3)
    got = (Causal() & Lengths(k=jnp.array([4, 5])) & (lambda b, h, q, k: q != k)).block_map(9, 9, 3, 3)
    np.testing.assert_array_equal(got.live, causal.live)
    assert not got.full.any()
    got = (~(Causal() & Segments(IDS)) & ~SlidingWindow(None, None)).block_map(9, 9, 3, 3)
    assert not got.live.any()


@pytest.mark.parametrize(
    "mask", [Dense(PARITY), Segments(IDS), MaskFn(lambda b, h, q, k: q > k), Causal(np.zeros(2, int)), Causal(0.5)]
)
def test_masks_that_say_nothing_leave_every_block(mask):
    live, full = mask.block_map(7, 5, 2, 2)
    assert live.shape == (4, 3)
    assert live.all()
    assert not full.any()


def test_tracers_are_not_known_and_tracing_leaves_nothing_in_the_program():
    static = Causal(1) & ~Lengths(k=jnp.int32(2)) | PrefixLM(np.int32(3)) & SlidingWindow(2)

    def program(n):
        for mask in (Causal(n), Lengths(n, n), PrefixLM(n), Shifted(Causal(), n), Causal(1) & ~PrefixLM(n)):
            live, full = mask.block_map(6, 6, 3, 3)
            assert live[1].all()
            assert not full.any()
        assert block_map(Causal(), 6, 6, 3, 3, q_offset=n).live.all()
        np.testing.assert_array_equal(static.block_map(6, 6, 2, 2), want)

    want = static.block_map(6, 6, 2, 2)
    assert not want.live.all()
    assert jax.make_jaxpr(program)(jnp.int32(0)).eqns == []


def test_no_mask_is_full_up_to_the_tails():
    for q_offset in (0, None, np.arange(2)):
        live, full = block_map(None, 5, 7, 2, 3, q_offset=q_offset)
        assert live.all()
        assert full.astype(int).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("q_offset", [None, np.array([0, 1])], ids=["traced", "a row"])
def test_an_unknown_offset_leaves_every_block(q_offset):
    live, full = block_map(Causal(), 4, 6, 2, 2, q_offset=q_offset)
    assert live.all()
    assert not full.any()


@pytest.mark.parametrize("sizes", [(0, 5, 2, 2), (5, 0, 2, 2), (0, 0, 1, 1)])
def test_nothing_has_no_blocks(sizes):
    check(Causal() | ~PrefixLM(2), lambda q, k: (k <= q) | (k >= 2) & (k > q), *sizes)
    assert [x.shape for x in Causal().block_map(*sizes).pairs()] == [(2, 0), (2, 0)]


@settings(max_examples=25, deadline=None)
@given(trees(EXACT), SIZES)
def test_pairs_list_the_blocks_in_order(pair, sizes):
    T, S, block_q, block_k, q_offset = sizes
    live, full = count(dense(pair[1], T, S, q_offset), block_q, block_k)
    got = pair[0].block_map(T, S, block_q, block_k, q_offset=q_offset).pairs()
    for pairs, blocks in zip(got, (live & ~full, full), strict=True):
        assert pairs.dtype == np.int32
        assert pairs.T.tolist() == [[i, j] for i, j in np.ndindex(*blocks.shape) if blocks[i, j]]


RANGES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=5).map(tuple)


def members(ranges):
    return {k for lo, hi in ranges for k in range(lo, hi)}


def rows_of(a):
    """The set of keys of each of three rows."""
    return [members([(int(lo[t]), int(hi[t])) for lo, hi in a.ranges]) for t in range(3)]


@settings(max_examples=100, deadline=None)
@given(st.lists(RANGES, min_size=3, max_size=3), st.lists(RANGES, min_size=3, max_size=3))
def test_intervals_combine_like_sets(first, second):
    a, b = (Intervals(_columns(rows), exact=True) for rows in (first, second))
    both = list(zip(map(members, first), map(members, second), strict=True))
    assert rows_of(intersect(a, b, 12)) == [x & y for x, y in both]
    assert rows_of(unite(a, b, 12)) == [x | y for x, y in both]
    assert rows_of(complement(a, 3, 12)) == [set(range(12)) - x for x, _ in both]
    assert not intersect(a, b._replace(exact=False), 12).exact
    assert not unite(a._replace(exact=False), b, 12).exact
    assert rows_of(complement(a._replace(exact=False), 3, 12)) == [set(range(12))] * 3


def _columns(rows):
    """Three lists of (lo, hi) as ranges of [3] arrays, short lists filled up with empty ones."""
    width = max(map(len, rows))
    table = np.array([[*row, *[(5, 2)] * (width - len(row))] for row in rows], np.int64).reshape(3, width, 2)
    return tuple((table[:, i, 0], table[:, i, 1]) for i in range(width))


def test_a_union_of_many_pieces_stays_as_short_as_it_is():
    queries, piece = np.arange(3), span(np.arange(3), 99, 0, 1)
    for start in range(1, 40):
        piece = unite(piece, span(queries, 99, start, start + 1), 99)
    assert [(lo.tolist(), hi.tolist()) for lo, hi in piece.ranges] == [([0] * 3, [40] * 3)]
    assert rows_of(unknown(queries, 4)) == [set(range(4))] * 3


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((-1, 4, 2, 2), "T: got -1, wanted an int >= 0"),
        ((4, 4.0, 2, 2), "S: got 4.0, wanted an int >= 0"),
        ((4, 4, 0, 2), "block_q: got 0, wanted an int >= 1"),
        ((4, 4, 2, -2), "block_k: got -2, wanted an int >= 1"),
    ],
)
def test_sizes_are_checked(sizes, message):
    with pytest.raises(ValueError, match=message):
        Causal().block_map(*sizes)


@pytest.mark.parametrize("mask", [Causal(), Causal() & SlidingWindow(4096)], ids=["causal", "causal window"])
def test_a_million_by_a_million_takes_little_memory(mask):
    n, block_q, block_k = 1_000_000, 256, 512
    tracemalloc.start()
    blocks = mask.block_map(n, n, block_q, block_k)
    masked, full = blocks.pairs()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    first, last = np.arange(0, n, block_q), np.minimum(np.arange(0, n, block_q) + block_q, n) - 1
    left = np.zeros_like(first) if mask == Causal() else np.maximum(first - 4096, 0)
    assert blocks.live.sum() == (last // block_k - left // block_k + 1).sum()
    assert masked.shape[1] + full.shape[1] == blocks.live.sum()
