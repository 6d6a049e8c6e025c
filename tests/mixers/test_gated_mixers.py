"""min_gru and min_lstm: the contract, the papers' formulas, and the sum of logarithms that is the same recurrence."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.mixers.min_gru import MinGRU
from attn_jax.mixers.min_lstm import MinLSTM
from attn_jax.testing import check_mixer

D, P, T = 5, 7, 11

OPTIONS = {
    "min_gru log": MinGRU(d_inner=24, form="log", keep_bias=1.0),
    "min_gru linear": MinGRU(candidate="linear", form="associative"),
    "min_lstm log": MinLSTM(d_inner=8, form="log", forget_bias=1.0),
    "min_lstm not normalised": MinLSTM(candidate="linear", normalise=False, form="chunked"),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(OPTIONS[name])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def oracle(config, params, x, h=None):
    """The papers' equations, a row and a place at a time, float64."""
    w, b = (np.asarray(params["gates"][name], np.float64) for name in ("w", "b"))
    P = w.shape[1] // (2 if isinstance(config, MinGRU) else 3)
    positive = config.candidate == "positive"
    y = np.zeros((*x.shape[:2], P))
    for row in range(x.shape[0]):
        h = np.full(P, 0.5 if positive else 0.0)
        for t in range(x.shape[1]):
            *gates, c = np.split(x[row, t] @ w + b, w.shape[1] // P)
            if positive:
                c = np.where(c >= 0, c + 0.5, sigmoid(c))
            if isinstance(config, MinGRU):
                u = sigmoid(gates[0])
                h = (1 - u) * h + u * c
            else:
                f, i = map(sigmoid, gates)
                total = f + i if config.normalise else 1.0
                h = f / total * h + i / total * c
            y[row, t] = h
    return y if "out" not in params else y @ params["out"]["w"] + params["out"]["b"]


def drawn(config, seed=0, scale=1.0):
    """A mixer, parameters away from any start, and x."""
    mixer, rng = replace(config, d_model=D).make(), np.random.default_rng(seed)
    params = jax.eval_shape(mixer.init, jax.random.key(seed))
    params = jax.tree.map(lambda leaf: jnp.asarray(scale * rng.normal(size=leaf.shape), jnp.float32), params)
    return mixer, params, rng.normal(size=(2, T, D))


VALUES = [
    MinGRU(d_inner=P),
    MinGRU(candidate="linear"),
    MinGRU(d_inner=P, form="log"),
    MinLSTM(),
    MinLSTM(candidate="linear", normalise=False),
    MinLSTM(d_inner=P, form="log"),
    MinLSTM(form="log", normalise=False),
]


@pytest.mark.parametrize("config", VALUES, ids=repr)
def test_a_sequence_equals_the_loop(config):
    mixer, params, x = drawn(config)
    y = jax.jit(mixer.apply)(params, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, oracle(config, params, x), atol=1e-5)


def test_the_loop_tells_the_options_apart():
    """An oracle that did not read an option would agree with both."""
    config = MinLSTM()
    _, params, x = drawn(config)
    want = oracle(config, params, x)
    for other in (replace(config, candidate="linear"), replace(config, normalise=False)):
        assert np.abs(oracle(other, params, x) - want).max() > 0.1


@pytest.mark.sampled(2)
@pytest.mark.parametrize("config", [MinGRU(), MinLSTM(), MinLSTM(normalise=False)], ids=repr)
def test_the_log_form_has_the_same_value_and_gradient(config):
    log, params, x = drawn(replace(config, form="log"))
    plain = replace(config, d_model=D).make()
    x = jnp.asarray(x, jnp.float32)
    valid = jnp.arange(T) < jnp.array([[4], [T]])

    def total(mixer, params, x):
        y = jnp.where(valid[..., None], mixer.apply(params, x, valid), 0)
        return jnp.sum(jnp.sin(y)), y

    both = [
        jax.jit(jax.value_and_grad(lambda p, x, m=m: total(m, p, x), (0, 1), True))(params, x) for m in (log, plain)
    ]
    for one, other in zip(*map(jax.tree.leaves, both), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5 * max(1.0, float(jnp.abs(other).max())))


def test_extreme_gates_stay_finite_in_log_space():
    """Gates that are shut or open to the last bit, in value and gradient; the state 0 has no logarithm."""
    mixer, params, x = drawn(MinLSTM(form="log"), scale=300.0)
    x = jnp.asarray(x, jnp.float32)
    y, gradient = jax.jit(jax.value_and_grad(lambda p: mixer.apply(p, x).sum()))(params)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in [y, *jax.tree.leaves(gradient)])
    _, state = jax.jit(mixer.extend)(params, x, jnp.zeros((2, D)))
    assert bool(jnp.isfinite(state).all())


@pytest.mark.parametrize("config", [MinGRU(keep_bias=20.0), MinLSTM(forget_bias=20.0)], ids=repr)
def test_a_large_bias_keeps_the_state(config):
    mixer = replace(config, d_model=D).make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    hidden = jax.jit(mixer.inspect)(params, jnp.ones((1, T, D)))
    if isinstance(config, MinGRU):
        np.testing.assert_allclose(hidden["hidden"], 0.5, atol=1e-4)
    assert hidden["keep"].min() > 0.6


def test_a_positive_candidate_keeps_the_state_positive_and_bounded():
    mixer, params, x = drawn(MinGRU(), scale=3.0)
    hidden = jax.jit(mixer.inspect)(params, jnp.asarray(x, jnp.float32))["hidden"]
    assert hidden.min() > 0
    x, w, b = np.asarray(x), *(np.asarray(params["gates"][name]) for name in ("w", "b"))
    assert hidden.max() <= max(0.5, (x @ w + b)[..., D:].max() + 0.5) + 1e-4  # a mean of candidates


@pytest.mark.sampled(1)
@pytest.mark.parametrize("config", [MinGRU(), MinLSTM(form="log", normalise=False)], ids=repr)
@pytest.mark.programs(50)
def test_second_derivatives_equal_differences_of_gradients(config, x64):
    mixer, params, x = drawn(config)
    params, x = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (params, x[:, :3]))
    direction = jax.tree.map(lambda leaf: jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), params)
    gradient = jax.jit(jax.grad(lambda p: jnp.sum(jnp.sin(mixer.apply(p, x)))))
    tangents = jax.tree.map(lambda leaf: jnp.stack([leaf, -2 * leaf]), direction)
    curves = jax.jit(jax.vmap(lambda d: jax.jvp(gradient, (params,), (d,))[1]))(tangents)
    ahead, behind = (jax.tree.map(lambda p, d, s=s: p + s * 1e-5 * d, params, direction) for s in (1, -1))
    for a, b, curve in zip(*map(jax.tree.leaves, (gradient(ahead), gradient(behind), curves)), strict=True):
        np.testing.assert_allclose(curve[0], (a - b) / 2e-5, atol=1e-6)
        np.testing.assert_allclose(curve[1], (b - a) / 1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: MinGRU(form="log", candidate="linear"), "form: got 'log' with candidate='linear'"),
        (lambda: MinGRU(form="parallel"), "form: got 'parallel', wanted one of None, 'sequential'"),
        (lambda: MinLSTM(candidate="tanh"), "candidate: got 'tanh', wanted one of 'linear', 'positive'"),
        (lambda: MinLSTM(d_inner=0), "d_inner: got 0, wanted at least 1"),
    ],
)
def test_a_wrong_option_is_refused_at_once(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_what_is_counted_is_parallel():
    assert MinGRU().countable == MinGRU(form="associative")
    assert MinLSTM(form="log").countable == MinLSTM(form="log")
