"""Gated linear attention as a mixer: what the memory forgets depends on the input."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.multi_head import project_heads
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.matrix_memory import MatrixMemoryConfig, bind_matrix, init_heads, init_memory, per_head
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.types import Array, Key, Params, State

Decay: TypeAlias = Literal["channel", "head"]

_RANK = 16  # of the map from x to the decays of all channels
_TEMPERATURE = 16.0  # the decay is sigmoid(.)^(1 / 16): memories start long


@dataclass(frozen=True)
class GatedLinearAttention(MatrixMemoryConfig):
    """Gated linear attention (Yang et al. 2023, arXiv 2312.06635): decay sigmoid(x w + b)^(1/16), then norm and gate.

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = P = D // N.
      form: "recurrent", "chunked" or "parallel", as `gated_linear_attention` takes it; None = the fastest.
      decay: "channel", one of each channel of the keys by a map of rank 16, as in the paper; "head", one a head.
    """

    source = "Yang et al. 2023, arXiv 2312.06635"
    decay: Decay = "channel"

    def __post_init__(self):
        super().__post_init__()
        if self.decay not in get_args(Decay):
            raise ValueError(f"decay: got {self.decay!r}, wanted one of {list(get_args(Decay))}")

    @property
    def countable(self) -> "GatedLinearAttention":
        """All weights at once: chunks have an order, which is our choice and no property of linear attention."""
        return replace(self, form="parallel")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_matrix(self, init, init_memory, mix, inspect, spare=["b_decay"])


def init(config: GatedLinearAttention, key: Key) -> Params:
    """The projections, the output gate's among them, the gain of the heads' norm, and the map to the decays."""
    key_heads, key_in, key_out = jax.random.split(key, 3)
    params = init_heads(config, key_heads, gate=True)
    N, H = config.num_heads, config.head_dim
    if config.decay == "head":
        return params | {"w_decay": glorot_uniform(key_in, config.width, N), "b_decay": jnp.zeros(N)}
    rank = min(_RANK, config.width)
    inner = {"w_low_rank": glorot_uniform(key_in, config.width, rank)}
    w_decay = glorot_uniform(key_out, rank, N * H).reshape(rank, N, H)
    return params | inner | {"w_decay": w_decay, "b_decay": jnp.zeros((N, H))}


def mix(
    config: GatedLinearAttention, params: Params, x: Array, memory: State, valid: Array | None
) -> tuple[Array, State]:
    """[B, T, N, P] and the memory after x, whose padding is zero."""
    q, k, v = project_heads(params, x)
    log_decay = zero_padding(_log_decay(params, x), valid)
    q = q * config.head_dim**-0.5
    return gated_linear_attention(q, k, v, log_decay, initial=memory, form=config.form)


def inspect(config: GatedLinearAttention, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """What is kept at each place, [B, T, N, H] by channel or [B, T, N] by head; 1 at padding."""
    del config
    return {"decay": jnp.exp(zero_padding(_log_decay(params, zero_padding(x, valid)), valid))}


def _log_decay(params: Params, x: Array) -> Array:
    """log sigmoid(x w + b) / 16, [B, T, N, H] or [B, T, N]."""
    if "w_low_rank" in params:
        x = x @ params["w_low_rank"].astype(x.dtype)
    return jax.nn.log_sigmoid(per_head(params, "decay", x)) / _TEMPERATURE
