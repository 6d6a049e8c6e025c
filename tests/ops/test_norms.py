"""Norms against float64 NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.norms import layer_norm, rms_norm


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_layer_norm(dtype):
    x = np.random.default_rng(0).normal(3, 2, (2, 5, 8))
    gain, bias = np.arange(1.0, 9), np.arange(8.0)
    want = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6) * gain + bias
    got = layer_norm(jnp.asarray(x, dtype), jnp.asarray(gain), jnp.asarray(bias))
    assert got.dtype == dtype
    np.testing.assert_allclose(np.asarray(got, np.float64), want, atol=2e-5 if dtype == jnp.float32 else 0.2)


def test_rms_norm():
    x = np.random.default_rng(0).normal(3, 2, (2, 5, 8))
    want = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * np.arange(1.0, 9)
    np.testing.assert_allclose(rms_norm(jnp.asarray(x), jnp.arange(1.0, 9)), want, atol=1e-5)


def test_norm_of_a_large_offset_keeps_its_digits():
    """The variance is the mean of squared differences; the difference of means of squares would lose them all."""
    x = jnp.array([1e4, 1e4 + 1, 1e4 + 2, 1e4 + 3], jnp.float32)
    want = (np.arange(4) - 1.5) / np.sqrt(1.25 + 1e-6)
    np.testing.assert_allclose(layer_norm(x, jnp.ones(4)), want, atol=1e-3)
