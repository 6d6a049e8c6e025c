"""Values and lse of every path: as exact as the textbook formula, for any lengths, dtypes, heads and masks."""

import functools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import (
    PATHS,
    blockwise,
    compiled,
    dense,
    draw,
    each_path,
    jit,
    pairwise,
    places,
    plain,
    tiled_attention,
    worst,
)
from hypothesis import given, settings
from tiers import diagonal, first

from attn_jax.ops.attention.dense import attention_reference, attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, PrefixLM, Segments, SlidingWindow
from attn_jax.testing.oracles import attention_oracle

pytestmark = pytest.mark.usefixtures("strict_ranks")

MASKS = ("none", "causal", "window", "array", "lengths", "algebra")
EXTRAS = ("nothing", "bias", "cap", "sinks", "mod")
SHAPES = [(0, 7), (1, 64), (7, 257), (63, 1), (64, 65), (65, 0), (127, 63), (257, 127)]  # (T, S)
FACTORS = (
    ["float32", "bfloat16", "float16", "float64"],
    SHAPES,
    MASKS,
    EXTRAS,
    [(2, 2), (4, 2), (3, 1)],  # (N, K)
    [3, 5],  # Hv; H is 3
    [(2,), (), (2, 1)],  # leading dimensions
    [(32, 16), (13, 7), (64, 300)],  # block sizes
)
GRID = pairwise(*FACTORS)

# Beyond twice the error of the plain formula: 1e-6 for a plain formula that happens to hit the exact result.
FLOOR = {"float64": 1e-14}


def test_the_grid_holds_every_pair():
    for i, one in enumerate(FACTORS):
        for j, other in list(enumerate(FACTORS))[i + 1 :]:
            assert {(row[i], row[j]) for row in GRID} == {(a, b) for a in one for b in other}
    assert len(GRID) < 60


def masked(name, lead, N, T, S):
    """(arguments for attention, the same as an array [B, N, T, S])."""
    random = np.random.default_rng(1)
    B = int(np.prod(lead))
    b, h, q, k = np.ogrid[:B, :N, :T, :S]
    array, rows, keys = random.random((N, 1, S)) < 0.7, random.integers(0, T + 1, B), random.integers(0, S + 1, B)
    as_lead = (lambda x: jnp.asarray(x)) if lead else (lambda x: jnp.asarray(x[0]))
    options, visible = {
        "none": ({}, np.True_),
        "causal": ({"is_causal": True, "q_offset": 2}, k <= q + 2),
        "window": ({"local_window_size": (3, None), "q_offset": -1}, k >= q - 1 - 3),
        "array": ({"mask": jnp.asarray(array)}, array[None]),
        "lengths": (
            {"query_seq_lengths": as_lead(rows), "key_value_seq_lengths": as_lead(keys)},
            (q < rows[b]) & (k < keys[b]),
        ),
        "algebra": (
            {"mask": (Causal() & ~SlidingWindow(2, 0)) | (lambda b, h, q, k: (h + k) % 3 == 0)},
            (k < q - 2) | ((h + k) % 3 == 0),
        ),
    }[name]
    return options, np.broadcast_to(visible, (B, N, T, S))


def extra(name, lead, N, T, S, dtype):
    """More arguments, which the oracle takes too; its NumPy functions are also ours."""
    random = np.random.default_rng(2)
    return {
        "nothing": {},
        "bias": {"bias": jnp.asarray(random.standard_normal((*lead, N, T, S)), dtype)},
        "cap": {"bias": jnp.asarray(random.standard_normal((T, 1)), dtype), "logits_soft_cap": 2.0},
        "sinks": {"sinks": jnp.asarray(random.standard_normal(N), dtype), "scale": 0.3},
        "mod": {"score_mod": lambda s, b, h, q, k: s - 0.125 * (h + 1) * abs(q - k) + b},
    }[name]


def textbook(arrays, visible, options):
    """The plain formula with flat leading dimensions, in the dtype of the arrays."""
    B, N, T, S = visible.shape

    def change(scores):
        at = places(scores)
        if "bias" in options:
            scores = scores + jnp.broadcast_to(options["bias"], (*arrays[0].shape[:-3], N, T, S)).reshape(scores.shape)
        if "score_mod" in options:
            scores = options["score_mod"](scores, *at).astype(scores.dtype)
        if "logits_soft_cap" in options:
            scores = options["logits_soft_cap"] * jnp.tanh(scores / options["logits_soft_cap"])
        return jnp.where(visible, scores, -jnp.inf)

    flat = [x.reshape(B, *x.shape[-3:]) for x in arrays]
    kept = {name: options[name] for name in ("scale", "sinks") if name in options}
    return plain(*flat, change, **kept).reshape(*arrays[0].shape[:-1], arrays[2].shape[-1])


def score_mod_from(offset, options):
    """The oracle counts q from 0."""
    mod = options.get("score_mod")
    return options if mod is None else options | {"score_mod": lambda s, b, h, q, k: mod(s, b, h, q + offset, k)}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("case", first(GRID, *GRID[::5]), ids=lambda case: "-".join(map(str, case)).replace(" ", ""))
def test_value_and_lse_are_as_exact_as_the_plain_formula(case):
    dtype, (T, S), mask, more, (N, K), Hv, lead, blocks = case
    with jax.enable_x64(dtype == "float64"):
        arrays = draw(0, lead, T, S, N, K, 3, Hv, dtype)
        options, visible = masked(mask, lead, N, T, S)
        extras = extra(more, lead, N, T, S, dtype)
        shifted = score_mod_from(options.get("q_offset", 0), extras)
        want, want_lse = attention_oracle(*arrays, mask=visible.reshape(*lead, N, T, S), **shifted)

        def run(*arrays):
            ours = [
                attention(*arrays, return_lse=True, **options, **extras)
                for attention in (dense, functools.partial(blockwise, block_sizes=blocks))
            ]
            return ours, textbook(arrays, visible, shifted)

        ours, yardstick = jit(run)(*arrays)
        allowed = 2 * worst(yardstick, want) + FLOOR.get(dtype, 1e-6)
        for out, lse in ours:
            assert (out.dtype, lse.dtype) == (dtype, "float64" if dtype == "float64" else "float32")
            assert (out.shape, lse.shape) == (want.shape, want_lse.shape)
            assert worst(out, want) <= allowed
            np.testing.assert_array_equal(np.isfinite(lse), np.isfinite(want_lse))
            np.testing.assert_allclose(lse, want_lse, rtol=4e-6, atol=4e-6)  # float32 sums of 257 terms


@pytest.mark.parametrize("lead", [(16,), (3, 5), (13,)])
def test_tiles_of_real_size_are_the_dense_form(lead):
    """T * S >= 576 and more scores than a tile holds: B = 16 and 15 divide into tiles of several rows, 13 does not."""
    arrays = draw(1, lead, 24, 33, 4, 2)
    B = int(np.prod(lead))
    bias, array = (np.random.default_rng(2).standard_normal((*lead, 1, 24, 33)) for _ in range(2))
    options = {"bias": jnp.asarray(bias, np.float32), "mask": jnp.asarray(array > -1), "is_causal": True}
    options |= {"key_value_seq_lengths": jnp.arange(B) + 20, "q_offset": jnp.arange(B)}
    attention = compiled(dot_product_attention, implementation="dense", **options)
    assert "while" in attention.lower(*arrays).as_text() or "scan" in str(jax.make_jaxpr(attention)(*arrays))
    t, s, b = np.arange(24)[:, None], np.arange(33), np.arange(B)[:, None, None]
    mask = ((s <= t + b) & (s < b + 20)).reshape(*lead, 1, 24, 33) & (array > -1)
    np.testing.assert_allclose(attention(*arrays), attention_oracle(*arrays, bias, mask)[0], atol=1e-5)


def leaves():
    """Pairs (mask, its array for T = 9 and S = 11), as functions that make them."""
    T, S = 9, 11
    t, s = np.arange(T)[:, None], np.arange(S)
    ids, array = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3]), np.random.default_rng(3).random((T, S)) < 0.5
    number = st.integers(-3, 9)
    return st.one_of(
        number.map(lambda n: (Causal(n), s <= t + n)),
        number.map(lambda n: (Lengths(q=n, k=n), (t < n) & (s < n))),
        number.map(lambda n: (PrefixLM(n), (s < n) | (s <= t))),
        st.tuples(st.integers(0, 4), st.integers(0, 4)).map(
            lambda n: (SlidingWindow(*n), (s >= t - n[0]) & (s <= t + n[1]))
        ),
        st.just((Segments(jnp.asarray(ids)), ids[:T, None] == ids)),
        st.just((Dense(jnp.asarray(array)), array)),
        st.just((Causal() & (lambda b, h, q, k: (q * k) % 3 == 1), (s <= t) & ((t * s) % 3 == 1))),
    )


algebra = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: (p[0][0] & p[1][0], p[0][1] & p[1][1])),
        st.tuples(inner, inner).map(lambda p: (p[0][0] | p[1][0], p[0][1] | p[1][1])),
        inner.map(lambda p: (~p[0], ~p[1])),
    ),
    max_leaves=4,
)


@pytest.mark.exhaustive
@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(algebra)
def test_any_combination_of_masks_is_what_its_array_says(pair):
    mask, array = pair
    arrays = draw(4, (), T=9, S=11, N=2, K=1)
    out, lse = compiled(blockwise, mask=mask, return_lse=True)(*arrays)
    want, want_lse = attention_oracle(*arrays, mask=np.broadcast_to(array, (9, 11)))
    np.testing.assert_allclose(out, want, atol=1e-5)
    np.testing.assert_allclose(lse, want_lse, atol=1e-5)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("dtype", "path"), diagonal(["float32", "bfloat16", "float16"], ["blockwise", "dense", "tiled"])
)
def test_gradients_are_as_exact_as_those_of_the_plain_formula(dtype, path, x64):
    arrays = draw(6, T=33, S=33, dtype=dtype)
    weights = draw(7, T=33, S=33)[0]
    causal = np.tril(np.ones((33, 33), bool))[None, None]

    def grads(attention, arrays):
        return jit(jax.grad(lambda *a: (attention(*a).astype(np.float64) * weights).sum(), (0, 1, 2)))(*arrays)

    textbook = functools.partial(plain, change=lambda scores: jnp.where(causal, scores, -jnp.inf))
    want = grads(textbook, [x.astype(np.float64) for x in arrays])
    yardstick = grads(textbook, arrays)
    attention = functools.partial(PATHS[path], **({"block_sizes": (8, 12)} if path == "blockwise" else {}))
    got = grads(functools.partial(attention, is_causal=True), arrays)
    for g, y, w, x in zip(got, yardstick, want, arrays, strict=True):
        assert g.dtype == x.dtype
        assert worst(g, w) <= 2 * worst(y, w) + 1e-6


def test_weights_are_the_softmax_and_sum_to_one_or_zero():
    query, key, value = draw(19)
    options = {"key_value_seq_lengths": jnp.array([0, 5]), "is_causal": True}
    weights = np.asarray(compiled(attention_weights, **options)(query, key))
    assert weights.shape == (2, 4, 5, 7)
    np.testing.assert_allclose(weights.sum(-1), np.broadcast_to([[[0]], [[1]]], (2, 4, 5)), atol=1e-6)
    assert not weights[:, :, ~np.tril(np.ones((5, 7), bool))].any()
    out = compiled(dot_product_attention, **options)(query, key, value)
    np.testing.assert_allclose(np.einsum("bnts,bsnh->btnh", weights, np.repeat(value, 2, 2)), out, atol=1e-6)


@pytest.mark.parametrize("function", [dense, tiled_attention, blockwise, attention_reference])
def test_products_take_the_precision(function):
    jaxpr = str(jax.make_jaxpr(functools.partial(function, precision="highest"))(*draw(29)))
    assert jaxpr.count("Precision.HIGHEST") >= 4, "both products, a pair of precisions each"
    assert jaxpr.count("dot_general[") * 2 == jaxpr.count("Precision.HIGHEST")


@each_path
def test_the_softmax_of_large_scores_does_not_overflow(attention):
    query, key, value = draw(30)
    options = {"scale": 1e4, "is_causal": True}
    out, lse = compiled(attention, return_lse=True, **options)(query, key, value)
    want, want_lse = attention_oracle(query, key, value, mask=np.tril(np.ones((5, 7), bool)), scale=1e4)
    np.testing.assert_allclose(out, want, atol=1e-2)
    np.testing.assert_allclose(lse, want_lse, rtol=1e-5)
