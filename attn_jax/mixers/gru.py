"""The gated recurrent unit as a mixer."""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.recurrent import RecurrentConfig, bind, init_recurrent
from attn_jax.ops.cells import gru_step
from attn_jax.types import Key, Params, State


@dataclass(frozen=True)
class GRU(RecurrentConfig):
    """Gated recurrent unit, reset gate after the product, as in cuDNN (Cho et al. 2014, arXiv 1406.1078).

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix of each gate, "orthogonal" or "glorot".
      update_bias: the update gate's bias at the start; a positive one keeps the old state, as an LSTM's forget bias.
    """

    update_bias: float = 0.0

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, gru_step)


def init(config: GRU, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, biases zero but the update gate's."""
    params = init_recurrent(config, key, gates=3)
    params["cell"]["b"] = jnp.repeat(jnp.array([0.0, config.update_bias, 0.0]), config.inner)  # r, u, n
    params["cell"]["b_h"] = jnp.zeros(3 * config.inner)
    return params


def init_state(config: GRU, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The zero hidden state [B, P]; its size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype)
