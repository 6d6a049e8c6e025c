"""Multi-head attention: its fast form equals vmap of one head over N, and both the NumPy loops."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import attn_jax
from attn_jax.layers.multi_head import (
    init_multi_head_attention,
    merge_heads,
    multi_head_attention,
    project_heads,
)
from attn_jax.layers.multi_head_by_vmap import multi_head_by_vmap
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Dense, Lengths
from attn_jax.ops.positions import rotary
from attn_jax.testing.oracles import attention_oracle


def draw(seed, *shape, dtype=np.float32):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def initial(**sizes):
    """Weights as NumPy arrays, of one program."""
    return jax.device_get(jax.jit(lambda: init_multi_head_attention(jax.random.key(0), **sizes))())


def params_of(K, *, dtype=np.float32, **options):
    """N = 4, D = 8, H = 4, Hv = 3; biases and gains drawn, so that a lost one shows."""
    params = initial(d_model=8, num_heads=4, num_kv_heads=K, head_dim=4, value_dim=3, **options)
    drawn = {name: 1 + draw(i, *w.shape) / 2 for i, (name, w) in enumerate(params.items()) if name[0] in "bg"}
    return {name: w.astype(dtype) for name, w in (params | drawn).items()}


def normed(x, gain):
    return x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-6) * gain


def turned(x, positions, base=100.0):
    """Rotary positions by complex numbers: the halves of a head are real and imaginary parts."""
    half = x.shape[-1] // 2
    angle = positions[..., None, None] * base ** (-np.arange(half) / half)
    z = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angle)
    return np.concatenate([z.real, z.imag], -1)


def oracle(params, x_q, x_kv, mask=None, bias=None, cap=None, offset=None):
    """Projections, norms, positions, loops of attention and the merge in NumPy float64."""
    w = {name: np.asarray(x, np.float64) for name, x in params.items()}
    x_q, x_kv = np.asarray(x_q, np.float64), np.asarray(x_kv, np.float64)
    q, k, v = (
        np.einsum("btd,dnh->btnh", x, w[f"w_{name}"]) + w.get(f"b_{name}", 0)
        for name, x in (("q", x_q), ("k", x_kv), ("v", x_kv))
    )
    if "g_q" in w:
        q, k = normed(q, w["g_q"]), normed(k, w["g_k"])
    if offset is not None:
        q, k = turned(q, np.reshape(offset, (-1, 1)) + np.arange(q.shape[1])), turned(k, np.arange(k.shape[1]))
    out, _ = attention_oracle(q, k, v, bias, mask, logits_soft_cap=cap)
    return np.einsum("btnh,nhd->btd", out, w["w_o"]) + w.get("b_o", 0)


ROTARY = functools.partial(rotary, base=100.0)
BIAS = np.random.default_rng(11).standard_normal((4, 5, 7))
SOME = np.random.default_rng(12).random((2, 4, 5, 7)) < 0.6
STEEP = np.array([2.0, 1.0, 0.5, 0.25])
DISTANCE = np.abs(np.arange(5)[:, None] - np.arange(7))


def of_its_own(b, h, q, k):
    """Heads 0 and 1 look back, heads 2 and 3 at even keys."""
    return jnp.where(h < 2, k <= q, k % 2 == 0)


def by_distance(score, b, h, q, k):
    return score - jnp.asarray(STEEP)[h] * jnp.abs(q - k)


BACK, EVEN = np.tril(np.ones((5, 7), bool)), np.broadcast_to(np.arange(7) % 2 == 0, (5, 7))
CASES = {  # (K, of the parameters, options, of the oracle): a pairwise cover
    "causal": (4, {"use_bias": True}, {"is_causal": True}, {"mask": BACK}),
    "rule, qk-norm": (
        2,
        {"qk_norm": True, "use_bias": True},
        {"mask": Causal(1) & Lengths(k=4)},
        {"mask": np.tril(np.ones((5, 7), bool), 1) & (np.arange(7) < 4)},
    ),
    "array, rotary": (1, {}, {"mask": np.arange(7) != 2, "position": ROTARY}, {"mask": np.arange(7) != 2, "offset": 0}),
    "lengths, rotary, qk-norm": (
        2,
        {"qk_norm": True},
        {"key_value_seq_lengths": np.array([3, 6]), "position": ROTARY},
        {"mask": np.arange(7) < np.array([3, 6])[:, None, None, None], "offset": 0},
    ),
    "offsets": (
        1,
        {"use_bias": True},
        {"is_causal": True, "q_offset": np.array([2, 0]), "position": ROTARY},
        {"mask": np.stack([np.tril(np.ones((5, 7), bool), o) for o in (2, 0)])[:, None], "offset": [2, 0]},
    ),
    "bias of each head, cap": (
        4,
        {"qk_norm": True},
        {"bias": BIAS, "logits_soft_cap": 1.5},
        {"bias": BIAS, "cap": 1.5},
    ),
    "dense mask of each head": (2, {}, {"mask": Dense(jnp.asarray(SOME))}, {"mask": SOME}),
    "mask function of each head": (
        1,
        {"qk_norm": True},
        {"mask": of_its_own},
        {"mask": np.stack([BACK, BACK, EVEN, EVEN])},
    ),
    "score_mod of each head": (
        2,
        {"use_bias": True},
        {"score_mod": by_distance, "is_causal": True},
        {"bias": -STEEP[:, None, None] * DISTANCE, "mask": BACK},
    ),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("K", "made", "options", "told"), CASES.values(), ids=CASES)
def test_equals_vmap_over_heads_and_the_loops(K, made, options, told, x64):
    params, x_q, x_kv = params_of(K, dtype=np.float64, **made), *(draw(i, 2, n, 8) for i, n in ((5, 5), (6, 7)))
    x_q, x_kv, cotangent = x_q.astype(np.float64), x_kv.astype(np.float64), draw(7, 2, 5, 8, dtype=np.float64)

    def pulled_back(multi_head):
        def both(*arguments):
            y, pull = jax.vjp(functools.partial(multi_head, **options), *arguments)
            return y, pull(cotangent)

        return jax.tree.leaves(jax.jit(both)(params, x_q, x_kv))

    fast, defined = pulled_back(multi_head_attention), pulled_back(multi_head_by_vmap)
    for got, want in zip(fast, defined, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    tolerance = 2e-6 if "position" in options else 1e-11  # rotary's angles
    np.testing.assert_allclose(fast[0], oracle(params, x_q, x_kv, **told), rtol=tolerance, atol=tolerance)


def test_sinks_go_to_their_heads():
    params, x, sinks = params_of(2), draw(5, 2, 5, 8), draw(8, 4)
    fast = jax.jit(functools.partial(multi_head_attention, sinks=sinks))(params, x)
    defined = jax.jit(functools.partial(multi_head_by_vmap, sinks=sinks))(params, x)
    np.testing.assert_allclose(fast, defined, atol=1e-5)
    other = jax.jit(functools.partial(multi_head_attention, sinks=sinks[::-1]))(params, x)
    assert np.abs(np.subtract(fast, other)).max() > 0.01


def test_equals_vmap_over_heads_twin():
    params, x = params_of(2), draw(5, 2, 5, 8)
    swapped = params | {name: params[name][:, ::-1] for name in ("w_k", "w_v")}  # the other head of each group
    attend = jax.jit(functools.partial(multi_head_attention, is_causal=True))
    want = np.asarray(jax.jit(functools.partial(multi_head_by_vmap, is_causal=True))(params, x))
    np.testing.assert_allclose(attend(params, x), want, atol=1e-5)
    assert np.abs(attend(swapped, x) - want).max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_computes_in_the_dtype_of_x(dtype):
    params, x = params_of(2, use_bias=True, qk_norm=True), draw(5, 2, 5, 8, dtype=dtype)
    y, gradient = jax.jit(jax.value_and_grad(lambda p: multi_head_attention(p, x, is_causal=True).sum()))(params)
    assert y.dtype == dtype
    assert all(g.dtype == np.float32 and np.abs(g).max() > 0 for g in gradient.values())
    out = jax.jit(functools.partial(multi_head_attention, is_causal=True))(params, x)
    defined = jax.jit(functools.partial(multi_head_by_vmap, is_causal=True))
    assert defined(params, x).dtype == out.dtype == dtype
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


def test_attention_is_swapped_for_that_of_jax():
    params = initial(d_model=8, num_heads=4, num_kv_heads=2)
    ours = functools.partial(multi_head_attention, is_causal=True)
    theirs = functools.partial(ours, attention=jax.nn.dot_product_attention)
    x = draw(5, 2, 5, 8)
    np.testing.assert_allclose(jax.jit(theirs)(params, x), jax.jit(ours)(params, x), atol=1e-5)


def test_vmaps_over_runs():
    keys = jax.random.split(jax.random.key(1), 3)
    params = jax.jit(jax.vmap(functools.partial(init_multi_head_attention, d_model=8, num_heads=2)))(keys)
    x = draw(5, 3, 2, 5, 8)
    together = jax.jit(jax.vmap(multi_head_attention))(params, x)
    alone = jax.jit(multi_head_attention)(jax.tree.map(lambda w: w[1], params), x[1])
    np.testing.assert_allclose(together[1], alone, atol=1e-6)


def test_initial_weights_fill_the_bounds_of_glorot():
    params = initial(d_model=64, num_heads=4, num_kv_heads=2, use_bias=True)
    heads = {"w_q": 64, "w_k": 32, "w_v": 32, "w_o": 64}
    for name, width in heads.items():
        bound = np.sqrt(6 / (64 + width))
        assert 0.98 * bound < np.abs(params[name]).max() <= bound
        assert abs(params[name].std() * np.sqrt(3) / bound - 1) < 0.03
    assert not any(params[name].any() for name in ("b_q", "b_k", "b_v", "b_o"))
    assert np.abs(np.corrcoef(params["w_k"].ravel(), params["w_v"].ravel())[0, 1]) < 0.1


def test_initial_weights_by_any_initializer():
    params = initial(d_model=64, num_heads=4, head_dim=8, value_dim=32, w_init=jax.nn.initializers.lecun_normal())
    assert {name: w.shape for name, w in params.items()} == {
        "w_q": (64, 4, 8), "w_k": (64, 4, 8), "w_v": (64, 4, 32), "w_o": (4, 32, 64),
    }  # fmt: skip
    for name, fan_in in {"w_q": 64, "w_k": 64, "w_v": 64, "w_o": 128}.items():
        assert abs(params[name].std() * np.sqrt(fan_in) - 1) < 0.05
    assert np.abs(params["w_q"] - params["w_k"]).max() > 0.1


def test_gains_start_at_one():
    params = initial(d_model=8, num_heads=2, qk_norm=True)
    assert params["g_q"].tolist() == params["g_k"].tolist() == [1.0] * 4


def test_initial_weights_are_one_draw():
    jaxpr = jax.make_jaxpr(functools.partial(init_multi_head_attention, d_model=8, num_heads=2))(jax.random.key(0))
    assert str(jaxpr).count("random_bits[") == 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"d_model": 8, "num_heads": 3}, "num_heads: got 3, wanted a divisor of d_model = 8"),
        ({"d_model": 8, "num_heads": 0}, "num_heads: got 0, wanted an integer >= 1"),
        ({"d_model": 8, "num_heads": 4, "num_kv_heads": 3}, "num_kv_heads: got 3, wanted a divisor of num_heads = 4"),
        ({"d_model": 8, "num_heads": 4, "num_kv_heads": 0}, "num_kv_heads: got 0"),
        ({"d_model": 8, "num_heads": 4, "head_dim": 0}, "head_dim: got 0, wanted an integer >= 1"),
        ({"d_model": 8, "num_heads": 4, "value_dim": 0}, "value_dim: got 0, wanted an integer >= 1"),
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
            r"heads: got shape \(2, 5, 8\), wanted \[..., T, N, Hv\] with \[N, Hv\] = \(4, 3\)",
        ),
        (lambda p, x: multi_head_attention(p, x, mask=np.ones((5, 5))), "mask: got dtype float64, wanted bool"),
        (lambda p, x: multi_head_attention(p, x, return_lse=True), "return_lse: got True, wanted False"),
        (lambda p, x: multi_head_attention(p, x, position=ROTARY, q_offset=np.arange(3)), r"q_offset: got int64\[3\]"),
        (lambda p, x: multi_head_by_vmap(p, x, dropout_rate=0.5), "dropout_rate: got 0.5, wanted 0"),
    ],
)
def test_wrong_arguments_are_named(call, message, x64):
    with pytest.raises(ValueError, match=message):
        jax.jit(call)(params_of(2), draw(5, 2, 5, 8))


def test_halves_are_public():
    """An error sends there those who want the lse."""
    assert attn_jax.project_heads is project_heads
    assert attn_jax.merge_heads is merge_heads


def test_a_typo_is_no_option():
    with pytest.raises(TypeError, match="is_casual"):
        jax.jit(functools.partial(multi_head_attention, is_casual=True))(params_of(2), draw(5, 2, 5, 8))
