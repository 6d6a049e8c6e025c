"""The diagonal state space as a mixer: one input and one output a channel, as a convolution or as a recurrence."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.layers.conv import long_conv
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.mixers.parts.binding import apply_by_extend, bind
from attn_jax.mixers.parts.checked import checked
from attn_jax.mixers.parts.linear_recurrent import glu, init_glu, scan_valid, to_complex, to_pairs
from attn_jax.mixers.parts.options import check_at_least, check_choice, check_range
from attn_jax.ops.norms import accumulator
from attn_jax.ops.recurrence.linear_scan import SCAN_FORMS
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class S4D(MixerConfig):
    """Diagonal state space, one a channel (Gu et al. 2022, arXiv 2206.11893).

    s'(t) = A s + x,  y = 2 Re(C s) + d x,  discretised with a learned step dt:  s' = a s + b x;  the GLU after it

    Half the eigenvalues are kept, the others being their conjugates.

    Args:
      d_model: the width D; None = the model fills it.
      d_state: N, the eigenvalues of a channel with their conjugates, even.
      init: of A: "lin", -1/2 + i pi n (S4D-Lin), or "inv", -1/2 + i N/pi (N / (2n + 1) - 1) (S4D-Inv).
      discretisation: "zoh", a = exp(dt A), b = (a - 1) / A, or "bilinear", a = (1 + dt A/2) / (1 - dt A/2),
        b = dt / (1 - dt A/2).
      dt_min: the steps start log-uniform between the two; a channel remembers about 1 / dt places.
      dt_max: the longest.
      glu: follow with gelu and a gated linear unit; without it channels do not meet.
      form: "convolution", by FFT where a whole sequence is read, or the recurrence in a form of
        `attn_jax.linear_scan`; None = "convolution". Decoding is always the recurrence.
    """

    source = "Gu et al. 2022, arXiv 2206.11893"
    d_state: int = 64
    init: Literal["lin", "inv"] = "lin"
    discretisation: Literal["zoh", "bilinear"] = "zoh"
    dt_min: float = 1e-3
    dt_max: float = 1e-1
    glu: bool = True
    form: Literal["convolution", "sequential", "associative", "chunked"] | None = None

    def __post_init__(self):
        check_at_least(2, d_state=self.d_state)
        if self.d_state % 2:
            raise ValueError(f"d_state: got {self.d_state}, wanted an even number: eigenvalues come in conjugate pairs")
        check_choice("init", self.init, ("lin", "inv"))
        check_choice("discretisation", self.discretisation, ("zoh", "bilinear"))
        check_choice("form", self.form, (None, *SCAN_FORMS, "convolution"))
        check_range("dt_min", self.dt_min, "dt_max", self.dt_max, least=1e-9, most=math.inf)

    @property
    def pairs(self) -> int:
        """N / 2, the eigenvalues that are kept."""
        return self.d_state // 2

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        spare = ["log_real", "imaginary"]
        mixer = bind(self, init, init_state, extend, inspect, spare=spare)
        return checked(mixer._replace(apply=partial(apply, self)), self.width)


def init(config: S4D, key: Key) -> Params:
    """A as configured, the same in all channels; dt log-uniform; C complex normal."""
    key_dt, key_c, key_d, key_glu = jax.random.split(key, 4)
    D, n = config.width, jnp.arange(config.pairs, dtype=jnp.float32)
    low, high = math.log(config.dt_min), math.log(config.dt_max)
    N = config.d_state
    imaginary = math.pi * n if config.init == "lin" else N / math.pi * (N / (2 * n + 1) - 1)
    params = {
        "log_real": jnp.full((D, config.pairs), math.log(0.5)),
        "imaginary": jnp.tile(imaginary, (D, 1)),
        "c": jax.random.normal(key_c, (D, config.pairs, 2)) * math.sqrt(0.5),
        "log_dt": jax.random.uniform(key_dt, (D,), minval=low, maxval=high),
        "d": jax.random.normal(key_d, (D,)),
    }
    return params | {"glu": init_glu(key_glu, D)} if config.glu else params


def init_state(config: S4D, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """Zero, [B, D, N / 2, 2]: real and imaginary parts."""
    del params, max_length
    return jnp.zeros((batch_size, config.width, config.pairs, 2), dtype)


def apply(config: S4D, params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """The whole sequence, as one convolution unless a form of the recurrence is asked for."""
    if config.form not in (None, "convolution"):
        return apply_by_extend(partial(init_state, config), partial(extend, config), params, x, valid, key=key)
    x = zero_padding(x, valid)
    return _output(config, params, long_conv(x, kernel(config, params, x.shape[1])), x)


def extend(config: S4D, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    x = zero_padding(x, valid)
    a, b = discretise(config, params)
    form = None if config.form == "convolution" else config.form
    h, last = scan_valid(a, b * x[..., None].astype(accumulator(x.dtype)), to_complex(state), valid, form=form)
    read = 2 * jnp.einsum("btdn,dn->btd", h, to_complex(params["c"])).real
    return _output(config, params, read, x), to_pairs(last, state.dtype)


def inspect(config: S4D, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The filter of each channel [T, D], and the eigenvalues of a step, complex [D, N / 2]."""
    del valid
    return {"filter": kernel(config, params, x.shape[1]), "eigenvalues": discretise(config, params)[0]}


def discretise(config: S4D, params: Params) -> tuple[Array, Array]:
    """(a, b) of s' = a s + b x, complex [D, N / 2]; Re A < 0, so that |a| < 1 whatever the parameters are."""
    A = jax.lax.complex(-jnp.exp(params["log_real"]), params["imaginary"])
    dt = jnp.exp(params["log_dt"])[:, None]
    if config.discretisation == "zoh":
        return jnp.exp(dt * A), jnp.expm1(dt * A) / A
    return (1 + dt * A / 2) / (1 - dt * A / 2), dt / (1 - dt * A / 2)


def kernel(config: S4D, params: Params, length: int) -> Array:
    """The filter of each channel, [L, D]: 2 Re(sum_n C_n b_n a_n^l) at lag l, whatever the length."""
    a, b = discretise(config, params)
    powers = jnp.exp(jnp.arange(length)[:, None, None] * jnp.log(a))
    return 2 * jnp.einsum("ldn,dn->ld", powers, b * to_complex(params["c"])).real


def _output(config: S4D, params: Params, read: Array, x: Array) -> Array:
    """What is read of the states, the input past them, and the gated linear unit, in x's dtype."""
    y = read + params["d"] * x.astype(read.dtype)
    return glu(params["glu"], y, x.dtype) if config.glu else y.astype(x.dtype)
