"""Attention that is not causal: the mixer's contract, and what each place sees."""

import jax
import numpy as np
import pytest

from attn_jax.mixers import Attention
from attn_jax.testing import check_mixer


@pytest.mark.parametrize(
    "config",
    [
        Attention(num_heads=2, causal=False),
        Attention(
            num_kv_heads=2, causal=False, window=2, head_positions="t5", num_buckets=8, max_distance=6, sinks=True
        ),
    ],
    ids=["all", "window"],
)
@pytest.mark.exhaustive
def test_the_contract(config):
    check_mixer(config)


def test_a_window_reaches_both_ways_and_padding_is_not_seen():
    mixer = Attention(8, 2, window=1, causal=False).make()
    x = np.random.default_rng(1).normal(size=(1, 5, 8)).astype(np.float32)
    valid = np.arange(5)[None] < 4
    inspected = jax.jit(lambda: mixer.inspect(mixer.init(jax.random.key(0)), x, valid))()
    weights = np.asarray(inspected["weights"])[0]
    near = np.abs(np.subtract.outer(np.arange(5), np.arange(5))) <= 1
    np.testing.assert_array_equal(weights[0] > 0, near & (np.arange(5) < 4))
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
