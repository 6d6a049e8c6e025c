"""What the minimal gated networks share: gates that read the input only, so that the recurrence is linear in the state.

    h_t = keep_t h_(t-1) + new_t c_t

A mixer's file says how many gates there are, how they start, and what keep and new are of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.hidden_size import HiddenSizeConfig
from attn_jax.mixers.parts.linear_recurrent import last_valid, project, scan_valid
from attn_jax.mixers.parts.options import check_choice
from attn_jax.ops.recurrence.linear_scan import SCAN_FORMS
from attn_jax.types import Array, Key, Params, State

_NEVER = -1e30  # a logarithm of zero that makes no NaN


@dataclass(frozen=True)
class MinGatedConfig(HiddenSizeConfig):
    """The base of the minimal gated mixers' configurations.

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      candidate: c = g(x w + b): "linear", or "positive", g(z) = z + 1/2 where z >= 0, sigmoid(z) elsewhere.
      form: of the recurrence: one of `attn_jax.linear_scan`, None = its fastest; "log" sums logarithms instead, which
        wants a positive candidate.
    """

    candidate: Literal["linear", "positive"] = "positive"
    form: Literal["sequential", "associative", "chunked", "log"] | None = None

    def __post_init__(self):
        super().__post_init__()
        check_choice("candidate", self.candidate, ("linear", "positive"))
        check_choice("form", self.form, (None, *SCAN_FORMS, "log"))
        if self.form == "log" and self.candidate != "positive":
            raise ValueError("form: got 'log' with candidate='linear', wanted a positive candidate: log(c) is taken")

    @property
    def countable(self) -> "MinGatedConfig":
        """The parallel form: in steps is how a CPU likes it, not how it must be."""
        return self if self.form else replace(self, form="associative")


def bind_gates(config: MinGatedConfig, init: Callable, gates: Callable) -> Mixer:
    """The mixer of a file's `init` and its gates: (config, z [..., gates P]) -> logits (keep, new), [..., P] each."""
    return bind(config, init, init_state, partial(extend, gates=gates), partial(inspect, gates=gates))


def init_gates(config: MinGatedConfig, key: Key, biases: tuple[float, ...]) -> Params:
    """{"gates": the gates, one a bias, and the candidate side by side, "out": the projection back where P is not D}."""
    key_gates, key_out = jax.random.split(key)
    w = glorot_uniform(key_gates, config.width, config.inner, parts=len(biases) + 1)
    params = {"gates": {"w": w, "b": jnp.repeat(jnp.array([*biases, 0.0]), config.inner)}}
    if config.d_inner is not None:
        params["out"] = init_linear(key_out, config.inner, config.width)
    return params


def init_state(config: MinGatedConfig, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """[B, P] of 0, or for a positive candidate of g(0) = 1/2, as published: log(0) has no derivative."""
    del params, max_length
    return jnp.full((batch_size, config.inner), 0.5 if config.candidate == "positive" else 0.0, dtype)


def extend(
    config: MinGatedConfig, params: Params, x: Array, state: State, valid: Array | None = None, *, gates: Callable
) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    h, state = _hidden(config, params, x, state, valid, gates)
    y = h.astype(x.dtype)
    return (linear(params["out"], y) if "out" in params else y), state


def inspect(
    config: MinGatedConfig, params: Params, x: Array, valid: Array | None = None, *, gates: Callable
) -> dict[str, Array]:
    """The hidden states [B, T, P] and how much of the one before each keeps."""
    z = project(params["gates"], zero_padding(x, valid))
    keep, _ = gates(config, z[..., : -config.inner])
    state = fresh_state(partial(init_state, config), params, x)
    return {"hidden": _hidden(config, params, x, state, valid, gates)[0], "keep": jax.nn.sigmoid(keep)}


def _hidden(
    config: MinGatedConfig, params: Params, x: Array, state: State, valid: Array | None, gates: Callable
) -> tuple[Array, State]:
    """(h [B, T, P], the state after the last valid place)."""
    z = project(params["gates"], zero_padding(x, valid))
    keep, new = gates(config, z[..., : -config.inner])
    candidate = z[..., -config.inner :]
    if config.form == "log":
        h = _log_scan(jax.nn.log_sigmoid(keep), jax.nn.log_sigmoid(new) + _log_positive(candidate), state)
        return h, h[:, -1].astype(state.dtype) if valid is None else last_valid(h, state, valid)
    if config.candidate == "positive":
        candidate = _positive(candidate)
    return scan_valid(jax.nn.sigmoid(keep), jax.nn.sigmoid(new) * candidate, state, valid, form=config.form)


def _positive(z: Array) -> Array:
    """g(z) = z + 1/2 where z >= 0, sigmoid(z) elsewhere: continuous, positive."""
    return jnp.where(z >= 0, z + 0.5, jax.nn.sigmoid(z))


def _log_positive(z: Array) -> Array:
    """log g(z), without an intermediate that underflows."""
    return jnp.where(z >= 0, jnp.log(jnp.maximum(z, 0) + 0.5), jax.nn.log_sigmoid(z))


def _log_scan(log_keep: Array, log_added: Array, state: Array) -> Array:
    """h_t = exp(A_t + log sum_(s <= t) exp(log b_s - A_s)), A_t = sum_(s <= t) log a_s; b_0 is the state, A_0 = 0."""
    start = jnp.where(state > 0, jnp.log(jnp.maximum(state, jnp.finfo(state.dtype).tiny)), _NEVER)
    total = jnp.cumsum(log_keep, 1)
    parts = jnp.concatenate([start[:, None].astype(total.dtype), log_added - total], 1)
    return jnp.exp(total + lax.cumlogsumexp(parts, 1)[:, 1:])
