"""Gradients of networks that have just begun, against a recurrence whose gradient is a power."""

from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.lab.measurements.start_flow import flow_rows, newton_rows
from attn_jax.lab.outcome.by_seed import from_rows
from attn_jax.mixers import RNN, Attention
from attn_jax.mixers.base import Mixer, MixerConfig


@dataclass(frozen=True)
class Decay(MixerConfig):
    """h_t = a h_(t-1) + x_t, said as it is; a is where it begins."""

    a: float = 0.5

    def make(self) -> Mixer:
        return Mixer(
            init=lambda key: jnp.float32(self.a),
            apply=lambda a, x, valid=None, *, key=None: x,
            init_state=lambda a, batch_size, max_length, *, dtype=jnp.float32: jnp.zeros((batch_size, self.width)),
            extend=self._extend,
            inspect=lambda *args: {},
        )

    @staticmethod
    def _extend(a, x, state, valid=None):
        state = a * state + x[:, 0]
        return state[:, None], state


def test_the_gradient_of_a_linear_recurrence_is_a_power_of_what_it_keeps():
    cells = {str(a): Decay(a=a) for a in (1.1, 0.1)}
    rows = flow_rows(cells, [3, 4], length=64)
    slopes, left = (from_rows(rows, column, "cell") for column in ("slope", "left"))
    for name, found in slopes.items():
        np.testing.assert_allclose(found, np.log10(float(name)), rtol=1e-4)
    np.testing.assert_allclose(left["1.1"], 62 * np.log10(1.1), rtol=1e-4)  # as far as 64 steps go
    # .1 to the 62nd is no float32: what is left is the least that it can tell
    np.testing.assert_allclose(left["0.1"], -30 - np.log10(0.1), atol=0.5)


@pytest.mark.exhaustive
def test_a_radius_scales_the_slope_and_attention_has_none():
    small = partial(flow_rows, scale=0.01, length=64)
    found = from_rows(small({"half": RNN(spectral_radius=0.5), "a": Attention(num_heads=2)}, [0, 1]), "slope", "cell")
    np.testing.assert_allclose(found["half"], np.log10(0.5), atol=5e-3)  # inputs of .01 leave tanh linear
    np.testing.assert_allclose(found["a"], 0, atol=5e-3)


@pytest.mark.exhaustive
def test_newton_needs_few_trips_where_the_gradient_vanishes():
    rows = newton_rows({"half": RNN(spectral_radius=0.5), "two": RNN(spectral_radius=2.0)}, [0, 1], length=64)
    trips = from_rows(rows, "iterations", "cell")
    assert (trips["half"] <= 5).all()
    assert (trips["two"] > 4 * trips["half"]).all()
    assert from_rows(rows, "converged", "cell")["half"].all()
