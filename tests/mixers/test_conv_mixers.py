"""short_conv, hyena and the convolutions under them: the contract, the formulas as loops, filters of the lag alone."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.conv import causal_conv, init_causal_conv, long_conv
from attn_jax.mixers import hyena
from attn_jax.mixers.hyena import Hyena
from attn_jax.mixers.short_conv import ShortConv
from attn_jax.testing import check_mixer

D, T = 4, 9

OPTIONS = {
    "short_conv plain": ShortConv(kernel_size=6, activation="none", use_bias=False),
    "hyena rough": Hyena(order=1, filter_features=4, filter_hidden=8, sine_frequency=8.0, min_span=3.0, max_span=20.0),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(OPTIONS[name])


def conv_loop(w, b, x):
    """y_t = sum_l w_l x_(t - l) + b, a place and a lag at a time; x is [T, C]."""
    y = np.zeros(x.shape)
    for t in range(len(x)):
        for lag in range(min(len(w), t + 1)):
            y[t] += w[lag] * x[t - lag]
    return y + b


def hyena_oracle(config, p, x):
    """One row, [T, D]: the filters from their formula, every convolution a double loop."""
    n, D = config.order, x.shape[1]
    lags = np.arange(len(x), dtype=np.float64)
    half = config.filter_features // 2
    angles = lags[:, None] / 10_000.0 ** (np.arange(half) / half)
    z = np.stack([np.sin(angles), np.cos(angles)], -1).reshape(len(x), -1)
    for layer in p["filter"][:-1]:
        z = np.sin(config.sine_frequency * (z @ layer["w"] + layer["b"]))
    z = (z @ p["filter"][-1]["w"] + p["filter"][-1]["b"]).reshape(len(x), n, D)
    spans = np.geomspace(config.min_span, config.max_span, D)
    rates = np.log(100) / spans
    z = z * (np.sqrt(1 - np.exp(-2 * rates)) * np.exp(-rates * lags[:, None]))[:, None]
    inputs = conv_loop(p["conv"]["w"], p["conv"]["b"], x @ p["in"]["w"] + p["in"]["b"])
    v, *gates = np.split(inputs, n + 1, -1)
    for i in range(n):
        v = gates[i] * (conv_loop(z[:, i], 0, v) + p["d"][i] * v)
    return v @ p["out"]["w"] + p["out"]["b"]


def drawn(config, seed=0):
    """A mixer, parameters away from any start, and x, float64."""
    mixer, rng = replace(config, d_model=D).make(), np.random.default_rng(seed)
    params = jax.eval_shape(lambda: mixer.init(jax.random.key(seed)))
    params = jax.tree.map(lambda leaf: 0.7 * rng.normal(size=leaf.shape), params)
    return mixer, params, rng.normal(size=(2, T, D))


def as32(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), tree)


def test_a_causal_convolution_goes_on_from_its_state():
    params = as32(drawn(ShortConv(kernel_size=4))[1])
    x = np.random.default_rng(1).normal(size=(2, T, D))
    want = np.stack([conv_loop(params["w"], params["b"], row) for row in x])
    run, state, pieces = jax.jit(causal_conv), None, []
    for piece in np.split(x, [2, 3], 1):  # shorter than the state, one place, longer
        y, state = run(params, as32(piece), state)
        pieces.append(y)
    np.testing.assert_allclose(np.concatenate(pieces, 1), want, atol=1e-5)
    np.testing.assert_allclose(state, x[:, -3:], atol=1e-6)
    valid = np.arange(T) < np.array([[2], [T]])
    held = np.asarray(run(params, as32(x), None, valid)[1])
    np.testing.assert_allclose(held[0], np.concatenate([np.zeros((1, D)), x[0, :2]]), atol=1e-6)
    np.testing.assert_allclose(held[1], x[1, -3:], atol=1e-6)


@pytest.mark.parametrize("length", [1, 5, T, 2 * T])
def test_a_long_convolution_equals_the_loop(length):
    rng = np.random.default_rng(length)
    x, f = rng.normal(size=(2, T, D)), rng.normal(size=(length, D))
    want = np.stack([conv_loop(f, 0, row) for row in x])
    np.testing.assert_allclose(jax.jit(long_conv)(as32(x), as32(f)), want, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda p: causal_conv(p, jnp.ones((1, 2, 3))), r"x: got shape \(1, 2, 3\), wanted \[B, T, C\] with C = 4"),
        (lambda p: causal_conv(p, jnp.ones((1, 2, 4)), jnp.ones((1, 2, 4))), r"state: got shape \(1, 2, 4\)"),
        (lambda p: long_conv(jnp.ones((1, 2, 4)), jnp.ones((2, 3))), r"filters: got shape \(2, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(init_causal_conv(jax.random.key(0), 4, 2))


@pytest.mark.parametrize("activation", ["silu", "none"])
def test_short_conv_equals_the_loop(activation):
    mixer, params, x = drawn(ShortConv(kernel_size=3, activation=activation))
    want = np.stack([conv_loop(params["w"], params["b"], row) for row in x])
    want = want / (1 + np.exp(-want)) if activation == "silu" else want
    np.testing.assert_allclose(jax.jit(mixer.apply)(as32(params), as32(x)), want, atol=1e-5)


@pytest.mark.parametrize(
    "config", [Hyena(), Hyena(order=1, filter_features=6, filter_hidden=5, sine_frequency=4.0, min_span=2.0)], ids=repr
)
def test_hyena_equals_the_loop(config):
    mixer, params, x = drawn(config)
    y = jax.jit(mixer.apply)(as32(params), as32(x))
    want = np.stack([hyena_oracle(config, params, row) for row in x])
    np.testing.assert_allclose(y, want, atol=2e-5 * max(1.0, np.abs(want).max()))


def test_the_loop_tells_hyenas_options_apart():
    config = Hyena(order=1)
    _, params, x = drawn(config)
    want = hyena_oracle(config, params, x[0])
    for other in (replace(config, sine_frequency=2.0), replace(config, max_span=50.0), replace(config, min_span=2.0)):
        assert np.abs(hyena_oracle(other, params, x[0]) - want).max() > 1e-3


def test_hyena_with_delta_filters_is_a_short_convolution():
    """Filters of zero and d = 1 are deltas; with gates of one nothing is left but the taps on v."""
    mixer, params, x = drawn(Hyena(order=2))
    params = as32(params)
    is_v = np.arange(3 * D) < D
    taps = as32(params["conv"]["w"] * is_v)
    last = params["filter"][-1]
    params = params | as32(
        {
            "in": {"w": np.eye(D, 3 * D), "b": np.zeros(3 * D)},
            "conv": {"w": taps, "b": ~is_v},
            "filter": [*params["filter"][:-1], jax.tree.map(np.zeros_like, last)],
            "d": np.ones((2, D)),
            "out": {"w": np.eye(D), "b": np.zeros(D)},
        }
    )
    short = ShortConv(d_model=D, kernel_size=3, activation="none", use_bias=False).make()
    want = jax.jit(short.apply)({"w": taps[:, :D]}, as32(x))
    np.testing.assert_allclose(jax.jit(mixer.apply)(params, as32(x)), want, atol=1e-5)


def test_hyenas_filter_does_not_know_the_length_and_fades_at_its_span():
    config = Hyena(d_model=16, min_span=4.0, max_span=64.0)
    params = jax.jit(config.make().init)(jax.random.key(0))
    read = jax.jit(hyena.filters, static_argnums=(0, 2))
    np.testing.assert_allclose(read(config, params, 5), np.asarray(read(config, params, 9))[:, :5], atol=1e-6)
    envelope = np.asarray(jax.jit(hyena._envelope, static_argnums=0)(config, np.arange(2000)))
    np.testing.assert_allclose((envelope**2).sum(0), 1, rtol=1e-4)
    np.testing.assert_allclose(envelope[[4, 64], [0, 15]] / envelope[0, [0, 15]], 0.01, rtol=1e-4)


class ByLength(Hyena):
    """The published features, of l / T: other filters in every chunk."""

    def make(self):
        mixer = Hyena.make(self)
        return mixer._replace(apply=partial(_stretched, self))


def _stretched(config, params, x, valid=None, *, key=None):
    length = max(x.shape[1], 1)
    spans = replace(config, min_span=config.min_span * length, max_span=config.max_span * length)
    return hyena.apply(Hyena(**vars(spans)), params, x, valid)


@pytest.mark.exhaustive
def test_a_filter_that_knows_the_length_is_refused():
    with pytest.raises(AssertionError, match="a padded row differs from the same row alone"):
        check_mixer(ByLength(order=1, min_span=1.0, max_span=2.0))


def test_hyena_past_its_end_says_nan_but_not_at_padding():
    mixer, params, x = drawn(Hyena())
    params, x = as32((params, x))
    valid = np.arange(T) < np.array([[6], [T]])
    extend, start = jax.jit(mixer.extend), jax.jit(lambda: mixer.init_state(params, 2, 7))()
    y, state = extend(params, x, start, valid)
    y, want = np.asarray(y), np.asarray(jax.jit(mixer.apply)(params, x))
    assert state["length"].tolist() == [6, 9]
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1, 7:]).all()
    np.testing.assert_allclose(y[1, :7], want[1, :7], atol=1e-4)
    y = np.asarray(extend(params, x[:, :1], state)[0])  # row 0 has one place left, row 1 none
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1]).all()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("config", [ShortConv(), Hyena(filter_hidden=3)], ids=lambda c: type(c).__name__)
def test_second_derivatives_equal_differences_of_gradients(config, x64):
    mixer, params, x = drawn(config)
    x = x[:, :3]
    direction = jax.tree.map(lambda leaf: np.cos(np.arange(leaf.size)).reshape(leaf.shape), params)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(jnp.sin(mixer.apply(p, x)))))
    tangents = jax.tree.map(lambda leaf: np.stack([leaf, -2 * leaf]), direction)
    curves = jax.jit(jax.vmap(lambda d: jax.jvp(gradient, (params,), (d,))[1]))(tangents)
    ahead, behind = (jax.tree.map(lambda p, d, s=s: p + s * 1e-5 * d, params, direction) for s in (1, -1))
    found = jax.device_get((gradient(ahead), gradient(behind), curves))
    for a, b, curve in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(curve[0], (a - b) / 2e-5, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(curve[1], (b - a) / 1e-5, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ShortConv(kernel_size=0), "kernel_size: got 0, wanted at least 1"),
        (lambda: ShortConv(activation="relu"), "activation: got 'relu', wanted one of 'silu', 'none'"),
        (lambda: Hyena(order=0), "order: got 0"),
        (lambda: Hyena(filter_features=3), "filter_features: got 3, wanted an even number"),
        (lambda: Hyena(min_span=9.0, max_span=9.0), "min_span, max_span: got 9.0, 9.0"),
        (lambda: Hyena(sine_frequency=0.0), "sine_frequency: got 0.0"),
    ],
)
def test_a_wrong_option_is_refused_at_once(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
