"""The cache of keys and values: decoding in pieces of any size gives what the full forward pass gives at once."""

import itertools
from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import SECOND, first

from attn_jax.ops.attention.cache import append_cache, init_cache, update_cache
from attn_jax.ops.attention.decode import cached_attention, decode_attention
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Dense, Lengths
from attn_jax.testing.oracles import attention_oracle

B, T = 2, 13
DISTANCE = np.arange(T)[:, None] - np.arange(T)


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


def draw(seed, N=4, K=2, H=3, Hv=5, length=T, dtype=np.float32):
    """Query, key and value, [B, length, heads, size] each."""
    random = np.random.default_rng(seed)
    shapes = ((B, length, N, H), (B, length, K, H), (B, length, K, Hv))
    return tuple(jnp.asarray(random.standard_normal(shape), dtype) for shape in shapes)


def empty(arrays, max_length=T, **options):
    _, key, value = arrays
    return init_cache(key.shape[0], max_length, *key.shape[2:], value_dim=value.shape[-1], **options)


def band(window=None, distance=DISTANCE):
    """What a causal query sees: itself and `window` keys before it."""
    return (distance >= 0) & (distance <= (distance.size if window is None else window))


def decode(arrays, cache, split=None, **options):
    """(the last cache, the outputs of all queries), piece after piece, equal ones in a scan; None: token by token."""

    def step(cache, piece):
        return cached_attention(*piece, cache, **options)[::-1]

    outs, start = [], 0
    for size, group in itertools.groupby((1,) * arrays[0].shape[1] if split is None else split):
        times = len(list(group))
        whole = [x[:, start : start + size * times] for x in arrays]
        pieces = [jnp.swapaxes(x.reshape(x.shape[0], times, size, *x.shape[2:]), 0, 1) for x in whole]
        cache, out = jax.lax.scan(step, cache, pieces)
        outs.append(jnp.swapaxes(out, 0, 1).reshape(*whole[0].shape[:-1], -1))
        start += size * times
    return cache, jnp.concatenate(outs, 1)


SLOPES = np.array([0.5, 0.25, 0.125, 0.0625])
ALIBI = -SLOPES[:, None, None] * np.abs(DISTANCE)
HALF = np.random.default_rng(9).random((B, 4, 1, T)) < 0.5  # of each row and head
TILT = np.random.default_rng(8).standard_normal((B, 4, 1, T)).astype(np.float32)


def by_distance(score, b, h, q, k):
    return score - jnp.asarray(SLOPES, score.dtype)[h] * jnp.abs(q - k)


SPLITS = {"whole": (13,), "chunks": (4, 5, 4), "tokens": (1,) * 13, "mixed": (5, 1, 1, 3, 3)}
CACHES = {
    "all": {},
    "ring": {"window": 3, "chunk": 5},
    "least ring": {"window": 2},
    "own key only": {"window": 0},
    "window without a ring": {"window": 11, "chunk": 5},
}
KINDS = {  # the options of decode_attention, and what the oracle takes for them
    "plain": ({}, {}),
    "function": ({"mask": lambda b, h, q, k: (q - k) % 2 == 0}, {"mask": DISTANCE % 2 == 0}),
    "rule": ({"mask": Lengths(k=9) & ~Causal(-6)}, {"mask": (np.arange(T) < 9) & band(window=5)}),
    "array": ({"mask": HALF}, {"mask": HALF}),
    "dense": ({"mask": Dense(jnp.asarray(HALF))}, {"mask": HALF}),
    "alibi": ({"score_mod": by_distance}, {"bias": ALIBI}),
    "bias": ({"bias": TILT, "logits_soft_cap": 2.0}, {"bias": TILT, "logits_soft_cap": 2.0}),
}
KINDS["blockwise"] = KINDS["function"][0] | KINDS["alibi"][0], KINDS["function"][1] | KINDS["alibi"][1]
KINDS["blockwise"][0]["implementation"] = "blockwise"
PAIRS = [  # a pairwise cover
    ("all", "whole", "array"),
    ("all", "chunks", "alibi"),
    ("all", "tokens", "rule"),
    ("all", "mixed", "plain"),
    ("ring", "whole", "plain"),
    ("ring", "chunks", "function"),
    ("ring", "tokens", "alibi"),
    ("ring", "mixed", "array"),
    ("least ring", "chunks", "bias"),
    ("least ring", "tokens", "dense"),
    ("least ring", "mixed", "rule"),
    ("own key only", "tokens", "plain"),
    ("window without a ring", "tokens", "function"),
    ("window without a ring", "whole", "bias"),
    ("window without a ring", "chunks", "plain"),
    ("all", "mixed", "blockwise"),
    ("ring", "mixed", "blockwise"),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("pair", first(PAIRS, *PAIRS[::3]), ids=lambda pair: "-".join(pair).replace(" ", "_"))
def test_pieces_are_the_whole(pair):
    cache, split, kind = pair
    arrays, (options, told) = draw(0), KINDS[kind]
    seen = band(CACHES[cache].get("window")) & told.get("mask", np.True_)
    want, _ = attention_oracle(*arrays, **(told | {"mask": seen}))
    run = jax.jit(partial(decode, split=SPLITS[split], **options))
    np.testing.assert_allclose(
        run(arrays, empty(arrays, **CACHES[cache]))[1], want, atol=3e-6
    )  # sums of up to 13 terms


def places_for_positions(query, cache, *, valid=None):
    """What one writes first."""
    return dot_product_attention(query, cache.keys, cache.values, is_causal=True, q_offset=cache.length - 1)


def all_that_is_there(query, cache, *, valid=None):
    """What one writes second: the ring holds the window, does it not?"""
    return decode_attention(query, replace(cache, window=None))


@pytest.mark.parametrize("broken", [places_for_positions, all_that_is_there])
@pytest.mark.programs(60)
def test_pieces_are_the_whole_twin(broken):
    arrays = draw(0)
    cache = update_cache(empty(arrays, window=3, chunk=2), *arrays[1:])
    want = attention_oracle(*arrays, mask=band(3))[0][:, -1:]
    np.testing.assert_allclose(jax.jit(decode_attention)(arrays[0][:, -1:], cache), want, atol=3e-6)
    assert np.abs(jax.jit(broken)(arrays[0][:, -1:], cache) - want).max() > 0.01


def test_a_ring_goes_round_many_times_in_the_memory_of_its_window():
    arrays = draw(1, length=200)
    cache, out = jax.jit(decode)(arrays, empty(arrays, max_length=7, window=6))
    distance = np.arange(200)[:, None] - np.arange(200)
    want, _ = attention_oracle(*arrays, mask=band(6, distance))
    np.testing.assert_allclose(out, want, atol=3e-6)
    assert cache.keys.shape == (B, 7, 2, 3)
    assert sorted(cache.positions[0].tolist()) == list(range(193, 200))


@pytest.mark.parametrize("options", [{}, {"window": 3, "chunk": 4}, {"window": 3}], ids=["all", "ring", "least"])
def test_every_row_goes_on_at_its_own_length(options):
    """Two pieces with NaN in the padding of both: each row is what its valid positions alone give."""
    arrays, valid = draw(2, length=8), np.array([[1, 1, 0, 0], [1, 1, 1, 1]], bool)
    pieces = [
        tuple(jnp.where(valid[..., None, None], x[:, start : start + 4], jnp.nan) for x in arrays) for start in (0, 4)
    ]
    cache, run = empty(arrays, max_length=8, **options), jax.jit(cached_attention)
    first, cache = run(*pieces[0], cache, valid=valid)
    second, cache = run(*pieces[1], cache, valid=valid)
    assert cache.length.tolist() == [4, 8]
    whole = np.concatenate([first, second], 1)
    for row, places in enumerate(([0, 1, 4, 5], range(8))):
        alone = [np.asarray(x)[row, list(places)] for x in arrays]
        length = len(alone[0])
        distance = np.arange(length)[:, None] - np.arange(length)
        want, _ = attention_oracle(*alone, mask=band(options.get("window"), distance))
        np.testing.assert_allclose(whole[row, list(places)], want, atol=3e-6)


def test_padding_is_finite_and_reaches_no_gradient():
    arrays, valid = draw(2, length=4), jnp.array([[True, False, False, False], [False] * 4])

    def loss(arrays):
        arrays = [jnp.where(valid[..., None, None], x, 0) for x in arrays]
        out, _ = cached_attention(*arrays, empty(arrays), valid=valid)
        return jnp.where(valid[..., None, None], out, 0).sum(), out

    poisoned = [jnp.where(valid[..., None, None], x, jnp.nan) for x in arrays]
    gradient, out = jax.jit(jax.grad(loss, has_aux=True))(poisoned)
    assert np.isfinite(out).all()
    for g in gradient:
        assert np.isfinite(g).all()
        assert not np.asarray(g)[~np.asarray(valid)].any()
    assert np.asarray(gradient[2])[0, 0].any()


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("options", "implementation"),
    [pytest.param({}, "dense", marks=SECOND), ({"window": 3, "chunk": 5}, "blockwise")],
    ids=["all", "ring"],
)
def test_gradients_through_the_cache(options, implementation, x64):
    arrays, cotangent = draw(3, dtype=np.float64), draw(4, dtype=np.float64)[0][..., :1]
    cache, mask = empty(arrays, **options, dtype=np.float64), jnp.asarray(band(options.get("window")))

    def whole(slopes, *arrays):
        bias = -slopes[:, None, None] * np.abs(DISTANCE)[None]
        return (dot_product_attention(*arrays, bias, mask) * cotangent).sum()

    def cached(slopes, *arrays):
        mod = lambda score, b, h, q, k: score - slopes[h] * jnp.abs(q - k)  # noqa: E731
        options = {"score_mod": mod, "implementation": implementation}
        return (decode(arrays, cache, (6, *(1,) * 7), **options)[1] * cotangent).sum()

    every = (0, 1, 2, 3)
    slopes = jnp.asarray(SLOPES)
    want = jax.jit(jax.value_and_grad(whole, every))(slopes, *arrays)
    got = jax.jit(jax.value_and_grad(cached, every))(slopes, *arrays)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        assert np.abs(other).max() > 1e-3


def test_a_cache_of_bfloat16_is_as_exact_as_keys_of_bfloat16():
    arrays = draw(5)
    rounded = [arrays[0], *(x.astype(jnp.bfloat16) for x in arrays[1:])]
    cache, out = jax.jit(decode)(arrays, empty(arrays, dtype=jnp.bfloat16))
    assert (cache.keys.dtype, cache.values.dtype, out.dtype) == (jnp.bfloat16, jnp.bfloat16, np.float32)
    want, _ = attention_oracle(*rounded, mask=band())
    np.testing.assert_allclose(out, want, atol=3e-6)
    low = jax.jit(decode)([x.astype(jnp.bfloat16) for x in arrays], empty(arrays))[1]
    assert low.dtype == jnp.bfloat16
    assert (
        np.abs(np.asarray(low, np.float64) - want).max() < 0.03
    )  # 2**-8 of values up to 3, of the query and the output


def test_a_step_is_traced_once():
    arrays = draw(0)
    step, cache = jax.jit(chex.assert_max_traces(cached_attention, n=1)), empty(arrays, window=3)
    described = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), cache)
    for t in range(6):
        _, cache = step(*(x[:, t : t + 1] for x in arrays), cache)
        assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), cache) == described
    with pytest.raises(AssertionError, match="traced > 1 times"):
        step(*(x[:, :2] for x in arrays), cache)


def test_a_step_may_take_its_cache_over():
    """No two leaves share a buffer, or XLA would refuse to have them donated."""
    arrays = draw(0, Hv=3, length=2)
    step = jax.jit(cached_attention, donate_argnums=3)
    first, cache = step(*(x[:, :1] for x in arrays), empty(arrays, max_length=2))
    second, _ = step(*(x[:, 1:] for x in arrays), cache)
    want, _ = attention_oracle(*arrays, mask=band()[:2, :2])
    np.testing.assert_allclose(np.concatenate([first, second], 1), want, atol=3e-6)
    assert cache.keys.is_deleted()


def test_keeps_its_dtypes_in_float64(x64):
    arrays = draw(0, dtype=np.float64)
    cache, out = jax.jit(decode)(arrays, empty(arrays, dtype=np.float64, window=3))
    assert out.dtype == cache.keys.dtype == np.float64
    assert cache.positions.dtype == cache.length.dtype == np.int32


@pytest.mark.exhaustive
def test_vmaps_over_caches():
    runs = [draw(seed) for seed in (0, 1, 2)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *runs)
    caches = jax.tree.map(lambda *x: jnp.stack(x), *[empty(arrays, window=3, chunk=5) for arrays in runs])
    run = partial(decode, split=SPLITS["mixed"])
    _, together = jax.jit(jax.vmap(run))(stacked, caches)
    _, alone = jax.jit(run)(runs[1], empty(runs[1], window=3, chunk=5))
    np.testing.assert_allclose(together[1], alone, atol=1e-6)


@pytest.mark.programs(50)
def test_past_the_last_place_is_nan():
    arrays = draw(0, length=5)
    _, out = jax.jit(partial(decode, split=(2, 3)))(arrays, empty(arrays, max_length=3))
    want, _ = attention_oracle(*(x[:, :3] for x in arrays), mask=band(None, DISTANCE[:3, :3]))
    np.testing.assert_allclose(out[:, :3], want, atol=3e-6)
    assert np.isnan(out[:, 3:]).all()
    cache = update_cache(empty(arrays, max_length=3), *arrays[1:])
    assert cache.length.tolist() == [5, 5]
    _, lse = jax.jit(partial(decode_attention, return_lse=True))(arrays[0], cache)
    np.testing.assert_array_equal(np.isnan(lse), np.broadcast_to(np.arange(5)[None, :, None] >= 3, lse.shape))


def test_a_bias_that_ends_early_is_nan():
    arrays = draw(0)
    _, out = jax.jit(partial(decode, split=(T,), bias=TILT[..., :9]))(arrays, empty(arrays))
    np.testing.assert_array_equal(np.isnan(out).any((0, 2, 3)), np.arange(T) >= 9)


def test_lse_and_sinks_pass_through():
    arrays = draw(0)
    cache = update_cache(empty(arrays), *arrays[1:])
    attend = jax.jit(decode_attention, static_argnames="return_lse")
    out, lse = attend(arrays[0], cache, return_lse=True)
    _, want = attention_oracle(*arrays, mask=band())
    np.testing.assert_allclose(lse, want, atol=3e-6)
    sinks = jnp.asarray([0.0, 1.0, -1.0, 2.0])
    sunk = attend(arrays[0], cache, sinks=sinks)
    np.testing.assert_allclose(sunk, out * jax.nn.sigmoid(lse - sinks[None, None])[..., None], atol=1e-6)


def test_an_array_of_all_pairs_takes_nothing_from_the_window():
    arrays = draw(0)
    cache = update_cache(empty(arrays, window=2, chunk=T), *arrays[1:])
    out = jax.jit(decode_attention)(arrays[0], cache, mask=np.ones((T, T), bool))
    np.testing.assert_allclose(out, attention_oracle(*arrays, mask=band(2))[0], atol=3e-6)


def test_padding_of_a_long_piece_has_no_position():
    piece = np.ones((2, 4, 1, 1), np.float32)
    long = append_cache(init_cache(2, 9, 1, 1, window=2), piece, piece, np.arange(4) < np.array([[4], [2]]))
    assert long.positions[:, 3:].tolist() == [[0, 1, 2, 3], [0, 1, -1, -1]]
    assert long.length.tolist() == [4, 2]


ONE = jnp.ones((B, 1, 2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: init_cache(2, -1, 2, 3), ValueError, "max_length: got -1, wanted an integer >= 0"),
        (lambda c: init_cache(2, 9, 2, 3, window=-1), ValueError, "window: got -1, wanted an integer >= 0"),
        (lambda c: init_cache(2, 9, 2, 3, chunk=0), ValueError, "chunk: got 0, wanted an integer >= 1"),
        (lambda c: init_cache(2, 9, 0, 3), ValueError, "num_kv_heads: got 0, wanted an integer >= 1"),
        (
            lambda c: update_cache(c, ONE[..., :2], ONE),
            ValueError,
            r"key: got shape \(2, 1, 2, 2\), wanted .*\[2, 1, 2, 3\]",
        ),
        (lambda c: update_cache(c, ONE, ONE[:, :, :1]), ValueError, r"value: got shape \(2, 1, 1, 3\)"),
        (
            lambda c: update_cache(c, ONE, ONE, jnp.ones((2, 2), bool)),
            ValueError,
            r"valid: got bool\[2, 2\], wanted bool",
        ),
        (lambda c: update_cache(c, ONE, ONE, jnp.ones((2, 1))), ValueError, r"valid: got float32\[2, 1\]"),
        (lambda c: decode_attention(ONE, c, valid=jnp.ones(2, bool)), ValueError, r"valid: got bool\[2\], wanted bool"),
        (lambda c: append_cache(init_cache(2, 9, 2, 3), ONE, ONE), ValueError, "cache: got one without a ring"),
        (lambda c: decode_attention(jnp.ones((2, 3, 4, 3)), c), ValueError, "query: got T = 3, wanted at most 2"),
        (lambda c: decode_attention(jnp.ones((3, 1, 4, 3)), c), ValueError, r"query: got shape \(3, 1, 4, 3\), wanted"),
        (lambda c: decode_attention(ONE, c, is_causal=True), TypeError, "is_causal: decode_attention takes it from"),
        (lambda c: decode_attention(ONE, c, segment_ids=1), TypeError, "segment_ids: decode_attention takes it from"),
        (lambda c: decode_attention(ONE, c, soft_cap=1.0), TypeError, "soft_cap"),
        (lambda c: decode_attention(ONE, c, mask=jnp.ones((9,))), ValueError, "mask: got dtype float32, wanted bool"),
        (
            lambda c: decode_attention(ONE, c, mask=lambda b, h, q, k: np.asarray(k) > 2),
            ValueError,
            "mask: the function asks",
        ),
        (lambda c: decode_attention(ONE, c, mask=Causal() & Dense(jnp.ones((9,), bool))), ValueError, "a Dense inside"),
    ],
)
def test_wrong_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(init_cache(B, 9, 2, 3, window=4, chunk=2))
