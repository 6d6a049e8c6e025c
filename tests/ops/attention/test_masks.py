"""Masks against NumPy index arithmetic, and their algebra against NumPy's own."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_jax.ops.attention import mask_algebra, masks
from attn_jax.ops.attention.masks import (
    And,
    Causal,
    Dense,
    Lengths,
    Mask,
    MaskFn,
    Not,
    Or,
    PrefixLM,
    Segments,
    Shifted,
    SlidingWindow,
)


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


def equal_ids(q_ids, k_ids):
    """Whether the ids at q and k are equal; False outside of the arrays."""

    def same(b, h, q, k):
        b, q, k = np.broadcast_arrays(b, q, k)
        out = np.zeros(b.shape, bool)
        for at in np.ndindex(*b.shape):
            row_q, row_k = q_ids[b[at]], k_ids[b[at]]
            out[at] = 0 <= q[at] < len(row_q) and 0 <= k[at] < len(row_k) and row_q[q[at]] == row_k[k[at]]
        return out

    return same


IDS_Q = np.array([[3, 3, 0, 7, 7], [1, 1, 1, -1, 3]], np.int32)
IDS_K = np.array([[7, 3, 3, 0], [-1, -1, 1, 3]], np.int32)
TABLE = np.random.default_rng(0).random((2, 3, 5, 7)) < 0.5

# THE table: a new mask gets a row. name -> (mask, the same by NumPy arithmetic on b < 2, h < 3, q < 5, k < 7)
CASES = {
    "causal": (Causal(), lambda b, h, q, k: k <= q),
    "causal ahead": (Causal(2), lambda b, h, q, k: k <= q + 2),
    "causal behind": (Causal(-3), lambda b, h, q, k: k <= q - 3),
    "causal a row": (Causal(np.array([0, 2])), lambda b, h, q, k: k <= q + np.array([0, 2])[b]),
    "window": (SlidingWindow(1), lambda b, h, q, k: (k >= q - 1) & (k <= q)),
    "window both": (SlidingWindow(1, 2), lambda b, h, q, k: (k >= q - 1) & (k <= q + 2)),
    "window left": (SlidingWindow(2, None), lambda b, h, q, k: k >= q - 2),
    "window right": (SlidingWindow(None), lambda b, h, q, k: k <= q),
    "window none": (SlidingWindow(None, None), lambda b, h, q, k: k == k),
    "prefix": (PrefixLM(3), lambda b, h, q, k: (k < 3) | (k <= q)),
    "prefix a row": (PrefixLM(np.array([4, 0])), lambda b, h, q, k: (k < np.array([4, 0])[b]) | (k <= q)),
    "lengths none": (Lengths(), lambda b, h, q, k: k == k),
    "lengths of q": (Lengths(2), lambda b, h, q, k: q < 2),
    "lengths of k": (Lengths(k=3), lambda b, h, q, k: k < 3),
    "lengths": (Lengths(4, 9), lambda b, h, q, k: (q < 4) & (k < 9)),
    "lengths a row": (
        Lengths(np.array([0, 4]), np.array([3, 1])),
        lambda b, h, q, k: (q < np.array([0, 4])[b]) & (k < np.array([3, 1])[b]),
    ),
    "segments": (Segments(IDS_Q[0]), equal_ids(IDS_Q[[0, 0]], IDS_Q[[0, 0]])),
    "segments a row": (Segments(IDS_Q, IDS_K), equal_ids(IDS_Q, IDS_K)),
    "segments mixed": (Segments(IDS_Q, IDS_K[1]), equal_ids(IDS_Q, IDS_K[[1, 1]])),
    "dense": (Dense(TABLE), lambda b, h, q, k: TABLE[b, h, q, k]),
    "dense of pairs": (Dense(TABLE[0, 0]), lambda b, h, q, k: TABLE[0, 0, q, k]),
    "dense of keys": (Dense(TABLE[:, :1, :1]), lambda b, h, q, k: TABLE[b, 0, 0, k]),
    "dense of heads": (Dense(TABLE[:1, :, :, :1]), lambda b, h, q, k: TABLE[0, h, q, 0]),
    "function": (MaskFn(lambda b, h, q, k: (q + k) % 2 == h % 2), lambda b, h, q, k: (q + k) % 2 == h % 2),
    "shifted": (Shifted(PrefixLM(3), 2), lambda b, h, q, k: (k < 3) | (k <= q - 2)),
    "shifted back": (Shifted(Lengths(2), -1), lambda b, h, q, k: q + 1 < 2),
    "shifted a row": (Shifted(Causal(), np.array([1, 2])), lambda b, h, q, k: k <= q - np.array([1, 2])[b]),
    "shifted segments": (
        Shifted(Segments(IDS_Q, IDS_K), 2),
        lambda b, h, q, k: equal_ids(IDS_Q, IDS_K)(b, h, q - 2, k),
    ),
    "and": (Causal() & SlidingWindow(1, 4), lambda b, h, q, k: (k <= q) & (k >= q - 1)),
    "or": (Causal(-2) | SlidingWindow(0), lambda b, h, q, k: (k <= q - 2) | (k == q)),
    "not": (~Lengths(2, 3), lambda b, h, q, k: (q >= 2) | (k >= 3)),
    "and function": (Causal() & (lambda b, h, q, k: k != 1), lambda b, h, q, k: (k <= q) & (k != 1)),
    "function or": ((lambda b, h, q, k: k == 1) | Causal(-1), lambda b, h, q, k: (k <= q - 1) | (k == 1)),
}
EVERY = pytest.mark.parametrize(("mask", "oracle"), CASES.values(), ids=CASES)


def places(T, S):
    """b, h, q and k of every place of [2, 3, T, S]."""
    return np.ix_(range(2), range(3), range(T), range(S))


def test_every_mask_has_a_row():
    classes = {x for m in (masks, mask_algebra) for x in vars(m).values() if inspect.isclass(x) and issubclass(x, Mask)}
    assert {type(mask) for mask, _ in CASES.values()} == classes - {Mask}


@pytest.mark.sampled(17)
@EVERY
@pytest.mark.programs(90)
def test_a_mask_says_what_its_arithmetic_says(mask, oracle):
    b, h, q, k = places(5, 7)
    want = np.broadcast_to(oracle(b, h, q, k), (2, 3, 5, 7))
    np.testing.assert_array_equal(np.broadcast_to(mask(b, h, q, k), want.shape), want)
    np.testing.assert_array_equal(mask.materialize(5, 7, b=b, h=h), want)
    np.testing.assert_array_equal(mask.materialize(5, 7, b=1, h=2), want[1, 2])
    assert mask.materialize(0, 7).shape == (0, 7)
    assert mask.materialize(5, 0).shape == (5, 0)


@pytest.mark.sampled(11)
@EVERY
def test_a_mask_is_a_pytree_whose_numbers_may_be_traced(mask, oracle):
    b, h, q, k = places(5, 7)
    want = np.broadcast_to(oracle(b, h, q, k), (2, 3, 5, 7))
    got = jax.jit(lambda mask: mask.materialize(5, 7, b=jnp.asarray(b), h=jnp.asarray(h)))(mask)
    np.testing.assert_array_equal(got, want)


def test_a_mask_of_positions_stays_small():
    b, h, q, k = (jnp.asarray(x) for x in places(3, 4))
    mask = Causal() & SlidingWindow(2) | PrefixLM(1) & ~Lengths(1, 2)
    assert mask(b, h, q, k).shape == (1, 1, 3, 4)


def test_masks_map_over_a_batch_of_numbers():
    rows = jax.vmap(lambda offset: Causal(offset).materialize(3, 4))(jnp.array([-1, 1]))
    np.testing.assert_array_equal(rows, np.stack([np.tri(3, 4, -1), np.tri(3, 4, 1)]))


@pytest.mark.parametrize("rows", [[0, 1, 2], [-1, -2, -3], [4, 5, 100]], ids=["inside", "before", "behind"])
@pytest.mark.programs(50)
def test_positions_beyond_the_ids_or_the_array_see_nothing(rows):
    ids, q, k = np.array([5, 5, -1], np.int32), np.array(rows)[:, None], np.arange(-3, 6)[None]
    want = np.zeros((3, 9), bool)
    if rows[0] == 0:
        want[:, 3:6] = [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(Segments(ids)(0, 0, q, k), want)
    np.testing.assert_array_equal(Dense(ids[:, None] == ids[None])(0, 0, q, k), want)


@pytest.mark.parametrize(
    "mask", [Segments(IDS_Q[0], IDS_K[0, :0]), Segments(IDS_Q[:, :0]), Dense(TABLE[:, :, :, :0]), Dense(TABLE[:0])]
)
def test_an_empty_array_shows_nothing(mask):
    none, all_hidden = jax.jit(lambda: (mask.materialize(5, 0), mask.materialize(5, 7)))()
    assert none.shape == (5, 0)
    assert not all_hidden.any()


def test_leading_dimensions_of_an_array_are_flat():
    table = TABLE.reshape(1, 2, 1, 3, 5, 7)[:, :, 0]
    b, h, q, k = places(5, 7)
    np.testing.assert_array_equal(Dense(table)(b, h, q, k), TABLE)
    np.testing.assert_array_equal(Dense(table)(b + 2, h, q, k), TABLE)  # a third dimension to the left is missing
    with pytest.raises(ValueError, match=r"Dense.array: got leading dimensions \[2, 1\], .* wanted \[B, N, T, S\]"):
        Dense(TABLE[:, None])(b, h, q, k)


LEAVES = st.one_of(
    st.integers(-4, 4).map(lambda n: (Causal(n), np.tri(4, 5, n, dtype=bool))),
    st.integers(0, 5).map(lambda n: (PrefixLM(n), (np.arange(5)[None] < n) | np.tri(4, 5, dtype=bool))),
    st.integers(0, 5).map(lambda n: (Lengths(q=n), np.broadcast_to(np.arange(4)[:, None] < n, (4, 5)))),
    st.integers(0, 5).map(lambda n: (lambda b, h, q, k: k == n, np.broadcast_to(np.arange(5)[None] == n, (4, 5)))),
)
TREES = st.recursive(
    LEAVES.filter(lambda pair: isinstance(pair[0], Mask)),
    lambda tree: st.one_of(
        st.tuples(tree, tree | LEAVES).map(lambda p: (p[0][0] & p[1][0], p[0][1] & p[1][1])),
        st.tuples(tree | LEAVES, tree).map(lambda p: (p[0][0] | p[1][0], p[0][1] | p[1][1])),
        tree.map(lambda p: (~p[0], ~p[1])),
    ),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_algebra_is_that_of_the_arrays(pair):
    mask, array = pair
    np.testing.assert_array_equal(mask.materialize(4, 5), array)


def test_operators_build_their_classes():
    assert [type(m) for m in (Causal() & Causal(), Causal() | Causal(), ~Causal())] == [And, Or, Not]
    assert (Causal() & SlidingWindow(2)) == And(Causal(), SlidingWindow(2))


@pytest.mark.parametrize("array", [np.ones((2, 2), bool), jnp.ones((2, 2), bool), True], ids=["numpy", "jax", "bool"])
@pytest.mark.parametrize(
    "combine",
    [lambda m, x: m & x, lambda m, x: m | x, lambda m, x: x & m, lambda m, x: x | m],
    ids=["and", "or", "rand", "ror"],
)
def test_arrays_do_not_combine(combine, array):
    message = rf"mask [&|] other: got {type(array).__name__} .* wanted a Mask or a function .* as Dense\(array\)"
    with pytest.raises(ValueError, match=message):
        combine(Causal(), array)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("size", [-1, 1.5, True, np.arange(2)], ids=str)
def test_a_window_is_static_and_not_negative(side, size):
    with pytest.raises(ValueError, match=rf"SlidingWindow.{side}: got .*, wanted an int >= 0, or None"):
        SlidingWindow(**{"left": 1, side: size})
    with pytest.raises(ValueError, match=r"SlidingWindow.left: got .*, wanted an int >= 0, .* a traced window is"):
        jax.jit(lambda left: SlidingWindow(left).materialize(2, 2))(1)


def test_a_function_must_answer_bool():
    with pytest.raises(ValueError, match=r"mask function .*: got dtype int32 from it, wanted bool"):
        (Causal() & (lambda b, h, q, k: jnp.asarray(q - k, jnp.int32))).materialize(2, 2)


SCORES = (1, 2, 4, 5, 7)  # [..., N, T, S], B = 2
ONES = np.ones((2, 7), np.int32)
A_SCALAR = r"wanted an integer scalar or integers \[B\] = \[2\]"


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Causal(np.zeros(3, np.int32)), rf"Causal.offset: got int32\[3\], {A_SCALAR}"),
        (Causal(0.5), rf"Causal.offset: got float.*, {A_SCALAR}"),
        (PrefixLM(np.zeros((2, 1), np.int32)), rf"PrefixLM.n: got int32\[2, 1\], {A_SCALAR}"),
        (Lengths(q=np.zeros((2, 2), np.int32)), rf"Lengths.q: got int32\[2, 2\], {A_SCALAR}"),
        (Causal() & ~Lengths(k=np.zeros(3, np.int32)), rf"Lengths.k: got int32\[3\], {A_SCALAR}"),
        (Shifted(Causal(), np.zeros(3, np.int32)), rf"Shifted.offset: got int32\[3\], {A_SCALAR}"),
        (Shifted(PrefixLM(1.0), 1), rf"PrefixLM.n: got float.*, {A_SCALAR}"),
        (Segments(ONES.astype(float)), r"Segments.q: got float\d+\[2, 7\], wanted integers"),
        (Segments(ONES[:, :4], ONES), r"Segments.q: got int32\[2, 4\], .* with B = 2 and n = at least 5"),
        (Segments(ONES, ONES[:, :5]), r"Segments.k: got int32\[2, 5\], .* with B = 2 and n = 7"),
        (Segments(ONES[:, :5]), r"Segments.q, which serves the keys too: got int32\[2, 5\], .* n = 7"),
        (Segments(ONES[[0, 0, 0]]), r"Segments.q: got int32\[3, 7\], .* with B = 2"),
        (Causal() | Segments(ONES, ONES[None]), r"Segments.k: got int32\[1, 2, 7\], wanted integers \[n\] or \[B, n\]"),
        (Segments(ONES[0, 0]), r"Segments.q: got int32\[\], wanted integers"),
        (Dense(ONES[:, None, None, :]), r"Dense.array: got int32\[2, 1, 1, 7\], wanted bool"),
        (~Dense(np.ones((7, 5), bool)), r"Dense.array: got bool\[7, 5\], .* to \[..., N, T, S\] = \[1, 2, 4, 5, 7\]"),
        (Dense(np.ones((1,) * 6, bool)), r"Dense.array: got bool\[1, 1, 1, 1, 1, 1\], .* broadcasts to"),
    ],
)
def test_a_part_that_does_not_fit_the_scores_is_refused(mask, message):
    with pytest.raises(ValueError, match=message):
        mask.check_shapes(SCORES)


def test_parts_that_fit_pass():
    two = np.zeros(2, np.int32)
    fitting = Causal(two) & Lengths(1, two) & PrefixLM(3) & Shifted(Causal(), two) & SlidingWindow(3)
    fitting = fitting & Segments(ONES) & Segments(ONES[0, :5], ONES) & MaskFn(lambda b, h, q, k: True)
    (fitting | ~Dense(np.ones((2, 1, 5, 1), bool)) | Dense(np.ones((), bool))).check_shapes(SCORES)
