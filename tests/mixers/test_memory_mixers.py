"""Networks with a stack and a tape: against loops, real Python lists, and parameters set by hand that solve a task."""

import re
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from attn_jax.mixers.parts.memory_controller import bind_memory
from attn_jax.mixers.stack_rnn import StackRNN, empty_stack, update_stack
from attn_jax.mixers.tape_rnn import TapeRNN, empty_tape, update_tape
from attn_jax.testing import check_mixer

SURE = 1e3  # a logit, or a weight into tanh, that leaves nothing to chance in float32
OPTIONS = {
    "stack lstm": StackRNN(controller="lstm", d_inner=8, memory_size=3),
    "tape gru": TapeRNN(controller="gru", d_inner=8, memory_size=3, cell_size=2),
}


@pytest.mark.parametrize("config", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.exhaustive
def test_the_contract(config):
    check_mixer(config)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def rnn_loop(p, state, x):
    h = np.tanh(x @ p["w_x"] + state[0] @ p["w_h"] + p["b"])
    return (h,)


def lstm_loop(p, state, x):
    i, f, g, o = np.split(x @ p["w_x"] + state[0] @ p["w_h"] + p["b"], 4)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_loop(p, state, x):
    zx, zh = x @ p["w_x"] + p["b"], state[0] @ p["w_h"] + p["b_h"]
    (r, u, n), (r_h, u_h, n_h) = np.split(zx, 3), np.split(zh, 3)
    u, n = sigmoid(u + u_h), np.tanh(n + sigmoid(r + r_h) * n_h)
    return ((1 - u) * n + u * state[0],)


def stack_loop(stack, value, actions):
    """Push, pop, no-op, cell by cell."""
    size, new = len(stack), np.zeros_like(stack)
    for i in range(size):
        above = value if i == 0 else stack[i - 1]
        below = np.zeros_like(value) if i == size - 1 else stack[i + 1]
        new[i] = actions[0] * above + actions[1] * below + actions[2] * stack[i]
    return new


def tape_loop(tape, value, actions):
    """Stay, left, right, jump, cell by cell; the marker of the first cell is the last column."""
    size, new = len(tape), np.zeros_like(tape)
    tape = tape.copy()
    tape[0, :-1] = value
    first = tape[:, -1].copy()
    for i in range(size):
        back = np.sum([first[k] * tape[(i + k) % size] for k in range(size)], 0)
        back[-1] = i == 0
        new[i] = actions[0] * tape[i] + actions[1] * tape[i - 1] + actions[2] * tape[(i + 1) % size] + actions[3] * back
    return new


def loop(config, params, x):
    """Outputs [T, D] of one sequence in float64."""
    tape, size = isinstance(config, TapeRNN), config.inner
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    cell = {"rnn": rnn_loop, "lstm": lstm_loop, "gru": gru_loop}[config.controller]
    state = tuple(np.zeros(size) for _ in range(2 if config.controller == "lstm" else 1))
    memory, out = np.zeros((config.memory_size, config.cell_size + tape)), []
    if tape:
        memory[0, -1] = 1
    for x_t in x:
        state = cell(params["cell"], state, np.concatenate([x_t, memory[0, : config.cell_size]]))
        z = state[0] @ params["access"]["w"] + params["access"]["b"]
        weights = np.exp(z[config.cell_size :])
        memory = (tape_loop if tape else stack_loop)(memory, z[: config.cell_size], weights / weights.sum())
        out.append(state[0] @ params["out"]["w"] + params["out"]["b"] if "out" in params else state[0])
    return np.stack(out)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "config",
    [
        StackRNN(memory_size=3, cell_size=2),
        StackRNN(controller="gru", d_inner=4, memory_size=1),
        TapeRNN(controller="lstm", memory_size=4, cell_size=2),
        TapeRNN(memory_size=3, d_inner=4, cell_size=3),
    ],
    ids=str,
)
@pytest.mark.programs(50)
def test_the_loop_gives_the_same(config):
    config = replace(config, d_model=5)
    mixer = config.make()
    params = jax.tree.map(lambda leaf: 2 * leaf + 0.1, mixer.init(jax.random.key(0)))
    x = jax.random.normal(jax.random.key(1), (2, 7, 5))
    y = jax.jit(mixer.apply)(params, x)
    for row in range(2):
        np.testing.assert_allclose(y[row], loop(config, params, np.asarray(x[row], np.float64)), atol=2e-5)


def driven(config, actions):
    """Parameters with which x [symbol V, action A, reading V] does the action and y shows the cell in reach last."""
    V, D = config.cell_size, config.width
    w_x, access = np.zeros((D + V, D)), np.zeros((D, V + actions))
    for i in range(V + actions):
        w_x[i, i] = access[i, i] = 1
    access[V : V + actions] *= SURE
    for i in range(V):
        w_x[D + i, V + actions + i] = SURE
    w_x[: V + actions] *= SURE
    cell = {"w_x": w_x, "w_h": np.zeros((D, D)), "b": np.zeros(D)}
    params = {"cell": cell, "access": {"w": access, "b": np.zeros(V + actions)}}
    return jax.tree.map(partial(jnp.asarray, dtype=jnp.float32), params)


class PythonStack(list):
    """push, pop, no-op on a list with the top last; what sinks too deep is lost."""

    def read(self):
        return self[-1] if self else 0

    def act(self, action, value, size):
        if action == 0:
            self.append(value)
            del self[:-size]
        elif action == 1 and self:
            self.pop()


class PythonTape(dict):
    """stay, left, right, jump of a head over numbered cells."""

    head = 0

    def read(self):
        return self.get(self.head, 0)

    def act(self, action, value, size):
        self[self.head] = value
        self.head = 0 if action == 3 else (self.head + (0, -1, 1)[action]) % size


@pytest.mark.parametrize(
    ("config", "actions", "real"), [(StackRNN(), 3, PythonStack), (TapeRNN(), 4, PythonTape)], ids=["stack", "tape"]
)
def test_sure_actions_are_those_of_a_real_one(config, actions, real):
    """Overflow, pops of an empty stack, the ring's ends and jumps from everywhere are among 200 random actions."""
    V, size, T = 4, 5, 200
    config = replace(config, cell_size=V, memory_size=size, d_model=2 * V + actions)
    rng = np.random.default_rng(0)
    symbols, moves = rng.integers(1, 2**V, T), rng.integers(0, actions, T)
    bits = symbols[:, None] >> np.arange(V) & 1
    x = np.concatenate([bits, np.eye(actions)[moves], np.zeros((T, V))], 1)[None].astype(np.float32)
    y = jax.jit(config.make().apply)(driven(config, actions), jnp.asarray(x))[0, :, V + actions :]
    memory, want = real(), []
    for symbol, move in zip(symbols, moves, strict=True):
        want.append(memory.read())
        memory.act(move, symbol, size)
    np.testing.assert_array_equal(y, np.stack(want)[:, None] >> np.arange(V) & 1)


STRING = (2, 0, 3, 3, 1)
PUSH, POP, RIGHT, JUMP = 0, 1, 2, 3


def check_says(mixer, config, actions, plan, answer):
    """Goes through a plan of (symbol or None, action) and raises unless the last outputs are the answer, exactly."""
    V = config.cell_size
    x = np.zeros((1, len(plan), config.width), np.float32)
    for t, (symbol, action) in enumerate(plan):
        x[0, t, V + action] = 1
        if symbol is not None:
            x[0, t, symbol] = 1
    y = jax.jit(mixer.apply)(driven(config, actions), jnp.asarray(x))[0, -len(answer) :, V + actions :]
    np.testing.assert_array_equal(y, np.eye(V)[list(answer)])


def test_a_stack_reverses():
    """Push while reading, pop while writing; with the two exchanged it does not."""
    config = StackRNN(d_model=11, cell_size=4, memory_size=6)
    plan = [(s, PUSH) for s in STRING] + [(None, POP)] * len(STRING)
    check_says(config.make(), config, 3, plan, STRING[::-1])

    def exchanged(memory, value, actions):
        return update_stack(memory, value, actions[:, jnp.array([POP, PUSH, 2])])

    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check_says(bind_memory(config, 3, empty_stack, exchanged), config, 3, plan, STRING[::-1])


def test_a_tape_copies():
    """Write rightwards, jump to the first cell, read rightwards; with right for left, or no jump, it does not."""
    config = TapeRNN(d_model=12, cell_size=4, memory_size=7)
    plan = [(s, RIGHT) for s in STRING] + [(None, JUMP)] + [(None, RIGHT)] * len(STRING)
    check_says(config.make(), config, 4, plan, STRING)

    def stays_for_a_jump(memory, value, actions):
        return update_tape(memory, value, actions[:, jnp.array([JUMP, 1, RIGHT, 0])])

    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check_says(bind_memory(config, 4, empty_tape, stays_for_a_jump), config, 4, plan, STRING)


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("update", "actions"), [(update_stack, 3), (update_tape, 4)], ids=["stack", "tape"])
def test_derivatives_of_the_update(update, actions, x64):
    """Forward, reverse and forward over reverse."""
    rng = np.random.default_rng(0)
    memory = (rng.normal(size=(2, 3, 2)), rng.normal(size=(2, 3)))[: actions - 2]
    value, weights = rng.normal(size=(2, 2)), rng.normal(size=(2, actions))

    def total(*arguments):
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in update(*arguments))

    check_grads(jax.jit(total), (memory, value, weights), order=2)


@pytest.mark.programs(50)
def test_a_mixture_of_moves_keeps_what_is_on_the_tape():
    """Each move is a permutation of the cells, so that a mixture keeps their sum where the marker is sure."""
    rng = np.random.default_rng(0)
    tape, first = rng.normal(size=(1, 5, 2)), np.eye(5)[None, 3]
    value, actions = tape[:, 0], np.array([[0.1, 0.2, 0.3, 0.4]])
    after, marker = update_tape(tuple(map(jnp.asarray, (tape, first))), jnp.asarray(value), jnp.asarray(actions))
    np.testing.assert_allclose(after.sum(1), tape.sum(1), atol=1e-6)
    np.testing.assert_allclose(marker[0], [0.4, 0, 0.3, 0.1, 0.2], atol=1e-6)


@pytest.mark.parametrize(
    ("config", "size"), [(StackRNN(controller="lstm"), 16 + 16 + 320), (TapeRNN(d_inner=4), 4 + 320 + 40)]
)
def test_the_memory_is_a_part_of_the_state_and_not_of_the_length(config, size):
    mixer = replace(config, d_model=16).make()
    for length in (1, 1000):
        state = jax.eval_shape(partial(mixer.init_state, None, 1, length))
        assert sum(leaf.size for leaf in jax.tree.leaves(state)) == size


def test_inspect_shows_what_is_done():
    mixer = TapeRNN(d_model=6, d_inner=5, controller="gru", cell_size=2, memory_size=3).make()
    params, x = jax.jit(mixer.init)(jax.random.key(0)), np.ones((2, 4, 6), np.float32)
    seen, y = jax.jit(lambda: (mixer.inspect(params, x), mixer.apply(params, x)))()
    sizes = {"hidden": 5, "keep": 5, "reset": 5, "actions": 4, "value": 2}
    assert {name: leaf.shape[2] for name, leaf in seen.items()} == sizes
    np.testing.assert_allclose(seen["hidden"] @ params["out"]["w"] + params["out"]["b"], y, atol=1e-5)
    cell, read = params["cell"], np.zeros((2, 2))  # the first place reads an empty memory from a state of zeros
    z = np.concatenate([x[:, 0], read], 1) @ cell["w_x"] + cell["b"] + cell["b_h"]
    np.testing.assert_allclose(seen["reset"][:, 0], 1 / (1 + np.exp(-z[:, :5])), atol=1e-5)
    np.testing.assert_allclose(seen["actions"].sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: StackRNN(controller="mlp"), "controller: got 'mlp', wanted one of 'rnn', 'lstm', 'gru'"),
        (lambda: StackRNN(cell_size=0), "cell_size: got 0, wanted at least 1"),
        (lambda: TapeRNN(memory_size=0), "memory_size: got 0, wanted at least 1"),
        (lambda: TapeRNN(d_inner=0), "d_inner: got 0, wanted at least 1"),
    ],
)
def test_a_wrong_option_is_refused(make, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        make()
