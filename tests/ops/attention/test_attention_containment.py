"""Rows that may attend nothing, and NaN that must not leave the rows that see it, on every path."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import PATHS, compiled, draw, each_path, gradients, jit, plain
from tiers import diagonal

from attn_jax.ops.attention.dense import attention_weights
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, SlidingWindow

pytestmark = pytest.mark.usefixtures("strict_ranks")

T, S = np.arange(5)[:, None], np.arange(7)
LATE = np.where(T >= 2, 0, -np.inf).astype(np.float32)

EMPTY = {  # rows 0 and 1 of T = 5 attend nothing
    "offset": {"is_causal": True, "q_offset": -2},
    "offsets": {"is_causal": True, "q_offset": np.array([-2, -2])},
    "array": {"mask": T >= 2},
    "bias": {"bias": LATE},
    "capped bias": {"bias": LATE, "logits_soft_cap": 2.0},
    "rule": {"mask": ~Lengths(q=2)},
    "function": {"mask": lambda b, h, q, k: q >= 2},
    "score function": {"score_mod": lambda s, b, h, q, k: jnp.where(q >= 2, s, -jnp.inf)},
    "capped score function": {
        "score_mod": lambda s, b, h, q, k: jnp.where(q >= 2, s, -jnp.inf),
        "logits_soft_cap": 2.0,
    },
    "segments": {"segment_ids": (np.array([7, 8, 1, 1, 2]), np.array([1, 1, 1, 2, 2, 2, 3]))},
    "window": {"local_window_size": (1, 0), "q_offset": -2},
    "dropout": {"mask": T >= 2, "dropout_rate": 0.3},
}


def empty_rows_are_zero(attention, arrays, **options):
    """Whether rows 0 and 1 are 0 with lse -inf and gradients 0, and no gradient is NaN."""
    weights = draw(12, S=5)[0], jnp.ones((2, 5, 4))
    if "dropout_rate" in options:
        options["dropout_key"] = jax.random.key(0)

    def run(*arrays):
        return attention(*arrays, return_lse=True, **options), gradients(attention, arrays, weights, **options)

    with jax.debug_key_reuse(False):  # the same weights are dropped in both
        (out, lse), grads = jit(run)(*arrays)
    out, lse, *grads = (np.asarray(x) for x in (out, lse, *grads))
    finite = all(np.isfinite(x).all() for x in (out, *grads))
    zero = not (out[:, :2].any() or grads[0][:, :2].any()) and (lse[:, :2] == -np.inf).all()
    return finite and zero and out[:, 2:].any() and grads[0][:, 2:].any()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("hidden", "path"), diagonal(EMPTY, ["blockwise", "dense"]))
def test_rows_that_may_attend_nothing(hidden, path):
    assert empty_rows_are_zero(PATHS[path], draw(13), **EMPTY[hidden])


@pytest.mark.parametrize("path", ["tiled", "reference"])
def test_rows_that_may_attend_nothing_on_the_other_paths(path):
    options = EMPTY["offsets"] | EMPTY["score function"] | EMPTY["bias"] | {"mask": ~Lengths(q=2) & Dense(T >= 2)}
    assert empty_rows_are_zero(PATHS[path], draw(13), **options)


def test_rows_that_may_attend_nothing_twin():
    def jax_nn(query, key, value, return_lse, mask):
        out, lse = jax.nn.dot_product_attention(query, key, value, mask=mask[None, None], return_residual=True)
        return out, jax.lax.stop_gradient(lse)

    with jax.numpy_rank_promotion("allow"):
        assert not empty_rows_are_zero(jax_nn, draw(13), mask=np.arange(5)[:, None] >= jnp.full(7, 2))


@each_path
def test_no_keys_at_all_and_no_queries_at_all(attention):
    query, key, value = draw(14, Hv=2)
    nothing = key[:, :0], value[:, :0]
    compiled = jax.jit(attention)
    out, lse = jax.jit(functools.partial(attention, return_lse=True))(query, *nothing)
    assert not np.asarray(out).any()
    assert out.shape == (2, 5, 4, 2)
    assert (np.asarray(lse) == -np.inf).all()
    assert compiled(query[:, :0], key, value).shape == (2, 0, 4, 2)
    assert compiled(query[:0], key[:0], value[:0]).shape == (0, 5, 4, 2)
    assert compiled(query, key, value[..., :0]).shape == (2, 5, 4, 0)
    grads = jax.jit(jax.grad(lambda *a: attention(*a).sum(), (0, 1, 2)))(query, *nothing)
    assert [g.shape for g in grads] == [query.shape, nothing[0].shape, nothing[1].shape]
    assert not np.asarray(grads[0]).any()


HIDING = {  # key 3 is seen by rows 3 and 4 of 5 alone
    "causal": {"is_causal": True},
    "traced": {"is_causal": True, "q_offset": np.zeros(2, int)},
    "window": {"local_window_size": (4, 0)},
    "rule": {"mask": SlidingWindow(4) & Causal()},
    "array": {"mask": np.tril(np.ones((5, 5), bool))},
    "function": {"mask": lambda b, h, q, k: k <= q},
    "bias": {"bias": np.where(np.tri(5, dtype=bool), 0, -np.inf).astype(np.float32)},
    "score function": {"score_mod": lambda s, b, h, q, k: jnp.where(k <= q, s, -jnp.inf)},
    "cap": {"is_causal": True, "logits_soft_cap": 3.0, "sinks": np.zeros(4, np.float32)},
}


def is_contained(attention, bad, **options):
    """Whether NaN or inf in key and value 3, and query 4, stay in the rows that see them: rows 3 and 4 under causality.

    Values are compared to those with finite numbers there, gradients where the tainted rows have zero cotangents.
    """
    query, key, value = draw(14, S=5)
    tainted = query.at[:, 4].set(bad), key.at[:, 3, 0].set(bad), value.at[:, 3, 1, 0].set(bad)
    weights = draw(15, S=5)[0].at[:, 3:].set(0), jnp.ones((2, 5, 4)).at[:, 3:].set(0)

    def run(*arrays):
        return attention(*arrays, return_lse=True, **options), gradients(attention, arrays, weights, **options)

    run = jit(run)
    (got, grads), (want, wanted) = run(*tainted), run(query, key, value)
    same = [np.allclose(g[:, :3], w[:, :3], atol=1e-6) for g, w in zip(got, want, strict=True)]
    close = [np.allclose(g, w, atol=1e-6) for g, w in zip(grads, wanted, strict=True)]
    seen = [np.isnan(g[:, 3:]).all() for g in got]
    return all((*same, *close, *seen))


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@each_path
@pytest.mark.programs(40)
def test_what_is_not_finite_stays_in_the_rows_that_see_it(attention, bad):
    assert is_contained(attention, bad, is_causal=True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("hidden", "path"), diagonal(HIDING, ["blockwise", "dense"]))
def test_whatever_hides_a_key_contains_it(hidden, path):
    assert is_contained(PATHS[path], np.nan, **HIDING[hidden])


def test_what_is_not_finite_twin():
    def leaky(query, key, value, return_lse):
        causal = np.tril(np.ones((5, 5), bool))[None, None]
        return plain(query, key, value, lambda s: jnp.where(causal, s, -jnp.inf), return_lse=return_lse)

    assert not is_contained(leaky, np.nan)


@each_path
def test_a_row_that_saw_nan_has_the_gradients_of_the_cleaned_inputs(attention):
    query, key, value = draw(16)
    weights = draw(17, S=5)[0], jnp.ones((2, 5, 4))
    run = jit(lambda *arrays: gradients(attention, arrays, weights))
    got = run(query, key.at[0, 3, 0, 1].set(jnp.nan), value)
    want = list(run(query, key.at[0, 3, 0, 1].set(0), value))
    want[1] = want[1].at[0, 3, 0, 1].set(0)  # the number that was cleaned away has no derivative
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, atol=1e-6)


@pytest.mark.parametrize("path", ["dense", "tiled", "blockwise"])
def test_a_bias_of_minus_infinity_contains_too(path):
    query, key, value = draw(16, S=5)
    bias = jnp.zeros((5, 5)).at[:, 3].set(-jnp.inf)
    tainted = query, key.at[:, 3].set(jnp.nan), value.at[:, 3].set(jnp.nan)
    weights = draw(17, S=5)[0], jnp.ones((2, 5, 4))
    run = jit(lambda *arrays: gradients(PATHS[path], arrays, weights, bias=bias))
    for g, w in zip(run(*tainted), run(query, key, value), strict=True):
        np.testing.assert_allclose(g, w, atol=1e-6)
    in_bias = np.asarray(jit(jax.grad(lambda b: PATHS[path](*tainted, b).sum()))(bias))
    assert np.isfinite(in_bias).all()
    assert not in_bias[:, 3].any()
    assert in_bias[:, 2].any()


@pytest.mark.parametrize("path", ["dense", "tiled", "blockwise"])
def test_unseen_nan_in_a_bias_reaches_no_gradient(path):
    query, key, value = draw(18, S=5)
    bias = jnp.asarray(np.where(np.tril(np.ones((5, 5), bool)), 0.5, np.nan), jnp.float32)
    attention = functools.partial(PATHS[path], is_causal=True, logits_soft_cap=2.0)
    grads = jit(jax.grad(lambda q, b: attention(q, key, value, b).sum(), (0, 1)))(query, bias)
    assert all(np.isfinite(g).all() and np.any(g) for g in grads)


@pytest.mark.parametrize("path", ["dense", "tiled", "blockwise"])
def test_padding_of_a_batch_row_is_contained(path):
    """NaN behind each row's own length, a tangent there too: forward mode and gradients are those of the clean row."""
    query, key, value = draw(20, S=6)
    keys = np.array([3, 5])
    padded = (np.arange(6) >= keys[:, None])[..., None, None]
    attention = functools.partial(PATHS[path], key_value_seq_lengths=jnp.asarray(keys))

    def run(*arrays):
        return jax.jvp(attention, arrays, draw(21, S=6))

    got = jit(run)(query, jnp.where(padded, jnp.nan, key), jnp.where(padded, jnp.nan, value))
    for g, w in zip(got, jit(run)(query, key, value), strict=True):
        np.testing.assert_allclose(g, w, atol=1e-6)


def test_weights_of_a_row_that_sees_a_bad_key_are_nan():
    query, key, _ = draw(20, S=5)
    weights = np.asarray(compiled(attention_weights, is_causal=True)(query, key.at[:, 3].set(jnp.inf)))
    assert np.isfinite(weights[:, :, :3]).all()
    assert np.isnan(weights[:, :, 3:]).all()
