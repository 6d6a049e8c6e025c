"""The gated recurrent unit as a mixer."""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.recurrent import RecurrentConfig, bind, init_recurrent
from attn_jax.ops.cells import gru_step
from attn_jax.types import Key, Params, State


@dataclass(frozen=True)
class GRU(RecurrentConfig):
    """Gated recurrent unit, reset gate after the product, as in cuDNN (Cho et al. 2014, arXiv 1406.1078)."""

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, gru_step)


def init(config: GRU, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, biases zero."""
    params = init_recurrent(config, key, gates=3)
    params["cell"]["b_h"] = jnp.zeros(3 * config.inner)
    return params


def init_state(config: GRU, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The zero hidden state [B, P]; its size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype)
