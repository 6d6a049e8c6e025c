"""Dropout: what is dropped belongs to the key and the place (b, n, t, s), whatever the path and its blocks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS, blockwise, compiled, dense, draw, jit, tiled_attention
from tiers import first

from attn_jax.ops.attention.dropout import dropout_words, keep_weights

pytestmark = pytest.mark.usefixtures("strict_ranks")

RATE = 0.3


def kept(attention, B=2, T=9, S=11, N=4, K=2, seed=0, **options):
    """What each weight is multiplied by, [B, N, T, S], read off equal weights of the columns of the identity."""
    zeros = jnp.zeros((B, T, N, 2)), jnp.zeros((B, S, K, 2))
    values = jnp.broadcast_to(jnp.eye(S)[:, None], (B, S, K, S))
    drop = jit(functools.partial(attention, dropout_rate=RATE, **options))
    return np.asarray(drop(*zeros, values, dropout_key=jax.random.key(seed))).swapaxes(1, 2) * S


def blocks(*sizes):
    return functools.partial(blockwise, block_sizes=sizes)


def drops_the_same(attention):
    """Whether a path drops what the dense one drops."""
    return np.allclose(kept(attention), kept(dense), atol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("sizes", first([(4, 3), (9, 11), (1, 2), (5, 11), (8, 8), (2, 1)], (4, 3), (5, 11)))
def test_every_block_size_drops_the_same(sizes):
    assert drops_the_same(blocks(*sizes))


@pytest.mark.parametrize("path", ["tiled", "reference"])
def test_every_path_drops_the_same(path):
    assert drops_the_same(PATHS[path])


@pytest.mark.sampled(2)
@pytest.mark.parametrize("path", PATHS)
def test_broadcast_dropout_drops_in_all_rows_and_heads_what_the_first_does(path):
    first = kept(dense, B=1, N=1, K=1)
    np.testing.assert_allclose(
        kept(PATHS[path], broadcast_dropout=True), np.broadcast_to(first, (2, 4, 9, 11)), atol=1e-5
    )


def test_every_path_drops_the_same_twin():
    """Bits that are drawn a block at a time, as many kernels do, are refused."""

    def by_block(query, key, value, dropout_rate, dropout_key):
        halves = [
            dense(query[:, rows], key, value, dropout_rate=dropout_rate, dropout_key=jax.random.clone(dropout_key))
            for rows in (slice(None, 4), slice(4, None))
        ]
        return jnp.concatenate(halves, 1)

    assert not drops_the_same(by_block)


def test_the_weights_kept_are_scaled_up_and_right_in_number():
    got = kept(dense, T=64, S=64)
    share = (got > 0.5).mean()
    assert set(np.round(got, 3).ravel()) == {0, np.float32(round(1 / (1 - RATE), 3))}
    assert abs(share - (1 - RATE)) < 4 * np.sqrt(RATE * (1 - RATE) / got.size)
    assert abs(got.mean() - 1) < 4 * np.sqrt(RATE / (1 - RATE) / got.size)


def test_the_mean_over_keys_is_attention_without_dropout():
    arrays = draw(1, T=6, S=8)
    keys = jax.random.split(jax.random.key(4), 4000)
    many = jit(jax.vmap(lambda key: dense(*arrays, dropout_rate=RATE, dropout_key=key)))(keys)
    standard_error = np.asarray(many).std(0) / np.sqrt(len(keys))
    assert (abs(np.asarray(many).mean(0) - dense(*arrays)) < 5 * standard_error + 1e-6).all()


def test_rows_heads_queries_and_keys_are_dropped_independently():
    """Between two places of any axis, and between two keys, the share that agrees is that of independent draws."""
    got = kept(dense, B=4, T=32, S=32, N=4) > 0.5
    other = kept(dense, B=4, T=32, S=32, N=4, seed=1) > 0.5
    agree = (1 - RATE) ** 2 + RATE**2
    for axis in range(4):
        assert abs((np.delete(got, 0, axis) == np.delete(got, -1, axis)).mean() - agree) < 0.02, f"axis {axis}"
    assert abs((got == other).mean() - agree) < 0.02
    assert abs((got == got.swapaxes(2, 3)).mean() - agree) < 0.03, "t and s are told apart"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("path", ["dense", "blockwise"])
def test_an_offset_moves_no_bits(path):
    want = kept(PATHS[path])
    for offset in (5, np.array([3, 8])):
        np.testing.assert_array_equal(kept(PATHS[path], q_offset=offset), want)


@pytest.mark.programs(70)
def test_rates_are_multiples_of_two_to_the_minus_sixteen():
    def draws(rate):
        words = dropout_words(jax.random.key(0))
        return set(np.unique(keep_weights(words, rate, 0, heads=jnp.arange(2), size=(64, 64))))

    assert draws(2.0**-18) == {1}
    assert draws(0.25) == {0, np.float32(4 / 3)}
    assert draws(1 - 2.0**-18) <= {0, 2.0**16}, "never divided by nothing kept"


@pytest.mark.parametrize("path", ["dense", "tiled", "blockwise"])
def test_a_rate_of_zero_needs_no_key_and_drops_nothing(path):
    arrays = draw(2)
    np.testing.assert_array_equal(compiled(PATHS[path], dropout_rate=0.0)(*arrays), compiled(PATHS[path])(*arrays))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("attention", [dense, tiled_attention, blockwise], ids=["dense", "tiled", "blockwise"])
def test_keys_map(attention):
    arrays, keys = draw(3), jax.random.split(jax.random.key(5), 3)
    many = jit(jax.vmap(lambda key: attention(*arrays, dropout_rate=RATE, dropout_key=key)))(keys)
    one = jit(lambda key: attention(*arrays, dropout_rate=RATE, dropout_key=key))
    for i in range(3):
        np.testing.assert_allclose(many[i], one(jax.random.clone(keys)[i]), atol=1e-6)
    assert not np.allclose(many[0], many[1])


def test_legacy_keys_are_keys():
    arrays = draw(4)
    typed = jax.random.key(6)
    drop = jit(functools.partial(dense, dropout_rate=RATE))
    new = drop(*arrays, dropout_key=typed)
    with jax.debug_key_reuse(False):
        old = drop(*arrays, dropout_key=jax.random.key_data(typed))
    np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("implementation", ["rbg", "unsafe_rbg"])
def test_legacy_keys_of_every_generator_are_keys(implementation):
    """`jax.random.PRNGKey(0)` is uint32[4] under rbg."""
    with jax.default_prng_impl(implementation), jax.debug_key_reuse(False):
        raw, typed = jax.random.PRNGKey(6), jax.random.key(6)
        assert raw.shape == (4,)
        old, new = (dense(*draw(4), dropout_rate=RATE, dropout_key=key) for key in (raw, typed))
    np.testing.assert_array_equal(old, new)
