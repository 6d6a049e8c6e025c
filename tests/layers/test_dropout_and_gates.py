"""Dropout's mean and share, and gated MLPs against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.dropout import dropout
from attn_jax.layers.mlp import init_mlp, mlp


def test_dropout_keeps_the_mean_and_drops_the_share():
    y = np.asarray(dropout(0.25, jnp.ones(40_000), jax.random.key(0)))
    np.testing.assert_allclose(np.unique(y), [0, 4 / 3], rtol=1e-6)
    assert abs((y == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 40_000)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(("kind", "gate"), [("swiglu", lambda x: x * sigmoid(x)), ("geglu", gelu)])
def test_gated_mlps(kind, gate):
    params = init_mlp(jax.random.key(0), 4, 6, kind)
    x = jax.random.normal(jax.random.key(1), (2, 4))
    up, down = (np.asarray(params[name]["w"], np.float64) for name in ("up", "down"))
    hidden = np.asarray(x, np.float64) @ up
    want = (gate(hidden[:, :6]) * hidden[:, 6:]) @ down
    np.testing.assert_allclose(mlp(params, x, kind), want, atol=1e-5)


def test_relu_and_an_unknown_kind():
    params = init_mlp(jax.random.key(0), 4, 6, "relu")
    x = jax.random.normal(jax.random.key(1), (2, 4))
    want = np.maximum(np.asarray(x) @ params["up"]["w"], 0) @ params["down"]["w"]
    np.testing.assert_allclose(mlp(params, x, "relu"), want, atol=1e-5)
    with pytest.raises(ValueError, match="kind: got 'silu', wanted one of gelu, relu, swiglu, geglu"):
        mlp(params, x, "silu")
