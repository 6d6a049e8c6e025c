"""The linear recurrent unit as a mixer."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.hidden_size import HiddenSizeConfig
from attn_jax.mixers.parts.linear_recurrent import glu, init_glu, project, scan_valid, to_complex, to_pairs
from attn_jax.mixers.parts.options import check_choice, check_range
from attn_jax.ops.recurrence.linear_scan import SCAN_FORMS
from attn_jax.types import Array, Key, Params, State

_SMALLEST = 1e-6  # of a uniform draw whose logarithm is taken


@dataclass(frozen=True)
class LRU(HiddenSizeConfig):
    """Linear recurrent unit (Orvieto et al. 2023, arXiv 2303.06349, section 3 and appendix A).

    h' = l * h + g * (x B),    l = exp(-exp(nu) + i exp(theta)),    g = sqrt(1 - |l|^2) at the start, then learned
    y = Re(h C) + d * x, and the GLU after it

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: P, the number of complex eigenvalues l; None = D.
      r_min: the eigenvalues start uniform on the ring between these radii.
      r_max: the outer one, at most 1.
      max_phase: their angles start uniform in [0, max_phase]; small ones favour long-range sums.
      normalise: multiply by g; False leaves it out.
      glu: follow with gelu and a gated linear unit; False gives the linear layer alone.
      form: of the recurrence, as `attn_jax.linear_scan` takes it; None = its fastest.
    """

    source = "Orvieto et al. 2023, arXiv 2303.06349"
    r_min: float = 0.0
    r_max: float = 1.0
    max_phase: float = 2 * math.pi
    normalise: bool = True
    glu: bool = True
    form: Literal["sequential", "associative", "chunked"] | None = None

    def __post_init__(self):
        super().__post_init__()
        check_range("r_min", self.r_min, "r_max", self.r_max, least=0, most=1)
        check_choice("form", self.form, (None, *SCAN_FORMS))
        if self.max_phase <= 0:
            raise ValueError(f"max_phase: got {self.max_phase}, wanted an angle > 0")

    @property
    def countable(self) -> "LRU":
        """The parallel form: in steps is how a CPU likes it, not how it must be."""
        return self if self.form else replace(self, form="associative")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind(self, init, init_state, extend, inspect)


def init(config: LRU, key: Key) -> Params:
    """Eigenvalues on the ring, logarithms of g that make a white input's state white, normal matrices."""
    key_ring, key_in, key_out, key_skip, key_glu = jax.random.split(key, 5)
    D, P = config.width, config.inner
    radius, phase = jax.random.uniform(key_ring, (2, P), minval=_SMALLEST)
    squared = config.r_min**2 + radius * (config.r_max**2 - config.r_min**2)
    nu = jnp.log(-0.5 * jnp.log(squared))
    params = {
        "nu": nu,
        "theta": jnp.log(config.max_phase * phase),
        "in": {"w": jax.random.normal(key_in, (D, 2 * P)) / math.sqrt(2 * D)},  # real parts, then imaginary ones
        "out": {"w": jax.random.normal(key_out, (2 * P, D)) / math.sqrt(P)},
        "d": jax.random.normal(key_skip, (D,)),
    }
    if config.normalise:
        params["log_g"] = 0.5 * jnp.log(-jnp.expm1(-2 * jnp.exp(nu)))  # log sqrt(1 - |l|^2), exact near |l| = 1
    return params | {"glu": init_glu(key_glu, D)} if config.glu else params


def init_state(config: LRU, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """Zero, [B, P, 2]: real and imaginary parts."""
    del params, max_length
    return jnp.zeros((batch_size, config.inner, 2), dtype)


def extend(config: LRU, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    x = zero_padding(x, valid)
    h, state = _hidden(config, params, x, state, valid)
    parts = jnp.concatenate([h.real, -h.imag], -1)  # Re(h C), C's real parts above its imaginary ones
    y = parts @ params["out"]["w"] + params["d"] * x.astype(parts.dtype)
    return (glu(params["glu"], y, x.dtype) if config.glu else y.astype(x.dtype)), state


def inspect(config: LRU, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The hidden states, complex [B, T, P], and the eigenvalues, complex [P]."""
    state = fresh_state(partial(init_state, config), params, x)
    hidden = _hidden(config, params, zero_padding(x, valid), state, valid)[0]
    return {"hidden": hidden, "eigenvalues": eigenvalues(params)}


def eigenvalues(params: Params) -> Array:
    """exp(-exp(nu) + i exp(theta)), complex [P], within the unit circle whatever the parameters are."""
    return jnp.exp(jax.lax.complex(-jnp.exp(params["nu"]), jnp.exp(params["theta"])))


def _hidden(config: LRU, params: Params, x: Array, state: State, valid: Array | None) -> tuple[Array, State]:
    """(h complex [B, T, P], the state after the last valid place)."""
    real, imaginary = jnp.split(project(params["in"], x), 2, -1)
    b = jax.lax.complex(real, imaginary)
    if config.normalise:
        b = b * jnp.exp(params["log_g"])
    h, last = scan_valid(eigenvalues(params), b, to_complex(state), valid, form=config.form)
    return h, to_pairs(last, state.dtype)
