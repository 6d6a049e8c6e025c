"""Recurrent cells, a step each, and the scan that runs one over a sequence.

A step maps (params, state, x[B, D]) to (state, y[B, P]). States keep their dtype, whatever that of x. The input
projection stays inside the step: hoisted out of the scan it costs a [T, B, 4P] temporary and 1.2-1.55x the time.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from attn_jax.ops.arguments import floats, takes
from attn_jax.ops.padding import prefix
from attn_jax.ops.placement import vary_with
from attn_jax.ops.recurrence.cell_scan import GRU, LSTM, RNN, Cell, held, scan_known
from attn_jax.ops.recurrence.cell_sums import summed, summed_apart
from attn_jax.types import Array, Params, State

# Of a step outside of `scan_known` (`watched`, a scan of one's own): going backward only the values named "gates" are
# kept and the rest of the step is computed again.
_saving_gates = partial(
    jax.checkpoint, prevent_cse=False, policy=jax.checkpoint_policies.save_only_these_names("gates")
)


def _pair(name: str, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """A state (h, c)."""
    if not isinstance(state, (tuple, list)) or len(state) != 2:
        raise ValueError(f"{name}: got {type(state).__name__}, wanted a pair (h, c)")
    return floats(name, state[0]), floats(name, state[1])


@takes(h=floats, x=floats)
def rnn_step(params: Params, h: Array, x: Array) -> tuple[Array, Array]:
    """One step of the tanh recurrent network of Elman.

    h' = tanh(x w_x + h w_h + b)

    Args:
      params: w_x [D, P], w_h [P, P], b [P].
      h: [B, P], the hidden state.
      x: [B, D].

    Returns:
      (h', h'), [B, P] in h's dtype.

    >>> p = {"w_x": jnp.ones((1, 1)), "w_h": jnp.ones((1, 1)), "b": jnp.zeros(1)}
    >>> rnn_step(p, jnp.ones((2, 1)), -jnp.ones((2, 1)))[1].tolist()
    [[0.0], [0.0]]

    Reference: Elman 1990, Finding Structure in Time.
    """
    h = jnp.tanh(summed(params, h, x)).astype(h.dtype)
    return h, h


@takes(state=_pair, x=floats)
@_saving_gates
def lstm_step(params: Params, state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], Array]:
    """One step of the long short-term memory with forget gate.

    i, f, g, o = x w_x + h w_h + b;    c' = sigmoid(f) c + sigmoid(i) tanh(g);    h' = sigmoid(o) tanh(c')

    Args:
      params: w_x [D, 4P], w_h [P, 4P], b [4P]; gates in the order i, f, g, o.
      state: (h, c), [B, P] each.
      x: [B, D].

    Returns:
      ((h', c'), h') in the state's dtype.

    >>> p = {"w_x": jnp.zeros((1, 4)), "w_h": jnp.zeros((1, 4)), "b": jnp.zeros(4)}
    >>> lstm_step(p, (jnp.zeros((1, 1)), jnp.full((1, 1), 2.0)), jnp.ones((1, 1)))[0][1].tolist()
    [[1.0]]

    Reference: Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000 (the forget gate).
    """
    h, c = state
    i, f, g, o = jnp.split(checkpoint_name(summed(params, h, x), "gates"), 4, -1)
    c = (jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)).astype(c.dtype)
    h = (jax.nn.sigmoid(o) * jnp.tanh(c)).astype(h.dtype)
    return (h, c), h


@takes(h=floats, x=floats)
@_saving_gates
def gru_step(params: Params, h: Array, x: Array) -> tuple[Array, Array]:
    """One step of the gated recurrent unit, reset gate after the product (the form of cuDNN and torch).

    r, u, n = x w_x + b;    r', u', n' = h w_h + b_h
    h' = (1 - sigmoid(u + u')) tanh(n + sigmoid(r + r') n') + sigmoid(u + u') h

    Args:
      params: w_x [D, 3P], w_h [P, 3P], b [3P], b_h [3P]; gates in the order r, u, n.
      h: [B, P], the hidden state.
      x: [B, D].

    Returns:
      (h', h'), [B, P] in h's dtype.

    >>> p = {"w_x": jnp.zeros((1, 3)), "w_h": jnp.zeros((1, 3)), "b": jnp.zeros(3), "b_h": jnp.zeros(3)}
    >>> gru_step(p, jnp.full((1, 1), 2.0), jnp.ones((1, 1)))[1].tolist()
    [[1.0]]

    Reference: Cho et al. 2014, arXiv 1406.1078; the reset gate's place: Chung et al. 2014, arXiv 1412.3555, and cuDNN.
    """
    zx, zh = summed_apart(params, h, x)
    zh = checkpoint_name(zh, "gates")
    (r, u, n), (r_h, u_h, n_h) = jnp.split(zx, 3, -1), jnp.split(zh, 3, -1)
    update = jax.nn.sigmoid(u + u_h)
    new = jnp.tanh(n + jax.nn.sigmoid(r + r_h) * n_h)
    h = ((1 - update) * new + update * h).astype(h.dtype)
    return h, h


@takes(state=_pair, x=floats)
def lstm_gates(params: Params, state: tuple[Array, Array], x: Array) -> dict[str, Array]:
    """How far the gates of `lstm_step` are open, [..., P] each: sigmoid(f), sigmoid(i), sigmoid(o).

    Args:
      params, state, x: as of the step, with any number of leading axes.

    >>> p = {"w_x": jnp.zeros((1, 4)), "w_h": jnp.zeros((1, 4)), "b": jnp.array([0.0, 100.0, 0.0, -100.0])}
    >>> gates = lstm_gates(p, (jnp.zeros((1, 1)), jnp.zeros((1, 1))), jnp.ones((1, 1)))
    >>> {name: gate.tolist() for name, gate in gates.items()}
    {'keep': [[1.0]], 'write': [[0.5]], 'read': [[0.0]]}
    """
    i, f, _, o = jnp.split(jax.nn.sigmoid(summed(params, state[0], x)), 4, -1)
    return {"keep": f, "write": i, "read": o}


@takes(h=floats, x=floats)
def gru_gates(params: Params, h: Array, x: Array) -> dict[str, Array]:
    """How far the gates of `gru_step` are open, [..., P] each: sigmoid(u + u'), sigmoid(r + r').

    Args:
      params, h, x: as of the step, with any number of leading axes.

    >>> p = {"w_x": jnp.zeros((1, 3)), "w_h": jnp.zeros((1, 3)), "b": jnp.array([0.0, 100.0, 0.0]), "b_h": jnp.zeros(3)}
    >>> {name: gate.tolist() for name, gate in gru_gates(p, jnp.zeros((1, 1)), jnp.ones((1, 1))).items()}
    {'keep': [[1.0]], 'reset': [[0.5]]}
    """
    zx, zh = summed_apart(params, h, x)
    r, u, _ = jnp.split(jax.nn.sigmoid(zx + zh), 3, -1)
    return {"keep": u, "reset": r}


def no_gates(params: Params, state: State, x: Array) -> dict[str, Array]:
    """Those of a cell without."""
    del params, state, x
    return {}


def watched(step: Callable, gates: Callable) -> Callable:
    """A step that says its gates beside y: (params, state, x) -> (state, (y, gates))."""

    def both(params: Params, state: State, x: Array) -> tuple[State, tuple[Array, dict[str, Array]]]:
        shown = gates(params, state, x)
        state, y = step(params, state, x)
        return state, (y, shown)

    return both


@takes(x=partial(floats, rank=3, letters="[B, T, D]"))
def scan_cell(step: Callable, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Any, State]:
    """Runs a cell over a sequence, holding the state where a place is padding.

    Args:
      step: (params, state, x[B, D]) -> (state, y[B, P]), or leaves [B, ...] of a tree for y.
      params: the cell's parameters.
      x: [B, T, D].
      state: the state before the first place, leaves [B, ...].
      valid: [B, T] bool, a prefix of each row, False = padding; None = all valid.

    Returns:
      (y [B, T, P], the state after the last valid place).

    >>> def count(params, n, x): return n + 1, n
    >>> scan_cell(count, None, jnp.ones((1, 3, 1)), jnp.zeros((1, 1)))[0][0, :, 0].tolist()
    [0.0, 1.0, 2.0]
    """

    valid = prefix("valid", valid, x.shape[:2])
    time_major = jnp.swapaxes(x, 0, 1), vary_with(state, params, x, valid), None if valid is None else valid.T
    known = next((cell for cell in _KNOWN if cell.step is step), None)
    run = partial(_scan, step) if known is None else partial(scan_known, known)
    y, state = run(params, *time_major)
    return jax.tree.map(lambda leaf: jnp.swapaxes(leaf, 0, 1), y), state


def _scan(step: Callable, params: Params, x: Array, state: State, valid: Array | None) -> tuple[Any, State]:
    """`scan_cell` of what is time-major and checked."""

    def body(state, inputs):
        x_t, valid_t = inputs
        new, y = step(params, state, x_t)
        return held(valid_t, new, state), y

    state, y = lax.scan(body, state, (x, valid))
    return y, state


_KNOWN = (Cell(rnn_step, *RNN), Cell(lstm_step, *LSTM), Cell(gru_step, *GRU))
