"""Jacobians of states against NumPy's: powers of a matrix, their singular values and eigenvalues, and tanh networks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.mixers import GRU, RNN, Attention, Hyena
from attn_jax.models import ModelConfig, classic
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.tasks import TASKS
from attn_jax.training.inside import inside_answers
from attn_jax.training.objective import answers
from attn_jax.training.probes import Jacobians
from attn_jax.training.probes.jacobians import measure, recurrent_layers
from attn_jax.types import IO, Batch

B, T, LAST = 2, 24, 20
TURN = np.array([[0.0, -0.9], [0.9, 0.0]])  # eigenvalues +-0.9 i
SHEAR = np.array([[0.9, 0.5], [0.0, 0.7]])  # grows for a step, and shrinks for ever after


def recurrence(*, detached: bool = False) -> Model:
    """h_t = A h_(t-1) + x_t; the parameter is A, and places are counted beside h."""

    def extend(a, x, state, valid=None):
        h = jax.lax.stop_gradient(state["h"]) if detached else state["h"]
        return None, {"h": h @ a.T + x[:, 0], "read": state["read"] + 1}

    def init_state(a, batch_size, max_length):
        return {"h": jnp.zeros((batch_size, 2)), "read": jnp.zeros(batch_size, jnp.int32)}

    return Model(*(None,) * 4, init_state, extend, lambda *args: {})


def said(model, config=Jacobians(num_places=T)):  # noqa: B008 -- frozen
    """What the probe measures, compiled once."""
    return jax.jit(partial(measure, config, model, inside_answers(model).asked))


def channels() -> Batch:
    """Real inputs, all places counted up to LAST."""
    x = np.random.default_rng(0).normal(size=(B, T, 2)).astype(np.float32)
    counted = np.arange(T) <= np.full((B, 1), LAST)
    return Batch(x, x, counted.astype(np.float32), counted, np.ones((B, T), bool))


def require_powers(measured, a):
    """The largest singular value of A^k, and the largest eigenvalue of A."""
    got = jax.tree.map(np.asarray, measured(np.float32(a), channels(), jax.random.key(1)))
    assert got.keys() == {"k", "all/log10_growth", "all/radius", "all/slope"}
    np.testing.assert_array_equal(got["k"], np.arange(T))
    want = [np.log10(np.linalg.norm(np.linalg.matrix_power(a, k), 2)) for k in range(LAST + 1)]
    np.testing.assert_allclose(got["all/log10_growth"][: LAST + 1], want, atol=1e-5)
    assert np.isnan(got["all/log10_growth"][LAST + 1 :]).all()
    np.testing.assert_allclose(got["all/radius"], np.abs(np.linalg.eigvals(a)).max(), rtol=1e-4)
    slope = np.polyfit(np.arange(T // 4 - 1, LAST + 1), want[T // 4 - 1 :], 1)[0]
    np.testing.assert_allclose(got["all/slope"], slope, rtol=1e-3, atol=1e-6)


def test_a_linear_recurrence_has_powers_of_its_matrix():
    measured = said(recurrence())
    for a in (TURN, SHEAR, TURN / 0.9, 1e-3 * np.eye(2), np.diag([1.5, 0.5])):  # 1e-60 is below all float32
        require_powers(measured, a)


def test_a_state_that_is_detached_is_refused():
    with pytest.raises(AssertionError):
        require_powers(said(recurrence(detached=True)), SHEAR)


@pytest.mark.parametrize("num_layers", [2, pytest.param(6, marks=pytest.mark.exhaustive)])  # 6 are stacked
def test_layers_of_a_tanh_network_have_their_own_products(num_layers):
    model = classic(RNN(), d_model=4, num_layers=num_layers).make(IO(num_classes=3, vocab_size=5), 12)
    params = jax.jit(model.init)(jax.random.key(0))
    tokens, yes = np.random.default_rng(1).integers(5, size=(B, 12)), np.ones((B, 12), bool)
    batch = Batch(tokens, tokens, yes.astype(np.float32), yes, yes)
    got = said(model, Jacobians(num_places=4))(params, batch, jax.random.key(2))
    x = np.asarray(params["embedding"]["table"], np.float64)[tokens]
    for name, layer in model.layers(params).items():
        if name.startswith("layer_"):
            x, growth, radius = _by_hand(jax.tree.map(np.float64, layer["mixer"]["cell"]), x, np.asarray(got["k"]))
            np.testing.assert_allclose(got[f"{name}/log10_growth"], growth, atol=0.01)  # from below, by power iteration
            np.testing.assert_allclose(got[f"{name}/radius"], radius, rtol=0.03)


def _by_hand(cell, x, k):
    """A layer's states, and log10 of the norm of products and the eigenvalue of the last factor, means over rows."""
    h, states = np.zeros(x[:, 0].shape), []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ cell["w_x"] + h @ cell["w_h"] + cell["b"])
        states.append(h)
    steps = (1 - np.square(states))[..., None] * cell["w_h"].T  # [T, B, P, P]
    product, norms = np.broadcast_to(np.eye(h.shape[1]), steps[0].shape), []
    for step in steps[::-1]:
        norms.append(np.log10(np.linalg.norm(product, 2, axis=(-2, -1))).mean())
        product = product @ step
    return np.stack(states, 1), np.array(norms)[k], np.abs(np.linalg.eigvals(steps[-1])).max(-1).mean()


def test_layers_whose_state_grows_with_the_sequence_are_left_out():
    mixers = (Attention(num_heads=1), GRU(), Hyena(), Attention(num_heads=1, window=2))
    task = TASKS["parity"].make()
    model = ModelConfig(4, 4, mixers).make(task.spec.io, 8)
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert recurrent_layers(model, params, 8) == ["layer_1"]
    probe = Jacobians().make(model, answers(model, task))
    assert probe is not None
    attention = ModelConfig(4, 1, mixers[:1]).make(task.spec.io, 8)
    probe = Jacobians().make(attention, answers(attention, task))
    assert probe is not None
    params = jax.eval_shape(attention.init, jax.random.key(0))
    tokens = jnp.zeros((2, 8), jnp.int32)
    batch = Batch(tokens, tokens, tokens * 1.0, tokens > 0, tokens == 0)
    assert jax.eval_shape(probe.measure, params, batch, jax.random.key(0)) == {}


def test_what_has_no_states_or_too_few_places_is_refused():
    assert Jacobians().make(EncoderDecoder(*(None,) * 5), None) is None
    with pytest.raises(ValueError, match="num_places: got 1"):
        Jacobians(num_places=1)
