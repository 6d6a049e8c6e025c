"""The options of the recurrent mixers: start of the recurrent weights and biases, activation, form."""

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.mixers import GRU, LSTM, RNN
from attn_jax.mixers.parts.recurrent import spectral_radius

B, T, D = 2, 7, 5


def gate_matrices(config, gates):
    """w_h of a mixer at width 6 as [gates, P, P]."""
    w_h = jax.jit(replace(config, d_model=6).make().init)(jax.random.key(0))["cell"]["w_h"]
    return np.moveaxis(np.asarray(w_h).reshape(6, gates, 6), 1, 0)


def radii(matrices):
    return np.abs(np.linalg.eigvals(matrices)).max(-1)


def run(config, seed=0):
    """Outputs, gradients of parameters and inputs, state; with the second row padded after 4 places."""
    mixer = replace(config, d_model=D).make()
    params = mixer.init(jax.random.key(seed))
    x = jax.random.normal(jax.random.key(1), (B, T, D))
    valid = jnp.arange(T) < jnp.array([[T], [4]])

    def total(params, x):
        y, state = mixer.extend(params, x, mixer.init_state(params, B, T), valid)
        y = jnp.where(valid[..., None], y, 0)
        return jnp.sum(jnp.sin(y)), (y, state)

    return jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))(params, x)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "config",
    [RNN(), LSTM(d_inner=4), GRU(), RNN(activation="relu", spectral_radius=0.5)],
    ids=lambda c: type(c).__name__,
)
def test_newton_is_scan(config):
    """Outputs, state after padding, gradients."""
    scan, newton = run(config), run(replace(config, form="newton"))
    for one, other in zip(jax.tree.leaves(scan), jax.tree.leaves(newton), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_newton_reports_how_it_went():
    mixer = GRU(d_model=D, form="newton").make()
    params, x = jax.jit(mixer.init)(jax.random.key(0)), jax.random.normal(jax.random.key(1), (B, T, D))
    seen = jax.jit(mixer.inspect)(params, x)
    assert seen["converged"].tolist() == [True, True]
    assert ((seen["iterations"] > 1) & (seen["iterations"] <= T)).all()
    assert (seen["residual"] <= 1e-6).all()
    np.testing.assert_allclose(seen["hidden"], jax.jit(mixer.apply)(params, x), atol=1e-6)
    assert "iterations" not in GRU(d_model=D).make().inspect(params, x)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gates_loop(config, cell, x):
    """Of each place of one row: the hidden state and the gates that made it."""
    P = config.inner
    h, c, shown = np.zeros(P), np.zeros(P), []
    for x_t in x:
        z, past = x_t @ cell["w_x"] + cell["b"], h @ cell["w_h"]
        if isinstance(config, LSTM):
            i, f, g, o = np.split(z + past, 4)
            gates = {"keep": sigmoid(f), "write": sigmoid(i), "read": sigmoid(o)}
            c = gates["keep"] * c + gates["write"] * np.tanh(g)
            h = gates["read"] * np.tanh(c)
        else:
            (r, u, n), (r_h, u_h, n_h) = np.split(z, 3), np.split(past + cell["b_h"], 3)
            gates = {"keep": sigmoid(u + u_h), "reset": sigmoid(r + r_h)}
            h = (1 - gates["keep"]) * np.tanh(n + gates["reset"] * n_h) + gates["keep"] * h
        shown.append({"hidden": h} | gates)
    return {name: np.stack([place[name] for place in shown]) for name in shown[0]}


@pytest.mark.parametrize("config", [LSTM(d_model=D, d_inner=4), GRU(d_model=D)], ids=lambda c: type(c).__name__)
def test_gates_are_the_loops(config):
    """In both forms; what a padded row shows of its own places does not depend on the padding."""
    rng = np.random.default_rng(3)
    mixers = [replace(config, form=form).make() for form in ("scan", "newton")]
    shapes = jax.eval_shape(mixers[0].init, jax.random.key(0))
    params = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes)
    x, lengths = rng.normal(size=(B, T, D)).astype(np.float32), (T, 4)
    valid = np.arange(T) < np.array(lengths)[:, None]
    padded = np.where(valid[..., None], x, np.nan)
    for seen in jax.jit(lambda x: [mixer.inspect(params, x, valid) for mixer in mixers])(padded):
        for row, length in enumerate(lengths):
            for name, want in gates_loop(config, params["cell"], x[row, :length]).items():
                np.testing.assert_allclose(seen[name][row, :length], want, atol=2e-4)


def test_relu_is_the_loop():
    mixer = RNN(d_model=D, activation="relu", recurrent_init="identity").make()
    params, x = jax.jit(mixer.init)(jax.random.key(0)), jax.random.normal(jax.random.key(1), (B, T, D))
    cell, h, want = jax.tree.map(np.asarray, params["cell"]), np.zeros((B, D)), []
    for t in range(T):
        h = np.maximum(np.asarray(x[:, t]) @ cell["w_x"] + h @ cell["w_h"] + cell["b"], 0)
        want.append(h)
    np.testing.assert_allclose(jax.jit(mixer.apply)(params, x), np.stack(want, 1), atol=1e-5)
    np.testing.assert_array_equal(cell["w_h"], np.eye(D))
    np.testing.assert_array_equal(cell["b"], np.zeros(D))


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("config", "gates"), [(RNN(), 1), (GRU(), 3), (LSTM(), 4)])
def test_the_start_of_the_recurrent_matrices(config, gates):
    identity = gate_matrices(replace(config, recurrent_init="identity", spectral_radius=0.25), gates)
    np.testing.assert_allclose(identity, np.stack([np.eye(6) / 4] * gates), atol=1e-6)
    orthogonal = gate_matrices(replace(config, spectral_radius=2.0), gates)
    np.testing.assert_allclose(orthogonal @ orthogonal.transpose(0, 2, 1), 4 * np.stack([np.eye(6)] * gates), atol=1e-4)
    glorot = gate_matrices(replace(config, recurrent_init="glorot", spectral_radius=1.5), gates)
    np.testing.assert_allclose(radii(glorot), 1.5, rtol=1e-4)
    free = gate_matrices(replace(config, recurrent_init="glorot"), gates)
    assert (np.abs(radii(free) - 1.5) > 1e-2).all()


def test_the_spectral_radius_of_hard_matrices():
    """A shear, whose powers grow; a rotation, whose largest eigenvalues are a pair; a far from normal one."""
    hard = np.array([[[1.0, 5.0], [0.0, 1.0]], [[0.0, 3.0], [-3.0, 0.0]], [[0.5, 1e3], [0.0, 0.1]]], np.float32)
    np.testing.assert_allclose(spectral_radius(jnp.asarray(hard)), [1, 3, 0.5], rtol=2e-4)


def test_chrono_biases_spread_over_the_memories_asked_for():
    size, longest = 400, 50

    def biases(config, gates):
        given = replace(config, d_model=2, d_inner=size, chrono=longest, recurrent_init="identity")
        return np.asarray(jax.jit(given.make().init)(jax.random.key(0))["cell"]["b"]).reshape(gates, size)

    b, b_gru = biases(LSTM(), 4), biases(GRU(), 3)
    np.testing.assert_array_equal(b[0], -b[1])
    np.testing.assert_array_equal(b[2:], 0)
    np.testing.assert_array_equal(b_gru[[0, 2]], 0)
    for keep in (np.exp(b[1]), np.exp(b_gru[1])):
        assert keep.min() >= 1
        assert keep.max() <= longest - 1 + 1e-3
        assert abs(keep.mean() - longest / 2) < 4 * (longest - 2) / np.sqrt(12 * size)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: RNN(activation="gelu"), "activation: got 'gelu', wanted one of 'tanh', 'relu'"),
        (lambda: GRU(form="deer"), "form: got 'deer', wanted one of 'scan', 'newton'"),
        (
            lambda: RNN(recurrent_init="zeros"),
            "recurrent_init: got 'zeros', wanted one of 'orthogonal', 'glorot', 'identity'",
        ),
        (lambda: RNN(spectral_radius=0.0), "spectral_radius: got 0.0, wanted a number > 0"),
        (lambda: LSTM(chrono=2), "chrono: got 2, wanted at least 3 steps"),
        (lambda: LSTM(chrono=9, forget_bias=0.0), "forget_bias: got 0.0 beside chrono=9"),
        (lambda: GRU(chrono=9, update_bias=1.0), "update_bias: got 1.0 beside chrono=9"),
    ],
)
def test_a_wrong_option_is_refused(make, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make()
