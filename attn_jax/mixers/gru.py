"""The gated recurrent unit as a mixer."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.recurrent import RecurrentConfig, bind_cell, check_chrono, chrono_bias, init_recurrent
from attn_jax.ops.recurrence.cells import gru_gates, gru_step
from attn_jax.types import Key, Params, State


@dataclass(frozen=True)
class GRU(RecurrentConfig):
    """Gated recurrent unit, reset gate after the product, as in cuDNN (Cho et al. 2014, arXiv 1406.1078).

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix of each gate, "orthogonal", "glorot" or "identity".
      spectral_radius: each such matrix is scaled to it; None leaves it.
      form: "scan" goes step by step; "newton" solves for all states at once (never faster on a CPU).
      update_bias: the update gate's bias at the start; a positive one keeps the old state, as an LSTM's forget bias.
      chrono: the longest dependency expected, in steps: draws the update gate's biases for memories of 1 to so many
        steps (Tallec & Ollivier 2018). None = `update_bias`.
    """

    source = "Cho et al. 2014, arXiv 1406.1078"
    update_bias: float = 0.0
    chrono: int | None = None

    def __post_init__(self):
        super().__post_init__()
        check_chrono(self.chrono, "update_bias", self.update_bias, GRU.update_bias)

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_cell(self, init, init_state, gru_step, gru_gates)


def init(config: GRU, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, biases zero but the update gate's."""
    params = init_recurrent(config, key, gates=3)
    if config.chrono is None:
        params["cell"]["b"] = jnp.repeat(jnp.array([0.0, config.update_bias, 0.0]), config.inner)  # r, u, n
    else:
        keep = chrono_bias(jax.random.fold_in(key, 3), config.inner, config.chrono)
        params["cell"]["b"] = params["cell"]["b"].at[config.inner : 2 * config.inner].set(keep)
    params["cell"]["b_h"] = jnp.zeros(3 * config.inner)
    return params


def init_state(config: GRU, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The zero hidden state [B, P]; its size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype)
