"""Positions near what an int32 holds: every path sees what integers of any size say, or refuses them in a sentence."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS

from attn_jax.ops.attention.cache import init_cache, update_cache
from attn_jax.ops.attention.decode import cached_attention
from attn_jax.ops.attention.int32 import LEAST, MOST, at_most, distance, minus, plus
from attn_jax.ops.attention.masks import Causal, Lengths, PrefixLM, Shifted, SlidingWindow
from attn_jax.ops.attention.scores import ALiBi, RelativeBias
from attn_jax.ops.positions import relative_buckets

T = 6
ARRAYS = [jnp.asarray(np.random.default_rng(0).normal(size=(1, T, 1, 4)), jnp.float32) for _ in range(3)]
EDGES = [LEAST, LEAST + 1, LEAST + 5, -1, 0, 1, MOST - 5, MOST - 1, MOST]


def test_arithmetic_is_that_of_integers():
    pairs = np.array(list(itertools.product(EDGES, EDGES)), np.int64)
    x, y = pairs.T
    narrow = [jnp.asarray(z, jnp.int32) for z in (x, y)]
    np.testing.assert_array_equal(plus(*narrow), np.clip(x + y, LEAST, MOST))
    np.testing.assert_array_equal(minus(*narrow), np.clip(x - y, LEAST, MOST))
    np.testing.assert_array_equal(np.asarray(distance(*narrow)), np.abs(x - y))
    for limit in EDGES:
        np.testing.assert_array_equal(at_most(*narrow, limit), x - y <= limit)


# (mask, the same of Python integers)
MASKS = {
    "causal": (Causal(), lambda q, k: k <= q),
    "causal ahead": (Causal(MOST), lambda q, k: k <= q + MOST),
    "causal behind": (Causal(-MOST), lambda q, k: k <= q - MOST),
    "window": (SlidingWindow(2), lambda q, k: q - 2 <= k <= q),
    "wide window": (SlidingWindow(MOST - 3, 1), lambda q, k: q - (MOST - 3) <= k <= q + 1),
    "endless window": (SlidingWindow(MOST), lambda q, k: k <= q),
    "prefix": (PrefixLM(2), lambda q, k: k < 2 or k <= q),
    "endless prefix": (PrefixLM(MOST), lambda q, k: True),
    "lengths": (Lengths(MOST - 2, MOST), lambda q, k: q < MOST - 2),
    "shifted": (Shifted(Causal(), MOST), lambda q, k: k <= q - MOST),
    "shifted back": (Shifted(Causal(), LEAST + 4), lambda q, k: k <= min(q - LEAST - 4, MOST)),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.programs(110)
def test_masks_far_away(path):
    """Known and traced offsets; a row behind the last position counts as at it."""

    @partial(jax.jit, static_argnums=0)
    def traced(mask, offset):
        return PATHS[path](*ARRAYS, mask=mask, q_offset=offset)

    masks = MASKS if path != "tiled" else dict(list(MASKS.items())[:2])
    for (name, (mask, says)), offset in itertools.product(masks.items(), (LEAST, MOST - 2, MOST)):
        places = [(min(offset + t, MOST), s) for t in range(T) for s in range(T)]
        seen = np.array([says(q, k) for q, k in places]).reshape(T, T)
        scores = np.where(seen, np.einsum("tnh,snh->ts", ARRAYS[0][0], ARRAYS[1][0]) / 2, -np.inf)
        powers = np.where(seen, np.exp(scores - np.where(seen, scores, -99).max(-1, keepdims=True)), 0)
        want = powers / np.maximum(powers.sum(-1, keepdims=True), 1e-30) @ np.asarray(ARRAYS[2][0, :, 0])
        for run in (
            partial(traced, mask),
            *([] if name != "causal" else [lambda n: PATHS[path](*ARRAYS, mask=Causal(), q_offset=n)]),
        ):
            np.testing.assert_allclose(run(offset)[0, :, 0], want, atol=1e-5, err_msg=f"{name}, {offset}")


@pytest.mark.programs(80)
def test_distances_far_away():
    """Of a query before all keys, |q - k| does not fit an int32."""
    q, k, score = jnp.int32(LEAST), jnp.int32(5), jnp.zeros((1, 1, 1))
    assert ALiBi(jnp.ones(1))(score, 0, 0, q, k).item() == -(2.0**31)
    table = jnp.arange(32.0)[:, None]
    assert RelativeBias(table)(score, 0, 0, q, k).item() == 31
    np.testing.assert_array_equal(relative_buckets(jnp.array([LEAST, -MOST, MOST])), [15, 15, 31])
    np.testing.assert_array_equal(relative_buckets(jnp.array([LEAST, MOST]), bidirectional=False), [31, 0])


@pytest.mark.parametrize("number", [MOST + 1, LEAST - 1, np.int64(2**40), np.array([2**31])], ids=str)
@pytest.mark.parametrize("name", ["q_offset", "key_value_seq_lengths", "query_seq_lengths"])
def test_numbers_that_an_int32_does_not_hold_are_refused(name, number):
    for path in ("dense", "blockwise", "reference"):
        with pytest.raises(ValueError, match=f"^{name}: got .*wanted integers that an int32 holds"):
            PATHS[path](*ARRAYS, **{name: number})
    with pytest.raises(ValueError, match=r"^Causal.offset: got .*wanted integers that an int32 holds"):
        PATHS["dense"](*ARRAYS, mask=Causal(number))


@pytest.mark.parametrize("far", [2**40, 2**33 - 1, 2**31, 2**31 - 1])
@pytest.mark.programs(50)
def test_masks_of_numpy_s_64_bits_are_those_of_python_s_integers(far):
    for mask in (Causal, PrefixLM, lambda n: Lengths(k=n), lambda n: Shifted(Causal(), n)):
        for number in (far, -far):
            want = mask(number).materialize(2, 3)
            for same in (np.int64(number), np.array(number), np.array([number])):
                np.testing.assert_array_equal(mask(same).materialize(2, 3), want)
        want = mask(far).materialize(2, 3)
        np.testing.assert_array_equal(mask(np.uint64(far)).materialize(2, 3), want)


@pytest.mark.exhaustive
@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.programs(60)
def test_a_cache_that_has_read_all_positions(window):
    """A query past the last position is NaN; those before it are what they are elsewhere."""
    cache = init_cache(1, 99, 1, 4, window=window, chunk=T)
    far = cache.__class__(**{**vars(cache), "length": jnp.array([MOST - 2], jnp.int32)})
    out, after = cached_attention(*ARRAYS, far)
    want, _ = cached_attention(*ARRAYS, cache)
    np.testing.assert_allclose(out[:, :3], want[:, :3], atol=1e-6)
    assert bool(jnp.isnan(out[:, 3:]).all())
    out, _ = cached_attention(*ARRAYS, after)
    assert bool(jnp.isnan(out).all())
    assert update_cache(after, *ARRAYS[1:]).length[0] < 0
