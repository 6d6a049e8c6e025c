"""What reads the source of a recurrent encoder-decoder: layers of cells, one way or both."""

from dataclasses import replace
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from attn_jax.mixers.gru import GRU
from attn_jax.mixers.lstm import LSTM
from attn_jax.mixers.parts.recurrent import RecurrentConfig
from attn_jax.mixers.rnn import RNN
from attn_jax.ops.recurrence.cells import gru_step, lstm_step, rnn_step, scan_cell
from attn_jax.types import Array, Key, Params, State

Cell: TypeAlias = Literal["lstm", "gru", "rnn"]

STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
_CELLS: dict[str, RecurrentConfig] = {"lstm": LSTM(), "gru": GRU(), "rnn": RNN()}


def init_cell(cell: Cell, key: Key, width: int, size: int) -> Params:
    """The weights of a cell that reads `width` numbers and has a state of `size`."""
    return replace(_CELLS[cell], d_model=width, d_inner=size).make().init(key)["cell"]


def read_layer(cell: Cell, layer: Params, x: Array, valid: Array | None) -> tuple[Array, State]:
    """One layer over x [B, T, D]: its directions side by side in outputs and states."""
    y, state = _read(cell, layer["forward"], x, valid)
    if "backward" not in layer:
        return y, state
    y_back, state_back = _read(cell, layer["backward"], _reverse(x, valid), valid)
    both = jax.tree.map(lambda one, other: jnp.concatenate([one, other], -1), state, state_back)
    return jnp.concatenate([y, _reverse(y_back, valid)], -1), both


def _read(cell: Cell, params: Params, x: Array, valid: Array | None) -> tuple[Array, State]:
    """One direction, from a state of zeros."""
    mixer = replace(_CELLS[cell], d_model=params["w_h"].shape[0]).make()
    assert mixer.init_state is not None  # a cell is causal
    return scan_cell(STEPS[cell], params, x, mixer.init_state({}, x.shape[0], 0), valid)


def _reverse(x: Array, valid: Array | None) -> Array:
    """x [B, T, ...] with the valid places of each row in reverse order; its own inverse."""
    if valid is None:
        return x[:, ::-1]
    place, length = jnp.arange(x.shape[1]), valid.sum(1, keepdims=True)
    return jnp.take_along_axis(x, jnp.where(place < length, length - 1 - place, place)[..., None], axis=1)
