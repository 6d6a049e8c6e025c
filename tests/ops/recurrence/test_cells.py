"""Recurrent cells against float64 NumPy loops and flax's own cells."""

from functools import partial

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.recurrence.cells import gru_step, lstm_step, rnn_step, scan_cell

B, T, D, P = 2, 5, 3, 4
STEPS = {"rnn": (rnn_step, 1, 1), "lstm": (lstm_step, 4, 2), "gru": (gru_step, 3, 1)}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_oracle(p, h, x):
    return np.tanh(x @ p["w_x"] + h @ p["w_h"] + p["b"])


def lstm_oracle(p, state, x):
    h, c = state
    i, f, g, o = np.split(x @ p["w_x"] + h @ p["w_h"] + p["b"], 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_oracle(p, h, x):
    r, u, n = np.split(x @ p["w_x"] + p["b"], 3, axis=-1)
    r_h, u_h, n_h = np.split(h @ p["w_h"] + p["b_h"], 3, axis=-1)
    u = sigmoid(u + u_h)
    return (1 - u) * np.tanh(n + sigmoid(r + r_h) * n_h) + u * h


ORACLES = {"rnn": rnn_oracle, "lstm": lstm_oracle, "gru": gru_oracle}


def drawn(name, seed=0):
    """Parameters, inputs and a state that is not zero, float64."""
    _, gates, states = STEPS[name]
    rng = np.random.default_rng(seed)
    p = {
        "w_x": rng.normal(size=(D, gates * P)),
        "w_h": rng.normal(size=(P, gates * P)),
        "b": rng.normal(size=gates * P),
    }
    if name == "gru":
        p["b_h"] = rng.normal(size=gates * P)
    state = tuple(rng.normal(size=(B, P)) for _ in range(states))
    return p, rng.normal(size=(B, T, D)), state if states > 1 else state[0]


def hidden(state):
    return state[0] if isinstance(state, tuple) else state


def as32(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), tree)


@pytest.mark.parametrize("name", STEPS)
def test_a_sequence_equals_the_loop(name):
    p, x, state = drawn(name)
    y, last = jax.jit(lambda p, x, s: scan_cell(STEPS[name][0], p, x, s))(as32(p), as32(x), as32(state))
    for t in range(T):
        state = ORACLES[name](p, state, x[:, t])
        np.testing.assert_allclose(y[:, t], hidden(state), atol=2e-6)
    chex.assert_trees_all_close(last, as32(state), atol=2e-6)


@pytest.mark.parametrize("name", STEPS)
def test_gradients_equal_finite_differences(name, x64):
    p, x, state = drawn(name)

    def total(p, x, state):
        y, last = scan_cell(STEPS[name][0], p, x, state)
        return jnp.sum(jnp.sin(y)) + sum(jnp.sum(leaf) for leaf in jax.tree.leaves(last))

    jax.test_util.check_grads(jax.jit(total), (p, x, state), order=1, modes=("fwd", "rev"), rtol=1e-5)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", STEPS)
def test_the_scan_of_a_known_cell_is_that_of_its_steps(name, x64):
    """Values, both modes and second order, with padding: the rule of the whole against JAX's own of each step."""
    p, x, state = drawn(name)
    valid = np.arange(T) < np.array([[3], [T]])
    step = STEPS[name][0]

    def total(step, inputs):
        y, last = scan_cell(step, *inputs, valid)
        return jnp.sum(jnp.sin(y)) + sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(last))

    def seen(step, inputs):
        along = jax.tree.map(jnp.ones_like, inputs)
        value, moved = jax.jvp(partial(total, step), (inputs,), (along,))
        gradient, bent = jax.jvp(jax.grad(partial(total, step)), (inputs,), (along,))
        return value, moved, gradient, bent

    both = jax.jit(lambda inputs: (seen(step, inputs), seen(lambda *args: step(*args), inputs)))
    chex.assert_trees_all_close(*both((p, x, state)), atol=1e-10)


@pytest.mark.parametrize("name", STEPS)
def test_padding_holds_the_state(name):
    p, x, state = map(as32, drawn(name))
    valid = np.arange(T) < np.array([[3], [T]])
    run = jax.jit(lambda *inputs: jax.tree.map(lambda s: s[0], scan_cell(STEPS[name][0], *inputs)[1]))
    chex.assert_trees_all_close(run(p, x, state, valid), run(p, x[:, :3], state), atol=1e-6)


@pytest.mark.parametrize("valid", [[[0, 1]], [[False, True]], [[True]]], ids=["ints", "hole", "shape"])
def test_padding_that_is_no_prefix_is_refused(valid):
    with pytest.raises(ValueError, match=r"^valid: got "):
        scan_cell(rnn_step, {}, np.ones((1, 2, 1), np.float32), jnp.zeros((1, 1)), valid)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_backward_keeps_the_slopes_and_nothing_wider(name):
    """What the forward pass saves a step is as wide as the gates, the slopes of the states and the state before."""
    p, x, state = map(as32, drawn(name))
    gates = STEPS[name][1]
    _, pull = jax.vjp(lambda p: scan_cell(STEPS[name][0], p, x, state)[0], p)
    saved = [leaf.shape for leaf in jax.tree.leaves(pull) if leaf.ndim == 3 and leaf.shape[0] == T]
    assert {shape[1] for shape in saved} == {B}
    assert gates * P < sum(shape[2] for shape in saved) <= (gates + 2) * P


@pytest.mark.parametrize("name", STEPS)
def test_a_step_going_backward_has_one_product(name):
    """Back through w_h; the gradients of weights and inputs are one product each, after the scan."""
    p, x, state = map(as32, drawn(name))
    pull = jax.make_jaxpr(jax.grad(lambda p: scan_cell(STEPS[name][0], p, x, state)[0].sum()))(p)
    (back,) = [eqn for eqn in pull.eqns if eqn.primitive.name == "scan" and eqn.params["reverse"]]
    assert str(back.params["jaxpr"]).count("dot_general") == 1


def test_lstm_equals_flax():
    cell = nn.OptimizedLSTMCell(P)
    x, h, c = as32((np.ones((B, D)), np.full((B, P), 0.3), np.full((B, P), -0.2)))
    own = jax.device_get(jax.jit(cell.init)(jax.random.key(0), (c, h), x)["params"])
    (c_want, h_want), _ = jax.jit(cell.apply)({"params": own}, (c, h), x)
    order = "ifgo"
    p = {
        "w_x": np.concatenate([own[f"i{gate}"]["kernel"] for gate in order], 1),
        "w_h": np.concatenate([own[f"h{gate}"]["kernel"] for gate in order], 1),
        "b": np.concatenate([own[f"h{gate}"]["bias"] for gate in order]),
    }
    (h_got, c_got), _ = jax.jit(lstm_step)(p, (h, c), x)
    chex.assert_trees_all_close((h_got, c_got), (h_want, c_want), atol=1e-6)


def test_gru_equals_flax():
    cell = nn.GRUCell(P)
    x, h = as32((np.linspace(-1, 1, B * D).reshape(B, D), np.full((B, P), 0.3)))
    own = jax.device_get(jax.jit(cell.init)(jax.random.key(0), h, x)["params"])
    want, _ = jax.jit(cell.apply)({"params": own}, h, x)
    p = {
        "w_x": np.concatenate([own[f"i{gate}"]["kernel"] for gate in "rzn"], 1),
        "w_h": np.concatenate([own[f"h{gate}"]["kernel"] for gate in "rzn"], 1),
        "b": np.concatenate([own[f"i{gate}"]["bias"] for gate in "rzn"]),
        "b_h": np.concatenate([np.zeros(2 * P, np.float32), own["hn"]["bias"]]),
    }
    chex.assert_trees_all_close(jax.jit(gru_step)(p, h, x)[0], want, atol=1e-6)


def test_rnn_equals_flax():
    cell = nn.SimpleCell(P)
    x, h = as32((np.linspace(-1, 1, B * D).reshape(B, D), np.full((B, P), 0.3)))
    own = jax.jit(cell.init)(jax.random.key(0), h, x)["params"]
    want, _ = jax.jit(cell.apply)({"params": own}, h, x)
    p = {"w_x": own["i"]["kernel"], "w_h": own["h"]["kernel"], "b": own["i"]["bias"]}
    chex.assert_trees_all_close(jax.jit(rnn_step)(p, h, x)[0], want, atol=1e-6)


def test_padding_holds_states_of_any_rank():
    """A matrix state as wide as the batch: the mask must follow the batch axis, not broadcast against the last."""
    valid = jnp.array([[True, True, True], [True, False, False]])

    def count(params, state, x):
        return jax.tree.map(lambda leaf: leaf + 1, state), x

    _, last = scan_cell(count, None, jnp.zeros((2, 3, 1)), (jnp.zeros((2, 2, 2)), jnp.zeros(2)), valid)
    np.testing.assert_array_equal(last[0], np.array([3.0, 1.0])[:, None, None] * np.ones((2, 2, 2)))
    np.testing.assert_array_equal(last[1], [3.0, 1.0])
