"""A cell over a sequence, with a derivative that is one linear scan: the same numbers, and faster gradients.

JAX transposes a scan step by step: each step going backward multiplies for the gradient of the weights, and computes
its gates again. Here the tangent of a state is a linear map of few arrays, the *slopes*, which are saved:

    ds_{t+1} = K_t ds_t + S_t (dz_t + dh_t w_h);    dz_t = dx_t w_x + x_t dw_x + h_t dw_h + db

z are the cell's sums before its gates, K and S elementwise. dz of all places is one product before the scan, so that
going backward the gradients of weights, biases and inputs are one product each, after it. The rule is linear in the
tangents, forward mode is the rule itself, and second order is the rule differentiated.

Reference: Appleyard, Kocisky & Blunsom 2016, arXiv 1604.01946, section 3.3 (one product for the weights' gradient).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.ops.recurrence.cell_sums import add, product, summed, summed_apart
from attn_jax.types import Array, Params, State


class Cell(NamedTuple):
    """A cell whose derivative is known; the first leaf of its state is h, which is what it says."""

    step: Callable  # (params, state, x[B, D]) -> (state, y)
    saving: Callable  # the same arguments -> (state, slopes)
    sums: Callable  # (params, dparams, x, dx, h) -> dz of rows, as far as it does not depend on dh
    move: Callable  # (w_h, slopes, dz, dstate) -> the tangent of the next state


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def scan_known(cell: Cell, params: Params, x: Array, state: State, valid: Array | None) -> tuple[Array, State]:
    """(y [T, B, P], the state after the last valid place) of x [T, B, D] and valid [T, B]."""

    def body(state: State, inputs: tuple[Array, Array | None]) -> tuple[State, Array]:
        x_t, valid_t = inputs
        new, y = cell.step(params, state, x_t)
        return held(valid_t, new, state), y

    state, y = lax.scan(body, state, (x, valid))
    return y, state


@scan_known.defjvp
def _scan_known_jvp(cell: Cell, primals: tuple[Any, ...], tangents: tuple[Any, ...]):
    """The rule above."""
    (params, x, state, valid), (dparams, dx, dstate, _) = primals, tangents

    def body(state: State, inputs: tuple[Array, Array | None]) -> tuple[State, Any]:
        x_t, valid_t = inputs
        new, slopes = cell.saving(params, state, x_t)
        return held(valid_t, new, state), (_hidden(new), _hidden(state), slopes)

    last, (y, before, slopes) = lax.scan(body, state, (x, valid))
    dz = cell.sums(params, dparams, _rows(x), _rows(dx), _rows(before).astype(x.dtype))
    dz = dz.reshape(*x.shape[:2], dz.shape[-1])

    def move(dstate: State, inputs: tuple[Array, Any, Array | None]) -> tuple[State, Array]:
        dz_t, slopes_t, valid_t = inputs
        new = cell.move(partial(_through, x.dtype, params["w_h"]), slopes_t, dz_t, dstate)
        return held(valid_t, new, dstate), _hidden(new)

    dlast, dy = lax.scan(move, dstate, (dz, slopes, valid))
    return (y, last), (dy, dlast)


def held(valid: Array | None, new: State, old: State) -> State:
    """The new state in the rows [B] that are valid, the old one in the others; None: all are."""
    if valid is None:
        return new
    return jax.tree.map(
        lambda new, old: jnp.where(valid.reshape(valid.shape + (1,) * (new.ndim - 1)), new, old), new, old
    )


def _hidden(state: State) -> Array:
    return jax.tree.leaves(state)[0]


def _rows(x: Array) -> Array:
    """[T, B, D] -> [T B, D]: a sum over one axis is faster than over two."""
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _through(dtype: Any, w_h: Array, dh: Array) -> Array:
    return product(dh.astype(dtype), w_h)


def _sums(params: Params, dparams: Params, x: Array, dx: Array, h: Array) -> Array:
    """dx w_x + x dw_x + h dw_h + db."""
    moved = product(dx, params["w_x"]) + product(x, dparams["w_x"])
    return add(moved + product(h, dparams["w_h"]), dparams["b"])


def rnn_saving(params: Params, h: Array, x: Array) -> tuple[Array, Array]:
    """h' = tanh(z) and its slope 1 - h' ** 2."""
    new = jnp.tanh(summed(params, h, x))
    return new.astype(h.dtype), 1 - new * new


def rnn_move(through: Callable[[Array], Array], slope: Array, dz: Array, dh: Array) -> Array:
    """slope (dz + dh w_h)."""
    return (slope * (dz + through(dh))).astype(dh.dtype)


def lstm_saving(params: Params, state: tuple[Array, Array], x: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    """(h', c') and the slopes: of c' in i, f, g and of h' in o side by side, of c' in c, and of h' in c'."""
    h, c = state
    i, f, g, o = jnp.split(summed(params, h, x), 4, -1)
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    new = (f * c + i * g).astype(c.dtype)
    shown = jnp.tanh(new)
    in_gates = jnp.concatenate([g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), shown * o * (1 - o)], -1)
    return ((o * shown).astype(h.dtype), new), (in_gates, f, o * (1 - shown * shown))


def lstm_move(
    through: Callable[[Array], Array], slopes: tuple[Array, ...], dz: Array, state: tuple[Array, Array]
) -> tuple[Array, Array]:
    """dc' = sum of the slopes in i, f, g times dz, + keep dc;    dh' = that of o + show dc'."""
    (in_gates, keep, show), (dh, dc) = slopes, state
    i, f, g, o = jnp.split(in_gates * (dz + through(dh)), 4, -1)
    new = i + f + g + keep * dc
    return (o + show * new).astype(dh.dtype), new.astype(dc.dtype)


def gru_saving(params: Params, h: Array, x: Array) -> tuple[Array, tuple[Array, ...]]:
    """h' and its slopes in r + r', u + u', n, n' and h."""
    zx, zh = summed_apart(params, h, x)
    (r, u, n), (r_h, u_h, n_h) = jnp.split(zx, 3, -1), jnp.split(zh, 3, -1)
    reset, update = jax.nn.sigmoid(r + r_h), jax.nn.sigmoid(u + u_h)
    new = jnp.tanh(n + reset * n_h)
    in_new = (1 - update) * (1 - new * new)
    slopes = in_new * n_h * reset * (1 - reset), (h - new) * update * (1 - update), in_new, in_new * reset, update
    return ((1 - update) * new + update * h).astype(h.dtype), slopes


def gru_sums(params: Params, dparams: Params, x: Array, dx: Array, h: Array) -> Array:
    """The tangents of r + r', u + u', n and n' side by side."""
    read = add(product(dx, params["w_x"]) + product(x, dparams["w_x"]), dparams["b"])
    past = add(product(h, dparams["w_h"]), dparams["b_h"])
    size = 2 * (past.shape[-1] // 3)
    gates = read[:, :size] + past[:, :size]
    return jnp.concatenate([gates, read[:, size:], past[:, size:]], -1)


def gru_move(through: Callable[[Array], Array], slopes: tuple[Array, ...], dz: Array, dh: Array) -> Array:
    """The sum of the slopes in r, u, n and n' times dz, with dh w_h in all but n, + keep dh."""
    r, u, n, n_h, keep = slopes
    dr, du, dn, dn_h = jnp.split(dz, 4, -1)
    past_r, past_u, past_n = jnp.split(through(dh), 3, -1)
    return (r * (dr + past_r) + u * (du + past_u) + n * dn + n_h * (dn_h + past_n) + keep * dh).astype(dh.dtype)


# (saving, sums, move) of each cell
RNN = rnn_saving, _sums, rnn_move
LSTM = lstm_saving, _sums, lstm_move
GRU = gru_saving, gru_sums, gru_move
