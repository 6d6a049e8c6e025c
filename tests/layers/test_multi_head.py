"""Multi-head attention: its fast form equals vmap of one head over N, and both the NumPy loops."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.multi_head import (
    init_multi_head_attention,
    merge_heads,
    multi_head_attention,
    multi_head_by_vmap,
    project_heads,
)
from attn_jax.ops.attention import dot_product_attention
from attn_jax.ops.masks import Causal, Lengths
from attn_jax.testing.oracles import attention_oracle


def draw(seed, *shape, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def params_of(K, *, use_bias=True, dtype=np.float32):
    """N = 4, D = 8, H = 3; biases drawn, so that a lost one shows."""
    params = init_multi_head_attention(
        jax.random.key(0), d_model=8, num_heads=4, num_kv_heads=K, head_dim=3, use_bias=use_bias
    )
    biased = {name: draw(i, *w.shape) for i, (name, w) in enumerate(params.items()) if name.startswith("b")}
    return {name: w.astype(dtype) for name, w in (params | biased).items()}


def oracle(params, x_q, x_kv, mask):
    """Projections, loops of attention and the merge in NumPy float64."""
    w = {name: np.asarray(x, np.float64) for name, x in params.items()}
    x_q, x_kv = np.asarray(x_q, np.float64), np.asarray(x_kv, np.float64)
    q, k, v = (
        np.einsum("btd,dnh->btnh", x, w[f"w_{name}"]) + w.get(f"b_{name}", 0)
        for name, x in (("q", x_q), ("k", x_kv), ("v", x_kv))
    )
    return np.einsum("btnh,nhd->btd", attention_oracle(q, k, v, mask=mask)[0], w["w_o"]) + w.get("b_o", 0)


CASES = {  # a pairwise cover of key/value heads and kinds of mask
    "causal": (4, {"is_causal": True}, np.tril(np.ones((5, 7), bool))),
    "rule": (2, {"mask": Causal(1) & Lengths(k=4)}, np.tril(np.ones((5, 7), bool), 1) & (np.arange(7) < 4)),
    "array": (1, {"mask": np.arange(7) != 2}, np.arange(7) != 2),
    "lengths": (2, {"key_value_seq_lengths": np.array([3, 6])}, np.arange(7) < np.array([3, 6])[:, None, None, None]),
}


@pytest.mark.parametrize(("K", "options", "mask"), CASES.values(), ids=CASES)
def test_equals_vmap_over_heads_and_the_loops(K, options, mask, x64):
    params, x_q, x_kv = (
        params_of(K, use_bias=K != 1, dtype=np.float64),
        *(draw(i, 2, n, 8) for i, n in ((5, 5), (6, 7))),
    )
    x_q, x_kv, cotangent = x_q.astype(np.float64), x_kv.astype(np.float64), draw(7, 2, 5, 8, dtype=np.float64)

    def pulled_back(multi_head):
        def both(*arguments):
            y, pull = jax.vjp(functools.partial(multi_head, **options), *arguments)
            return y, pull(cotangent)

        return jax.tree.leaves(jax.jit(both)(params, x_q, x_kv))

    fast, defined = pulled_back(multi_head_attention), pulled_back(multi_head_by_vmap)
    for got, want in zip(fast, defined, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(fast[0], oracle(params, x_q, x_kv, mask), rtol=1e-12, atol=1e-12)


def test_equals_vmap_over_heads_twin():
    params, x = params_of(2), draw(5, 2, 5, 8)
    swapped = params | {name: params[name][:, ::-1] for name in ("w_k", "w_v")}  # the other head of each group
    attend = jax.jit(functools.partial(multi_head_attention, is_causal=True))
    want = np.asarray(multi_head_by_vmap(params, x, is_causal=True))
    np.testing.assert_allclose(attend(params, x), want, atol=1e-5)
    assert np.abs(attend(swapped, x) - want).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_computes_in_the_dtype_of_x(dtype):
    params, x = params_of(2), draw(5, 2, 5, 8, dtype=dtype)
    y, gradient = jax.jit(jax.value_and_grad(lambda p: multi_head_attention(p, x, is_causal=True).sum()))(params)
    assert y.dtype == dtype
    assert all(g.dtype == np.float32 for g in gradient.values())
    out = jax.jit(functools.partial(multi_head_attention, is_causal=True))(params, x)
    assert multi_head_by_vmap(params, x, is_causal=True).dtype == out.dtype == dtype
    want = oracle(params, x, x, np.tril(np.ones((5, 5), bool)))
    tolerance = {"float32": 1e-5, "bfloat16": 0.15}[dtype]  # bfloat16: 2**-8 of sums up to 12, a few times over
    assert np.abs(np.asarray(out, np.float64) - want).max() < tolerance


def test_is_project_attend_merge():
    params, x = params_of(2), draw(5, 2, 5, 8)

    @jax.jit
    def pieces(params, x):
        return merge_heads(params, dot_product_attention(*project_heads(params, x), is_causal=True))

    whole = jax.jit(functools.partial(multi_head_attention, is_causal=True))
    np.testing.assert_array_equal(pieces(params, x), whole(params, x))


def test_attention_is_swapped_by_a_function():
    params, x = params_of(2), draw(5, 2, 5, 8)
    capped = functools.partial(dot_product_attention, logits_soft_cap=0.1)
    got = jax.jit(functools.partial(multi_head_attention, attention=capped))(params, x)
    want = jax.jit(lambda p, x: merge_heads(p, capped(*project_heads(p, x))))(params, x)
    np.testing.assert_array_equal(got, want)
    assert np.abs(got - jax.jit(multi_head_attention)(params, x)).max() > 0.01


def test_vmaps_over_runs():
    keys = jax.random.split(jax.random.key(1), 3)
    params = jax.jit(jax.vmap(functools.partial(init_multi_head_attention, d_model=8, num_heads=2)))(keys)
    x = draw(5, 3, 2, 5, 8)
    together = jax.jit(jax.vmap(multi_head_attention))(params, x)
    alone = jax.jit(multi_head_attention)(jax.tree.map(lambda w: w[1], params), x[1])
    np.testing.assert_allclose(together[1], alone, atol=1e-6)


def test_initial_weights_fill_the_bounds_of_glorot():
    params = init_multi_head_attention(jax.random.key(0), d_model=64, num_heads=4, num_kv_heads=2, use_bias=True)
    heads = {"w_q": 64, "w_k": 32, "w_v": 32, "w_o": 64}
    for name, width in heads.items():
        bound = np.sqrt(6 / (64 + width))
        assert 0.98 * bound < np.abs(params[name]).max() <= bound
        assert abs(params[name].std() * np.sqrt(3) / bound - 1) < 0.03
    assert not any(params[name].any() for name in ("b_q", "b_k", "b_v", "b_o"))
    assert np.abs(np.corrcoef(params["w_k"].ravel(), params["w_v"].ravel())[0, 1]) < 0.1


def test_initial_weights_are_one_draw():
    jaxpr = jax.make_jaxpr(functools.partial(init_multi_head_attention, d_model=8, num_heads=2))(jax.random.key(0))
    assert str(jaxpr).count("random_bits[") == 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"d_model": 8, "num_heads": 3}, "num_heads: got 3, wanted a divisor of d_model = 8"),
        ({"d_model": 8, "num_heads": 0}, "num_heads: got 0, wanted at least 1"),
        ({"d_model": 8, "num_heads": 4, "num_kv_heads": 3}, "num_kv_heads: got 3, wanted a divisor of num_heads = 4"),
        ({"d_model": 8, "num_heads": 4, "num_kv_heads": 0}, "num_kv_heads: got 0"),
    ],
)
def test_sizes_that_do_not_divide_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        init_multi_head_attention(jax.random.key(0), **sizes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, x: project_heads(p, x[..., :7]), r"x_q: got shape \(2, 5, 7\), wanted \[..., T, D\] with D = 8"),
        (lambda p, x: project_heads(p, x, x[0, 0]), r"x_kv: got shape \(8,\)"),
        (
            lambda p, x: merge_heads(p, x),
            r"heads: got shape \(2, 5, 8\), wanted \[..., T, N, H\] with \[N, H\] = \(4, 3\)",
        ),
        (lambda p, x: multi_head_attention(p, x, mask=np.ones((5, 5))), "mask: got dtype float64, wanted bool"),
    ],
)
def test_wrong_arguments_are_named(call, message, x64):
    with pytest.raises(ValueError, match=message):
        call(params_of(2), draw(5, 2, 5, 8))
