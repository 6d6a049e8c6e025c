"""The retrieval view against float64 loops, and against `dot_product_attention` of one head."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.retrieval import attend, single_head_attention
from attn_jax.ops.attention.similarities import (
    additive,
    bilinear,
    cosine,
    dot_product,
    init_additive,
    init_bilinear,
    scaled_dot_product,
)


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


RNG = np.random.default_rng(0)
QUERY, KEYS, VALUES = (RNG.normal(size=shape).astype(np.float32) for shape in ((4,), (6, 4), (6, 3)))
W = RNG.normal(size=(4, 4)).astype(np.float32)
NET = {"w_q": W, "w_k": W[::-1].copy(), "v": W[0]}


def dot(a, b):
    return sum(float(x) * float(y) for x, y in zip(a, b, strict=True))


def net(q, k):
    columns = range(len(NET["v"]))
    return dot(NET["v"], [math.tanh(dot(q, NET["w_q"][:, a]) + dot(k, NET["w_k"][:, a])) for a in columns])


SIMILARITIES = {  # name -> (function, oracle for one key)
    "dot": (dot_product, dot),
    "scaled dot": (scaled_dot_product, lambda q, k: dot(q, k) / math.sqrt(len(q))),
    "bilinear": (
        partial(bilinear, weights=W),
        lambda q, k: sum(float(q[i]) * float(W[i, j]) * float(k[j]) for i in range(4) for j in range(4)),
    ),
    "additive": (partial(additive, **NET), net),
    "cosine": (cosine, lambda q, k: dot(q, k) / math.sqrt(dot(q, q) * dot(k, k))),
    "sharp cosine": (partial(cosine, strength=9.0), lambda q, k: 9 * dot(q, k) / math.sqrt(dot(q, q) * dot(k, k))),
}


def retrieved(query, keys, values, oracle, mask=None):
    """(similarities, weights, value) by loops."""
    seen = [True] * len(keys) if mask is None else mask
    similarities = [oracle(query, key) if visible else -math.inf for key, visible in zip(keys, seen, strict=True)]
    powers = [math.exp(s) for s in similarities]
    weights = [p / (sum(powers) or 1) for p in powers]
    columns = range(values.shape[1])
    return similarities, weights, [sum(w * float(v[c]) for w, v in zip(weights, values, strict=True)) for c in columns]


@pytest.mark.parametrize("name", SIMILARITIES)
def test_attend(name):
    similarity, oracle = SIMILARITIES[name]
    run = jax.jit(partial(attend, similarity=similarity))
    for mask in (None, [True, False, True, True, False, True], [False] * 6):
        got = run(QUERY, KEYS, VALUES, None if mask is None else jnp.array(mask))
        for part, want in zip(got, retrieved(QUERY, KEYS, VALUES, oracle, mask), strict=True):
            assert part.dtype == jnp.float32
            np.testing.assert_allclose(part, want, atol=2e-6, rtol=2e-6)


def test_attend_maps_over_queries():
    queries = jnp.stack([QUERY, 2 * QUERY])
    got = jax.jit(jax.vmap(attend, in_axes=(0, None, None)))(queries, KEYS, VALUES)
    assert [part.shape for part in got] == [(2, 6), (2, 6), (2, 3)]
    for part, want in zip(got, attend(2 * QUERY, KEYS, VALUES), strict=True):
        np.testing.assert_allclose(part[1], want, atol=1e-6)


def test_attend_in_other_dtypes(x64):
    run = jax.jit(attend)
    half = run(*(jnp.asarray(x, jnp.bfloat16) for x in (QUERY, KEYS, VALUES)))
    assert [part.dtype for part in half] == [jnp.float32, jnp.float32, jnp.bfloat16]
    double = run(*(jnp.asarray(x, jnp.float64) for x in (QUERY, KEYS, VALUES)))
    want = retrieved(QUERY, KEYS, VALUES, SIMILARITIES["scaled dot"][1])
    for part, exact in zip(double, want, strict=True):
        assert part.dtype == jnp.float64
        np.testing.assert_allclose(part, exact, atol=1e-13)


def test_attend_survives_large_similarities_and_an_empty_database():
    got = attend(1e4 * QUERY, KEYS, VALUES, similarity=dot_product)
    best = int(np.argmax(KEYS @ QUERY))
    np.testing.assert_allclose(got.value, VALUES[best], rtol=1e-6)
    empty = attend(QUERY, KEYS[:0], VALUES[:0])
    assert [part.tolist() for part in empty] == [[], [], [0.0, 0.0, 0.0]]


def test_hidden_keys_may_be_nan_in_value_and_gradient():
    mask = jnp.array([True, True, False, True, True, True])
    dirty = [np.where(np.arange(6)[:, None] == 2, np.nan, x) for x in (KEYS, VALUES)]

    def total(query, keys, values, mask):
        return jnp.sum(jnp.sin(attend(query, keys, values, mask).value))

    gradients = jax.jit(jax.grad(total, (0, 1, 2)))
    for grad, want in zip(gradients(QUERY, *dirty, mask), gradients(QUERY, KEYS, VALUES, mask), strict=True):
        np.testing.assert_array_equal(grad, want)
        assert np.isfinite(grad).all()
    assert np.isnan(attend(QUERY, *dirty).value).all()
    for grad in gradients(QUERY, *dirty, jnp.zeros(6, bool)):
        np.testing.assert_array_equal(grad, np.zeros_like(grad))


def first_cosine(query, keys):
    return cosine(query, keys)[0]


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_cosine_does_not_depend_on_lengths(size):
    query, keys = jnp.asarray(size * QUERY, jnp.float32), jnp.asarray(KEYS / size, jnp.float32)
    want = [SIMILARITIES["cosine"][1](QUERY, key) for key in KEYS]
    np.testing.assert_allclose(cosine(query, keys), want, atol=1e-6)
    # the derivative along the vector itself is nothing, and the whole scales with 1 / length
    grad = jax.jit(jax.grad(first_cosine))(query, keys)
    np.testing.assert_allclose(grad * size, jax.jit(jax.grad(first_cosine))(QUERY, KEYS), rtol=1e-5)
    assert abs(np.dot(np.asarray(grad, np.float64), np.asarray(query, np.float64))) < 1e-6


def test_cosine_gradient(x64):
    query, keys, step = QUERY.astype(np.float64), KEYS.astype(np.float64), 1e-6
    got = jax.jit(jax.jacfwd(cosine))(query, keys)
    for i in range(4):
        up, down = query.copy(), query.copy()
        up[i] += step
        down[i] -= step
        for s, key in enumerate(keys):
            oracle = SIMILARITIES["cosine"][1]
            assert abs(got[s, i] - (oracle(up, key) - oracle(down, key)) / (2 * step)) < 1e-8


def test_cosine_of_zero_vectors_is_zero_in_value_and_gradient():
    keys = jnp.asarray(KEYS).at[1].set(0)
    assert cosine(QUERY, keys)[1] == 0
    assert not np.any(cosine(jnp.zeros(4), keys))

    def total(q, k):
        return jnp.sum(jnp.sin(attend(q, k, VALUES, similarity=cosine).value))

    for derivative in (jax.grad, jax.jacfwd):
        by_query, by_keys = jax.jit(derivative(total, (0, 1)))(jnp.zeros(4), keys)
        assert not np.any(by_query)
        assert not np.any(by_keys)
        by_query, by_keys = jax.jit(derivative(total, (0, 1)))(jnp.asarray(QUERY), keys)
        assert np.isfinite(by_query).all()
        assert np.any(by_query)
        assert not np.any(by_keys[1])
    assert np.isnan(cosine(jnp.full(4, jnp.nan), keys)).all()


@pytest.mark.programs(40)
def test_parameters_are_drawn_glorot_uniform():
    params = init_additive(jax.random.key(0), 60, 90, 40) | init_bilinear(jax.random.key(1), 60, 90)
    fans = {"w_q": (60, 40), "w_k": (90, 40), "v": (40, 1), "weights": (60, 90)}
    assert {name: p.shape for name, p in params.items()} == fans | {"v": (40,)}
    for name, p in params.items():
        limit = math.sqrt(6 / sum(fans[name]))
        assert p.dtype == jnp.float32
        assert abs(p).max() <= limit
        # the variance of U(-a, a) is a^2 / 3; 4.5 standard errors of its estimate
        assert abs(float(jnp.mean(p**2)) * 3 / limit**2 - 1) < 4.5 * math.sqrt(0.8 / p.size)
    assert not np.array_equal(params["w_q"][:, :5], params["w_k"][:60, :5])


def test_parameters_serve_and_are_trained_through_partial():
    keys = jnp.asarray(RNG.normal(size=(6, 5)), jnp.float32)
    first, second = jax.random.split(jax.random.key(0))

    def total(params, similarity):
        return jnp.sum(jnp.sin(attend(QUERY, keys, VALUES, similarity=partial(similarity, **params)).value))

    for similarity, params in ((bilinear, init_bilinear(first, 4, 5)), (additive, init_additive(second, 4, 5, 7))):
        for grad in jax.tree.leaves(jax.jit(jax.grad(total), static_argnums=1)(params, similarity)):
            assert np.isfinite(grad).all()
            assert np.any(grad)


def draws(lead, T, S, H, Hv, dtype=jnp.float32):
    rng = np.random.default_rng(T)
    return [jnp.asarray(rng.normal(size=(*lead, *shape)), dtype) for shape in ((T, H), (S, H), (S, Hv))]


def value_and_gradients(f, *arrays):
    out, pull = jax.vjp(f, *arrays)
    return out, pull(jnp.cos(out))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("lead", "T", "S", "dtype"), [((), 5, 7, jnp.float32), ((2, 3), 4, 4, jnp.bfloat16)])
@pytest.mark.parametrize("mask", [None, "causal", "some rows empty"])
def test_single_head_attention_is_dot_product_attention_of_one_head(lead, T, S, dtype, mask):
    arrays = draws(lead, T, S, 8, 3, dtype)
    causal = np.arange(S)[None, :] <= np.arange(T)[:, None]
    mask = {None: None, "causal": causal, "some rows empty": causal & (np.arange(T)[:, None] != 1)}[mask]
    if mask is not None:
        mask = jnp.asarray(mask.reshape((1,) * len(lead) + mask.shape))

    def ours(q, k, v):
        return single_head_attention(q, k, v, mask)

    def fast(q, k, v):
        whole = None if mask is None else mask[..., None, :, :]
        return dot_product_attention(*(x[..., None, :] for x in (q, k, v)), mask=whole)[..., 0, :]

    (got, grads), (want, grads_fast) = (jax.jit(partial(value_and_gradients, f))(*arrays) for f in (ours, fast))
    assert got.dtype == want.dtype == dtype
    tolerance = 2e-6 if dtype == jnp.float32 else 2e-2  # one unit in the last of bfloat16's 8 bits
    np.testing.assert_allclose(np.asarray(got, np.float64), np.asarray(want, np.float64), atol=tolerance)
    for grad, grad_fast in zip(grads, grads_fast, strict=True):
        np.testing.assert_allclose(np.asarray(grad, np.float64), np.asarray(grad_fast, np.float64), atol=3 * tolerance)


def test_single_head_attention_takes_any_similarity():
    query, key, value = (np.asarray(x) for x in draws((2,), 3, 5, 4, 2))
    similarity, oracle = SIMILARITIES["additive"]
    mask = np.array([True, True, False, True, True])
    run = jax.jit(partial(single_head_attention, similarity=similarity))
    got = np.asarray(run(query, key, value, jnp.asarray(mask.reshape(1, 1, 5))))
    for b, t in np.ndindex(2, 3):
        want = retrieved(query[b, t], key[b], value[b], oracle, mask)[2]
        np.testing.assert_allclose(got[b, t], want, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": KEYS}, r"query: got shape \(6, 4\), wanted one query \[H\]; for many, jax.vmap"),
        ({"query": np.arange(4)}, "query: got dtype int32, wanted a floating dtype"),
        ({"keys": QUERY}, r"keys: got shape \(4,\), wanted \[S, H\]"),
        ({"keys": KEYS[:, :3]}, "keys: got H = 3, query 4: wanted one H >= 1"),
        ({"keys": KEYS[:, :3], "similarity": cosine}, "keys: got H = 3, query 4"),
        ({"values": VALUES[:5]}, r"values: got shape \(5, 3\), wanted \[S, Hv\] with S = 6 keys"),
        ({"mask": np.ones(6)}, r"mask: got float32\[6\], wanted bool \[S\] = \[6\]"),
        ({"mask": np.ones(5, bool)}, r"mask: got bool\[5\], wanted bool \[S\] = \[6\]"),
        ({"similarity": lambda q, k: k}, r"similarity: returned shape \(6, 4\), wanted \[S\] = \(6,\)"),
        (
            {"similarity": partial(bilinear, weights=W[:3])},
            r"weights: got shape \(3, 4\), wanted \[Hq, Hk\] = \(4, 4\)",
        ),
        ({"similarity": partial(additive, **NET | {"w_k": W[:3]})}, r"w_k: got shape \(3, 4\), wanted \[Hk, A\]"),
        ({"similarity": partial(additive, **NET | {"v": W})}, r"v: got shape \(4, 4\), wanted \[A\] = \(4,\)"),
    ],
)
def test_attend_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        attend(**({"query": QUERY, "keys": KEYS, "values": VALUES} | arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": QUERY}, r"query: got shape \(4,\).*wanted query \[\.\.\., T, H\]"),
        ({"key": KEYS[None]}, r"key: got shape \(1, 6, 4\), query \(6, 4\).*axis of heads\?"),
        ({"value": VALUES[:5]}, r"value: got shape \(5, 3\), wanted \[\.\.\., S, Hv\] with S = 6"),
        ({"mask": np.ones((6, 5), bool)}, r"mask: got bool\[6, 5\], wanted bool, broadcastable to .* = \(6, 6\)"),
        ({"mask": np.ones((6, 6))}, "mask: got float32"),
    ],
)
def test_single_head_attention_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        single_head_attention(**({"query": KEYS, "key": KEYS, "value": VALUES} | arguments))


@pytest.mark.parametrize("size", [0, 2.0])
def test_sizes_are_refused_by_name(size):
    with pytest.raises(ValueError, match=r"key_size: got .*, wanted an integer >= 1"):
        init_bilinear(jax.random.key(0), 2, size)
    with pytest.raises(ValueError, match=r"hidden_size: got .*, wanted an integer >= 1"):
        init_additive(jax.random.key(0), 2, 2, size)
