"""Whatever `jax.nn.dot_product_attention` takes, ours takes and means: shapes of many calls, values of some."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import blockwise, dense, draw, jit
from jax_nn_cases import CHOICES, differences, draw_call

from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.inputs import check_inputs
from attn_jax.ops.attention.paths import choose

COMPARED = (  # (seed, what is not left to chance)
    (0, {"dtype": "float32", "local_window_size": (2, -1), "bias": "bool", "scale": "K11", "heads": (4, 2)}),
    (6, {"dtype": "float32", "local_window_size": "S and 1", "scale": "BKTS", "is_causal": False, "mask": None}),
    (0, {"dtype": "bfloat16", "local_window_size": (-1, 3), "is_causal": False, "mask": None, "scale": "S"}),
    (33, {"dtype": "bfloat16", "local_window_size": "traced", "bias": "bfloat16", "is_causal": False}),
    (6, {"dtype": "float32", "local_window_size": None, "rank": 2, "mask": None, "is_causal": False}),
)
SHAPED = range(470, 498)


@pytest.mark.exhaustive
@pytest.mark.programs(40)  # a call and its arrays each
def test_random_calls_give_what_jax_nn_gives():
    found, compared, left_out = zip(*(differences(seed, **fixed) for seed, fixed in COMPARED), strict=True)
    assert not [line for lines in found for line in lines]
    assert sum(compared) > 50 and sum(left_out) > 20, "rows that differ by contract are few, and there are some"


@pytest.mark.exhaustive
@pytest.mark.programs(80)  # what a window or a length is made into while it is traced
def test_random_calls_give_the_shapes_and_dtypes_of_jax_nn():
    seen = {name: set() for name in CHOICES}
    for seed in SHAPED:
        chosen, arrays, options = draw_call(seed)
        theirs, ours = (
            jax.eval_shape(functools.partial(attention, *arrays, **options, return_residual=True))
            for attention in (jax.nn.dot_product_attention, dot_product_attention)
        )
        assert ours == theirs, chosen
        for name, value in chosen.items():
            seen[name].add(repr(value))
    assert seen == {name: {repr(value) for value in values} for name, values in CHOICES.items()}


def test_a_mask_of_another_meaning_is_seen():
    """The comparison's broken twin: a window that is one key too wide."""

    def wide(query, key, value, *, local_window_size, **options):
        return dot_product_attention(query, key, value, local_window_size=(3, 0), **options)

    arrays = [np.random.default_rng(0).standard_normal((2, 6, 1, 2)).astype(np.float32) for _ in range(3)]

    @jit
    def run(*arrays):
        ways = (jax.nn.dot_product_attention, dot_product_attention, wide)
        return [way(*arrays, local_window_size=(2, 0)) for way in ways]

    theirs, ours, wrong = run(*arrays)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(np.asarray(wrong) - theirs).max() > 0.01


@pytest.mark.parametrize("attention", [dense, blockwise])
def test_windows_of_keys_and_queries_move_with_the_offset(attention):
    """Rows 2 and on, alone: each keeps its own number, at a position that is moved."""
    query, key, value = draw(3, lead=(), T=6)
    of_keys, of_queries = np.array([0, 3, 1, 0, 2, 5, 0]), np.array([[1], [0], [4], [2], [3], [0]])

    @jit
    def run(query, key, value, offset):
        whole = attention(query, key, value, local_window_size=(of_keys, of_queries))
        rows = attention(query[2:], key, value, local_window_size=(of_keys, of_queries[2:]), q_offset=offset)
        theirs = jax.nn.dot_product_attention(query, key, value, local_window_size=(of_keys, of_queries))
        return rows, whole, theirs

    rows, whole, theirs = run(query, key, value, 2)
    np.testing.assert_allclose(rows, np.asarray(whole)[2:], atol=1e-6)
    np.testing.assert_allclose(whole, theirs, atol=1e-5)


def test_a_residual_has_no_gradient_and_lse_has():
    ones = np.ones((1, 2, 1, 2), np.float32)

    def gradient(**options):
        return jit(jax.grad(lambda query: dot_product_attention(query, ones, ones, **options)[1].sum()))(ones)

    assert (np.asarray(gradient(return_residual=True)) == 0).all()
    assert (np.asarray(gradient(return_lse=True)) != 0).all()
    with pytest.raises(ValueError, match=r"^return_residual: got True beside return_lse=True"):
        dot_product_attention(ones, ones, ones, return_residual=True, return_lse=True)


def test_the_page_says_what_jax_nn_does():
    """What docs/attention/contract.md says of `jax.nn` where ours differs: were it to change, it would be wrong."""
    ones, values = np.ones((2, 1, 4), np.float32), np.array([[[1.0]], [[3.0]]], np.float32) * np.ones(4, np.float32)
    first = np.array([[True, False], [False, False]])  # row 0 sees key 0, row 1 nothing
    theirs, hidden = jax.nn.dot_product_attention, np.where([[1], [0]], 0, -np.inf).astype(np.float32)

    @jax.jit
    def run(bad):
        def loss(query):
            return theirs(query, ones * bad, values, mask=first)[0].sum()

        return (
            theirs(ones, ones, values, mask=first)[:, 0, 0],
            theirs(ones, ones, values, query_seq_lengths=[1])[:, 0, 0],
            theirs(ones, ones, values, hidden)[:, 0, 0],
            theirs(ones, ones, values * bad, mask=first)[:, 0, 0],
            jax.grad(loss)(ones)[0, 0],
            theirs(*(np.full((2, 1, 4), 3, np.int32),) * 3)[:, 0, 0],
            theirs(ones[0], ones[0], values[1])[0],
        )

    nan = np.nan
    want = ([1, 2], [2, 0], [2, nan], [nan, nan], [nan] * 4, [0, 0], [3] * 4)
    for got, row in zip(run(np.array([[[1.0]], [[nan]]], np.float32)), want, strict=True):
        np.testing.assert_allclose(got, row, rtol=1e-6)


@pytest.mark.parametrize("T", [4, 512])
def test_xla_is_the_faster_of_our_paths(T):
    x = check_inputs(*jnp.zeros((3, 1, T, 1, 2)))
    assert choose(x, "xla") is choose(x, None) is choose(x, ("cudnn", "xla"))
    assert choose(x, None) is not choose(x, "blockwise" if T == 4 else "dense")
