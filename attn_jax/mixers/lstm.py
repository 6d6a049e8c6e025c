"""Long short-term memory as a mixer."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.recurrent import RecurrentConfig, bind_cell, check_chrono, chrono_bias, init_recurrent
from attn_jax.ops.recurrence.cells import lstm_gates, lstm_step
from attn_jax.types import Key, Params, State


@dataclass(frozen=True)
class LSTM(RecurrentConfig):
    """Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix of each gate, "orthogonal", "glorot" or "identity".
      spectral_radius: each such matrix is scaled to it; None leaves it.
      form: "scan" goes step by step; "newton" solves for all states at once (never faster on a CPU).
      forget_bias: the forget gate's bias at the start; 1 keeps a memory alive (Jozefowicz et al. 2015).
      chrono: the longest dependency expected, in steps: draws the forget gate's biases for memories of 1 to so many
        steps, the input gate's are minus these (Tallec & Ollivier 2018). None = `forget_bias`.
    """

    source = "Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000"
    forget_bias: float = 1.0
    chrono: int | None = None

    def __post_init__(self):
        super().__post_init__()
        check_chrono(self.chrono, "forget_bias", self.forget_bias, LSTM.forget_bias)

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_cell(self, init, init_state, lstm_step, lstm_gates)


def init(config: LSTM, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, biases zero but those of the gates i and f."""
    params = init_recurrent(config, key, gates=4)
    if config.chrono is None:
        params["cell"]["b"] = jnp.repeat(jnp.array([0.0, config.forget_bias, 0.0, 0.0]), config.inner)  # i, f, g, o
    else:
        keep = chrono_bias(jax.random.fold_in(key, 3), config.inner, config.chrono)
        params["cell"]["b"] = jnp.concatenate([-keep, keep, jnp.zeros(2 * config.inner)])
    return params


def init_state(config: LSTM, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """Zero hidden and cell states (h, c), [B, P] each; their size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype), jnp.zeros((batch_size, config.inner), dtype)
