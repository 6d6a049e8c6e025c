"""The selective state space with its convolution and gate, the block of Mamba, as a mixer."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.layers.conv import causal_conv, init_causal_conv, init_conv_state
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.linear_recurrent import project, scan_valid
from attn_jax.mixers.parts.options import check_at_least, check_choice, check_range
from attn_jax.ops.recurrence.linear_scan import SCAN_FORMS
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class Mamba(MixerConfig):
    """Selective state space, S6, between a short convolution and a gate (Gu & Dao 2023, arXiv 2312.00752, section 3).

    u = silu(conv(x w_u));    dt, B, C of u, dt = softplus(low-rank map);    A < 0 learned, N a channel
    h' = a h + dt B u,    a = exp(dt A) or 2 exp(dt A) - 1;    y = ((h C + d u) * silu(x w_z)) w_o

    Args:
      d_model: the width D; None = the model fills it.
      d_state: N, the states of a channel.
      expand: E = expand * D channels.
      kernel_size: the taps of the convolution.
      dt_rank: R, the rank of the map from u to dt; None = D / 16, rounded up.
      transition: the range of a: "unit", (0, 1), or "signed", (-1, 1), with which a state can flip and parity be held
        (Grazzi et al. 2024, arXiv 2411.12537, equation 5).
      dt_min: the steps start log-uniform between the two where u is 0.
      dt_max: the longest.
      form: of the recurrence, as `attn_jax.linear_scan` takes it; None = its fastest.
    """

    source = "Gu & Dao 2023, arXiv 2312.00752; signed: Grazzi et al. 2024, arXiv 2411.12537"
    d_state: int = 16
    expand: int = 2
    kernel_size: int = 4
    dt_rank: int | None = None
    transition: Literal["unit", "signed"] = "unit"
    dt_min: float = 1e-3
    dt_max: float = 1e-1
    form: Literal["sequential", "associative", "chunked"] | None = None

    def __post_init__(self):
        check_at_least(1, d_state=self.d_state, expand=self.expand, kernel_size=self.kernel_size, dt_rank=self.dt_rank)
        check_choice("transition", self.transition, ("unit", "signed"))
        check_choice("form", self.form, (None, *SCAN_FORMS))
        check_range("dt_min", self.dt_min, "dt_max", self.dt_max, least=1e-9, most=math.inf)

    @property
    def inner(self) -> int:
        """E, the number of channels."""
        return self.expand * self.width

    @property
    def rank(self) -> int:
        """R, the rank of the map to dt."""
        return -(-self.width // 16) if self.dt_rank is None else self.dt_rank

    @property
    def countable(self) -> "Mamba":
        """The parallel form: in steps is how a CPU likes it, not how it must be."""
        return self if self.form else replace(self, form="associative")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, extend, inspect, spare=["log_a"])


def init(config: Mamba, key: Key) -> Params:
    """As published: A = -1 .. -N in each channel (S4D-Real), dt's bias the inverse softplus of a log-uniform draw."""
    key_in, key_conv, key_select, key_rank, key_dt, key_out = jax.random.split(key, 6)
    D, E, N, R = config.width, config.inner, config.d_state, config.rank
    dt = jnp.exp(jax.random.uniform(key_dt, (E,), minval=math.log(config.dt_min), maxval=math.log(config.dt_max)))
    limit = 1 / math.sqrt(R)
    return {
        "in": init_linear(key_in, D, 2 * E, use_bias=False),
        "conv": init_causal_conv(key_conv, E, config.kernel_size),
        "select": init_linear(key_select, E, R + 2 * N, use_bias=False),
        "dt": {
            "w": jax.random.uniform(key_rank, (R, E), minval=-limit, maxval=limit),
            "b": dt + jnp.log(-jnp.expm1(-dt)),
        },
        "log_a": jnp.tile(jnp.log(jnp.arange(1, N + 1, dtype=jnp.float32)), (E, 1)),
        "d": jnp.ones(E),
        "out": init_linear(key_out, E, D, use_bias=False),
    }


def init_state(config: Mamba, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """{"conv": the last inputs of the convolution [B, W - 1, E], "h": [B, E, N]}, zeros."""
    del params, max_length
    return {
        "conv": init_conv_state(batch_size, config.inner, config.kernel_size, dtype=dtype),
        "h": jnp.zeros((batch_size, config.inner, config.d_state), dtype),
    }


def extend(config: Mamba, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    u, z, conv = _inputs(params, zero_padding(x, valid), state, valid)
    dt, B, C = selection(config, params, u)
    wide = u.astype(dt.dtype)
    h, last = scan_valid(
        transition(config, params, dt), (dt * wide)[..., None] * B[..., None, :], state["h"], valid, form=config.form
    )
    y = jnp.einsum("bten,btn->bte", h, C) + params["d"] * wide
    y = (y * jax.nn.silu(z.astype(dt.dtype))).astype(x.dtype)
    return linear(params["out"], y), {"conv": conv, "h": last}


def inspect(config: Mamba, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The steps dt [B, T, E], the transitions a [B, T, E, N], and the gate silu(z) [B, T, E]."""
    state = fresh_state(partial(init_state, config), params, x)
    u, z, _ = _inputs(params, zero_padding(x, valid), state, valid)
    dt = selection(config, params, u)[0]
    return {"dt": dt, "transition": transition(config, params, dt), "gate": jax.nn.silu(z)}


def selection(config: Mamba, params: Params, u: Array) -> tuple[Array, Array, Array]:
    """dt [B, T, E] > 0, B and C [B, T, N] of u [B, T, E], in at least float32."""
    low, B, C = jnp.split(project(params["select"], u), [config.rank, config.rank + config.d_state], -1)
    return jax.nn.softplus(project(params["dt"], low)), B, C


def transition(config: Mamba, params: Params, dt: Array) -> Array:
    """a [B, T, E, N] of dt [B, T, E]: exp(dt A), within [0, 1], or 2 exp(dt A) - 1, within [-1, 1]."""
    a = jnp.exp(dt[..., None] * -jnp.exp(params["log_a"]))
    return 2 * a - 1 if config.transition == "signed" else a


def _inputs(params: Params, x: Array, state: State, valid: Array | None) -> tuple[Array, Array, Array]:
    """(u [B, T, E], z [B, T, E] before its silu, the convolution's new state)."""
    u, z = jnp.split(linear(params["in"], x), 2, -1)
    u, conv = causal_conv(params["conv"], u, state["conv"], valid)
    return jax.nn.silu(u), z, conv
