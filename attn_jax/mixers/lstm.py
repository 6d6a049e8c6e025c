"""Long short-term memory as a mixer."""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.recurrent import RecurrentConfig, bind, init_recurrent
from attn_jax.ops.cells import lstm_step
from attn_jax.types import Key, Params, State


@dataclass(frozen=True)
class LSTM(RecurrentConfig):
    """Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix of each gate, "orthogonal" or "glorot".
      forget_bias: the forget gate's bias at the start; 1 keeps a memory alive (Jozefowicz et al. 2015).
    """

    forget_bias: float = 1.0

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, lstm_step)


def init(config: LSTM, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, biases zero but the forget gate's."""
    params = init_recurrent(config, key, gates=4)
    params["cell"]["b"] = jnp.repeat(jnp.array([0.0, config.forget_bias, 0.0, 0.0]), config.inner)  # i, f, g, o
    return params


def init_state(config: LSTM, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """Zero hidden and cell states (h, c), [B, P] each; their size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype), jnp.zeros((batch_size, config.inner), dtype)
