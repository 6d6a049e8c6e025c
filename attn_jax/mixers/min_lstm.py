"""The minimal long short-term memory as a mixer."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.min_gated import MinGatedConfig, bind_gates, init_gates
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class MinLSTM(MinGatedConfig):
    """Minimal long short-term memory (Feng et al. 2024, arXiv 2410.01201, section 3.2; log space: appendix B).

    f = sigmoid(x w_f + b_f);    i = sigmoid(x w_i + b_i);    c = g(x w_c + b_c);    h' = (f h + i c) / (f + i)

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      candidate: "linear", or "positive", g(z) = z + 1/2 where z >= 0, sigmoid(z) elsewhere.
      form: of the recurrence: one of `attn_jax.linear_scan`, None = its fastest; "log" sums logarithms instead, which
        wants a positive candidate.
      forget_bias: b_f at the start; a positive one keeps the old state.
      normalise: divide by f + i, so that the state's scale does not depend on the length.
    """

    source = "Feng et al. 2024, arXiv 2410.01201"
    forget_bias: float = 0.0
    normalise: bool = True

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_gates(self, init, gates)


def init(config: MinLSTM, key: Key) -> Params:
    """Glorot weights, biases zero but the forget gate's."""
    return init_gates(config, key, (config.forget_bias, 0.0))


def gates(config: MinLSTM, z: Array) -> tuple[Array, Array]:
    """Logits of keep and new: f / (f + i) = sigmoid(log f - log i), which neither over- nor underflows."""
    f, i = jnp.split(z, 2, -1)
    if not config.normalise:
        return f, i
    difference = jax.nn.log_sigmoid(f) - jax.nn.log_sigmoid(i)
    return difference, -difference
