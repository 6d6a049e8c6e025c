"""The smallest layers: initial weights as the formulas say, and outputs against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.embedding import embedding
from attn_jax.layers.initializers import glorot_uniform, orthogonal
from attn_jax.layers.mlp import init_mlp, mlp
from attn_jax.layers.norm import init_norm, norm


def test_glorot_scales_each_part_by_its_own_fans():
    w = np.asarray(glorot_uniform(jax.random.key(0), 30, 50, parts=4))
    limit = np.sqrt(6 / 80)
    assert w.shape == (30, 200)
    assert np.abs(w).max() <= limit
    np.testing.assert_allclose(w.std(), limit / np.sqrt(3), rtol=0.03)


def test_every_part_is_orthogonal_and_differs():
    w = np.asarray(orthogonal(jax.random.key(0), 8, parts=3)).reshape(8, 3, 8)
    for part in range(3):
        np.testing.assert_allclose(w[:, part] @ w[:, part].T, np.eye(8), atol=1e-6)
    assert np.abs(w[:, 0] - w[:, 1]).max() > 0.1


def test_orthogonal_is_uniform_over_the_group():
    """Without the signs of R, the diagonal of Q leans to one side; with them its mean is 0."""
    draws = jax.vmap(lambda key: orthogonal(key, 3))(jax.random.split(jax.random.key(1), 2000))
    traces = np.trace(np.asarray(draws), axis1=1, axis2=2)
    assert abs(traces.mean()) < 4 * traces.std() / np.sqrt(2000)


def test_mlp_is_position_wise():
    params = jax.device_get(jax.jit(init_mlp, static_argnums=(1, 2))(jax.random.key(0), 4, 16))
    x = np.random.default_rng(1).normal(size=(2, 5, 4)).astype(np.float32)
    up = x.astype(np.float64) @ params["up"]["w"] + params["up"]["b"]
    gelu = 0.5 * up * (1 + np.tanh(np.sqrt(2 / np.pi) * (up + 0.044715 * up**3)))
    np.testing.assert_allclose(jax.jit(mlp)(params, x), gelu @ params["down"]["w"] + params["down"]["b"], atol=1e-5)


def test_an_unknown_token_is_nan():
    assert np.isnan(embedding({"table": jnp.ones((3, 2))}, jnp.array([3, -1]))).all()


@pytest.mark.parametrize("kind", ["layer", "rms", "none"])
def test_norms_keep_shape_and_dtype(kind):
    x = np.ones((2, 3, 4), jnp.bfloat16)
    y = jax.jit(lambda x: norm(kind, init_norm(kind, 4), x))(x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
