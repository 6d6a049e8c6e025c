"""The plain recurrent network as a mixer, with tanh or relu."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.options import check_choice
from attn_jax.mixers.parts.recurrent import RecurrentConfig, bind_cell, init_recurrent
from attn_jax.ops.recurrence.cells import rnn_step
from attn_jax.types import Array, Key, Params, State

Activation: TypeAlias = Literal["tanh", "relu"]


@dataclass(frozen=True)
class RNN(RecurrentConfig):
    """The tanh recurrent network (Elman 1990); relu from the identity matrix is the IRNN (Le et al. 2015).

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix, "orthogonal", "glorot" or "identity".
      spectral_radius: the matrix is scaled to it; None leaves it.
      form: "scan" goes step by step; "newton" solves for all states at once (never faster on a CPU).
      activation: "tanh" or "relu".
    """

    source = "Elman 1990, Finding Structure in Time"
    activation: Activation = "tanh"

    def __post_init__(self):
        super().__post_init__()
        check_choice("activation", self.activation, get_args(Activation))

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_cell(self, init, init_state, rnn_step if self.activation == "tanh" else relu_step)


def init(config: RNN, key: Key) -> Params:
    """Glorot input weights, recurrent weights as configured, bias zero."""
    return init_recurrent(config, key, gates=1)


def init_state(config: RNN, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The zero hidden state [B, P]; its size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner), dtype)


def relu_step(params: Params, h: Array, x: Array) -> tuple[Array, Array]:
    """h' = relu(x w_x + h w_h + b), with the arguments of `rnn_step`.

    >>> p = {"w_x": jnp.ones((1, 1)), "w_h": jnp.ones((1, 1)), "b": jnp.zeros(1)}
    >>> relu_step(p, jnp.ones((2, 1)), jnp.array([[2.0], [-2.0]]))[1].tolist()
    [[3.0], [0.0]]

    Reference: Le, Jaitly & Hinton 2015, arXiv 1504.00941.
    """
    both = jnp.concatenate([x, h.astype(x.dtype)], -1)
    weights = jnp.concatenate([params["w_x"], params["w_h"]]).astype(x.dtype)
    z = jnp.matmul(both, weights, preferred_element_type=jnp.promote_types(x.dtype, jnp.float32))
    h = jax.nn.relu(z + params["b"]).astype(h.dtype)
    return h, h
