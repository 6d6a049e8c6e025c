"""The Hyena operator as a mixer: long convolutions by implicit filters, and gates between them.

A filter is a function of the lag alone, so that every length, chunk and decoding step reads the same one. The state
holds what each long convolution has read; decoding a place costs O(max_length).
"""

import itertools
import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from attn_jax.layers.conv import causal_conv, init_causal_conv, init_conv_state, long_conv
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.mixers.parts.binding import bind
from attn_jax.mixers.parts.checked import checked
from attn_jax.mixers.parts.linear_recurrent import project
from attn_jax.mixers.parts.options import check_at_least, check_range
from attn_jax.ops.norms import accumulator
from attn_jax.ops.positions import sinusoidal
from attn_jax.types import Array, Key, Params, State

_TAPS = 3  # of the short convolution after the projections, as published
_REMNANT = 0.01  # what is left of a filter's envelope at its span


@dataclass(frozen=True)
class Hyena(MixerConfig):
    """Hyena operator (Poli et al. 2023, arXiv 2302.10866, section 3).

    v, x_1 .. x_n = conv(x w);    v' = x_i (f_i * v + d_i v) for i = 1 .. n, * a causal convolution by FFT;    y = v w_o
    f_i(l) = MLP(features of lag l) envelope(l), the MLP's hidden units sines

    The published features and envelope take l / T; here they take l: sinusoidal features as of positions, and an
    exponential envelope of unit energy, faster in some channels than in others.

    Args:
      d_model: the width D; None = the model fills it.
      order: n, the number of long convolutions and of gates.
      filter_features: the sines and cosines of a lag, even.
      filter_hidden: the width of the MLP's two hidden layers.
      sine_frequency: sin(frequency * z) is the hidden unit; a higher one makes rougher filters.
      min_span: the lag at which the envelope has fallen to 1 %, from this in the first channel, geometrically,
      max_span: to this in the last.
    """

    source = "Poli et al. 2023, arXiv 2302.10866"
    order: int = 2
    filter_features: int = 16
    filter_hidden: int = 32
    sine_frequency: float = 1.0
    min_span: float = 8.0
    max_span: float = 1024.0

    def __post_init__(self):
        check_at_least(1, order=self.order, filter_hidden=self.filter_hidden)
        check_at_least(2, filter_features=self.filter_features)
        check_range("min_span", self.min_span, "max_span", self.max_span, least=1, most=math.inf)
        if self.filter_features % 2:
            raise ValueError(f"filter_features: got {self.filter_features}, wanted an even number: sines and cosines")
        if self.sine_frequency <= 0:
            raise ValueError(f"sine_frequency: got {self.sine_frequency}, wanted a number > 0")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        mixer = bind(self, init, init_state, extend, inspect, spare=["d"])
        return checked(mixer._replace(apply=partial(apply, self)), self.width)


def init(config: Hyena, key: Key) -> Params:
    """The projections, their short convolution, the filters' MLP, and the direct paths d."""
    key_in, key_conv, key_filter, key_d, key_out = jax.random.split(key, 5)
    D, n = config.width, config.order
    widths = (config.filter_features, config.filter_hidden, config.filter_hidden, n * D)
    keys = jax.random.split(key_filter, 3)
    return {
        "in": init_linear(key_in, D, (n + 1) * D),
        "conv": init_causal_conv(key_conv, (n + 1) * D, _TAPS),
        "filter": [init_linear(k, *fans) for k, fans in zip(keys, itertools.pairwise(widths), strict=True)],
        "d": jax.random.normal(key_d, (n, D)),
        "out": init_linear(key_out, D, D),
    }


def init_state(config: Hyena, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """{"conv": last inputs of the short convolution, "read": [B, n, M, D] of the long ones, "length": int32 [B]}."""
    del params
    n, D = config.order, config.width
    return {
        "conv": init_conv_state(batch_size, (n + 1) * D, _TAPS, dtype=dtype),
        "read": jnp.zeros((batch_size, n, max_length, D), dtype),
        "length": jnp.zeros(batch_size, jnp.int32),
    }


def apply(config: Hyena, params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """The whole sequence, order many convolutions by FFT."""
    del key
    v, *gates = _projections(config, params, zero_padding(x, valid), None, valid)[0]
    for f, d, gate in zip(filters(config, params, x.shape[1]), params["d"], gates, strict=True):
        v = gate * (long_conv(v, f) + d * v)
    return linear(params["out"], v.astype(x.dtype))


def extend(config: Hyena, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Array, State]:
    """Goes on from what was read by [B, T, D]; a place past max_length gives NaN."""
    (v, *gates), conv = _projections(config, params, zero_padding(x, valid), state["conv"], valid)
    (B, T, _), M = x.shape, state["read"].shape[2]
    valid = jnp.ones((B, T), bool) if valid is None else valid
    places = state["length"][:, None] + jnp.arange(T, dtype=jnp.int32)
    written = jnp.where(valid, places, M)
    read = []
    for i, (f, d) in enumerate(zip(filters(config, params, M), params["d"], strict=True)):
        past = jax.vmap(_write)(state["read"][:, i], v, written)
        read.append(past)
        v = gates[i] * (_read(past.astype(v.dtype), f, places) + d * v)
    v = jnp.where((valid & (places >= M))[..., None], jnp.nan, v)
    length = state["length"] + valid.sum(1, dtype=jnp.int32)
    return linear(params["out"], v.astype(x.dtype)), {"conv": conv, "read": jnp.stack(read, 1), "length": length}


def inspect(config: Hyena, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The filters [n, T, D], and the gates [B, T, n, D]."""
    _, *gates = _projections(config, params, zero_padding(x, valid), None, valid)[0]
    return {"filters": filters(config, params, x.shape[1]), "gates": jnp.stack(gates, 2)}


def filters(config: Hyena, params: Params, length: int) -> Array:
    """f_i(l) of lags 0 .. length - 1, [n, L, D]: the same at every length."""
    lags = jnp.arange(length)
    z = sinusoidal(lags, config.filter_features).astype(accumulator(params["d"].dtype))
    for layer in params["filter"][:-1]:
        z = jnp.sin(config.sine_frequency * linear(layer, z))
    z = linear(params["filter"][-1], z).reshape(length, config.order, config.width)
    return jnp.swapaxes(z * _envelope(config, lags)[:, None], 0, 1)


def _envelope(config: Hyena, lags: Array) -> Array:
    """sqrt(1 - e^(-2 r)) e^(-r l), [L, D]: its squares add up to 1; r from the spans."""
    along = jnp.linspace(0.0, 1.0, config.width)
    spans = config.min_span * (config.max_span / config.min_span) ** along
    rates = -math.log(_REMNANT) / spans
    return jnp.sqrt(-jnp.expm1(-2 * rates)) * jnp.exp(-rates * lags[:, None])


def _projections(
    config: Hyena, params: Params, x: Array, conv: Array | None, valid: Array | None
) -> tuple[list[Array], Array]:
    """([v, x_1 .. x_n], each [B, T, D] in at least float32; the short convolution's new state)."""
    z, conv = causal_conv(params["conv"], project(params["in"], x), conv, valid)
    return jnp.split(z.astype(accumulator(x.dtype)), config.order + 1, -1), conv


def _write(past: Array, new: Array, places: Array) -> Array:
    """past [M, D] with new [T, D] at its places [T]; those from M on are dropped."""
    return past.at[places].set(new.astype(past.dtype), mode="drop") if len(past) else past


def _read(past: Array, f: Array, places: Array) -> Array:
    """The convolution of past [B, M, D] with f [M, D] at the places [B, T], 0 from M on; a single place is one sum."""
    if places.shape[1] == 1:
        lags = places - jnp.arange(past.shape[1])  # below 0: not read yet
        weights = jnp.where((lags >= 0)[..., None], f.at[lags].get(mode="fill", fill_value=0), 0)
        return jnp.sum(weights * past, 1, keepdims=True)
    y = long_conv(past, f)
    return jax.vmap(lambda row, at: row.at[at].get(mode="fill", fill_value=0))(y, places)
