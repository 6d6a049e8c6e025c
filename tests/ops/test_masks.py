"""Masks against NumPy index arithmetic, and their algebra against NumPy's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_jax.ops.masks import Causal, Lengths


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


def causal(T, S, offset):
    return np.arange(S)[None, :] <= np.arange(T)[:, None] + offset


def lengths(T, S, q, k):
    return (np.arange(T)[:, None] < q) & (np.arange(S)[None, :] < k)


@pytest.mark.parametrize("offset", [-3, 0, 2])
def test_causal_is_top_left(offset):
    np.testing.assert_array_equal(Causal(offset).materialize(4, 6), causal(4, 6, offset))


@pytest.mark.parametrize(("q", "k"), [(None, None), (2, None), (None, 3), (2, 3), (0, 9)])
def test_lengths_bound_queries_and_keys(q, k):
    want = lengths(4, 6, 4 if q is None else q, 6 if k is None else k)
    np.testing.assert_array_equal(Lengths(q, k).materialize(4, 6), want)


def test_one_number_a_batch_row_is_read_at_b():
    mask = Causal(jnp.array([0, 2])) & Lengths(k=jnp.array([3, 1]))
    want = np.stack([causal(3, 4, 0) & lengths(3, 4, 3, 3), causal(3, 4, 2) & lengths(3, 4, 3, 1)])
    np.testing.assert_array_equal(mask.materialize(3, 4, b=jnp.arange(2)[:, None, None]), want)
    np.testing.assert_array_equal(mask.materialize(3, 4, b=1), want[1])


def test_masks_are_pytrees_whose_numbers_may_be_traced():
    @jax.jit
    def materialized(mask):
        return mask.materialize(3, 4)

    np.testing.assert_array_equal(materialized(~(Causal(1) | Lengths(k=2))), ~(causal(3, 4, 1) | lengths(3, 4, 3, 2)))
    rows = jax.vmap(lambda offset: Causal(offset).materialize(3, 4))(jnp.array([-1, 1]))
    np.testing.assert_array_equal(rows, np.stack([causal(3, 4, -1), causal(3, 4, 1)]))


def test_a_mask_of_positions_stays_small():
    places = [jnp.arange(n).reshape(shape) for n, shape in ((5, (5, 1, 1, 1)), (2, (1, 2, 1, 1)))]
    q, k = jnp.arange(3).reshape(1, 1, 3, 1), jnp.arange(4).reshape(1, 1, 1, 4)
    assert Causal()(*places, q, k).shape == (1, 1, 3, 4)


LEAVES = st.one_of(
    st.integers(-4, 4).map(lambda n: (Causal(n), lambda T, S: causal(T, S, n))),
    st.tuples(st.integers(0, 5), st.integers(0, 5)).map(lambda n: (Lengths(*n), lambda T, S: lengths(T, S, *n))),
)
TREES = st.recursive(
    LEAVES,
    lambda tree: st.one_of(
        st.tuples(tree, tree).map(lambda p: (p[0][0] & p[1][0], lambda T, S: p[0][1](T, S) & p[1][1](T, S))),
        st.tuples(tree, tree).map(lambda p: (p[0][0] | p[1][0], lambda T, S: p[0][1](T, S) | p[1][1](T, S))),
        tree.map(lambda p: (~p[0], lambda T, S: ~p[1](T, S))),
    ),
    max_leaves=4,
)


@settings(max_examples=25, deadline=None)
@given(TREES)
def test_algebra_is_that_of_the_arrays(pair):
    mask, array = pair
    np.testing.assert_array_equal(mask.materialize(4, 5), array(4, 5))


@pytest.mark.parametrize("combine", [lambda m, x: m & x, lambda m, x: m | x], ids=["and", "or"])
def test_only_masks_combine(combine):
    with pytest.raises(ValueError, match=r"mask [&|] other: got .* wanted a Mask"):
        combine(Causal(), np.ones((2, 2), bool))


@pytest.mark.parametrize(
    ("mask", "name"),
    [
        (Causal(jnp.zeros(3, jnp.int32)), "Causal.offset"),
        (Causal(0.5), "Causal.offset"),
        (Lengths(q=jnp.zeros((2, 2), jnp.int32)), "Lengths.q"),
        (Causal() & ~Lengths(k=jnp.zeros(3, jnp.int32)), "Lengths.k"),
    ],
)
def test_a_number_for_the_wrong_batch_is_refused(mask, name):
    with pytest.raises(ValueError, match=rf"{name}: got .* wanted an integer scalar or integers \[B\] = \[2\]"):
        mask.check_batch(2)


def test_masks_of_the_right_batch_pass():
    (Causal(jnp.zeros(2, jnp.int32)) & Lengths(1, jnp.zeros(2, jnp.int32))).check_batch(2)
