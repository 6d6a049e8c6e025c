"""What a mixer that has just begun lets through: of what has no parameters or state, learns its first, or overflows."""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.lab.card import flow
from attn_jax.lab.card.flow import capacity, flow_of
from attn_jax.lab.card.profile import counted
from attn_jax.mixers.base import Mixer, MixerConfig


@dataclass(frozen=True)
class Decaying(MixerConfig):
    """h_t = by h_(t-1) + x_t, from a first state that is learnt; its configuration has no hash."""

    by: complex = 0.5
    notes: list = field(default_factory=list)

    def make(self):
        return Mixer(partial(init, self), partial(apply, self), init_state, partial(extend, self), nothing_to_see)


def init(config, key):
    dtype = jnp.complex64 if isinstance(config.by, complex) else jnp.float32
    return {"first": jax.random.normal(key, (config.width,)).astype(dtype)}


def init_state(params, rows, places, *, dtype=jnp.float32):  # names of its own: it is called by position
    return jnp.broadcast_to(params["first"], (rows, *params["first"].shape))


def extend(config, params, x, state, valid=None):
    step = lambda h, x: (config.by * h + x,) * 2  # noqa: E731
    state, h = jax.lax.scan(step, state, x.swapaxes(0, 1))
    return h.swapaxes(0, 1).real, state


def apply(config, params, x, valid=None, *, key=None):
    return extend(config, params, x, init_state(params, *x.shape[:2]), valid)[0]


def nothing_to_see(params, x, valid=None):
    return {}


@dataclass(frozen=True)
class Copying(MixerConfig):
    """y = x, of no parameters and nothing in its state."""

    def make(self):
        start = lambda params, rows, places, *, dtype=jnp.float32: {}  # noqa: E731
        same = lambda params, x, valid=None, *, key=None: x  # noqa: E731
        return Mixer(lambda key: {}, same, start, lambda params, x, state, valid=None: (x, state), nothing_to_see)


def test_a_first_state_that_is_learnt_and_each_mixer_for_itself():
    slopes = [flow_of(Decaying(by=by))["slope"] for by in (0.5, 0.8)]
    np.testing.assert_allclose(slopes, np.log10([0.5, 0.8]), atol=2e-3)


def test_what_has_no_parameters_and_no_state_keeps_nothing():
    found = flow_of(Copying())
    assert (found["slope"], found["kept"], found["sees_first"]) == (None, 0.0, False)


def test_what_overflows_is_none_and_no_json_is_refused():
    found = flow_of(Decaying(by=3.0))
    assert found["sees_first"] is None
    assert {*found["reach"].values()} == {None}


def test_complex_states_are_numbers_too():
    config = Decaying(by=0.5j)
    assert counted(config)["state_bytes"]["2048"] == 64 * 8
    assert flow._kept(config)["kept"] > 0.5


def test_more_numbers_in_a_state_than_rows_are_read_as_by_the_normal_equations():
    rng = np.random.default_rng(0)
    state, read = rng.normal(size=(40, 60)), rng.normal(size=(40, 2))
    read += state[:, :2]
    half, ones = 20, np.ones((40, 1))
    scaled = np.concatenate([(state - state[:half].mean(0)) / state[:half].std(0), ones], 1)
    normal = scaled[:half].T @ scaled[:half] + flow._RIDGE * half * np.eye(61)
    said = scaled[half:] @ np.linalg.solve(normal, scaled[:half].T @ read[:half])
    wrong = ((said - read[half:]) ** 2).mean(0) / read[half:].var(0)
    np.testing.assert_allclose(capacity(state, read), np.maximum(1 - wrong, 0).sum(), rtol=1e-6)
