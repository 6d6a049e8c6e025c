"""A causal depthwise convolution of few taps as a mixer: what a fixed, short window alone can do."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.layers.conv import causal_conv, init_causal_conv, init_conv_state
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.options import check_at_least, check_choice
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class ShortConv(MixerConfig):
    """Causal depthwise convolution; channels meet in the model's MLP (H3's shift: Fu et al. 2022, arXiv 2212.14052).

    y_t = f(sum_l w_l x_(t - l) + b),    l = 0 .. kernel_size - 1

    Args:
      d_model: the width D; None = the model fills it.
      kernel_size: the taps; a place sees itself and kernel_size - 1 places before it.
      activation: f, "silu" as Mamba has it, or "none".
      use_bias: whether there is b.
    """

    source = "Fu et al. 2022, arXiv 2212.14052"
    kernel_size: int = 4
    activation: Literal["silu", "none"] = "silu"
    use_bias: bool = True

    def __post_init__(self):
        check_at_least(1, kernel_size=self.kernel_size)
        check_choice("activation", self.activation, ("silu", "none"))

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, extend, inspect)


def init(config: ShortConv, key: Key) -> Params:
    """The taps, and the bias zero."""
    return init_causal_conv(key, config.width, config.kernel_size, use_bias=config.use_bias)


def init_state(config: ShortConv, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """No inputs yet, [B, kernel_size - 1, D]."""
    del params, max_length
    return init_conv_state(batch_size, config.width, config.kernel_size, dtype=dtype)


def extend(
    config: ShortConv, params: Params, x: Array, state: State, valid: Array | None = None
) -> tuple[Array, State]:
    """Goes on from the past inputs by [B, T, D]."""
    y, state = causal_conv(params, zero_padding(x, valid), state, valid)
    return jax.nn.silu(y) if config.activation == "silu" else y, state


def inspect(config: ShortConv, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The sums before the activation, [B, T, D]."""
    state = fresh_state(partial(init_state, config), params, x)
    return {"sums": causal_conv(params, zero_padding(x, valid), state, valid)[0]}
