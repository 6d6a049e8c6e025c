"""The minimal gated recurrent unit as a mixer."""

from dataclasses import dataclass

from attn_jax.mixers.base import Mixer
from attn_jax.mixers.parts.min_gated import MinGatedConfig, bind_gates, init_gates
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class MinGRU(MinGatedConfig):
    """Minimal gated recurrent unit (Feng et al. 2024, arXiv 2410.01201, section 3.1; log space: appendix B).

    u = sigmoid(x w_u + b_u);    c = g(x w_c + b_c);    h' = (1 - u) h + u c

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      candidate: "linear", or "positive", g(z) = z + 1/2 where z >= 0, sigmoid(z) elsewhere.
      form: of the recurrence: one of `attn_jax.linear_scan`, None = its fastest; "log" sums logarithms instead, which
        wants a positive candidate.
      keep_bias: -b_u at the start; a positive one keeps the old state, as `GRU.update_bias` does.
    """

    source = "Feng et al. 2024, arXiv 2410.01201"
    keep_bias: float = 0.0

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_gates(self, init, gates)


def init(config: MinGRU, key: Key) -> Params:
    """Glorot weights, biases zero but the update gate's."""
    return init_gates(config, key, (-config.keep_bias,))


def gates(config: MinGRU, z: Array) -> tuple[Array, Array]:
    """Logits of keep and new, which add up to 1."""
    del config
    return -z, z
