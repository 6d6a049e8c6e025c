"""The tanh recurrent network as a mixer."""

from dataclasses import dataclass

import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.recurrent import RecurrentConfig, bind, init_recurrent
from attn_jax.ops.cells import rnn_step
from attn_jax.types import Key, Params, State


@dataclass(frozen=True)
class RNN(RecurrentConfig):
    """The tanh recurrent network (Elman 1990)."""

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, rnn_step)


def init(config: RNN, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, bias zero."""
    return init_recurrent(config, key, gates=1)


def init_state(config: RNN, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The zero hidden state [B, P]; its size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype)
