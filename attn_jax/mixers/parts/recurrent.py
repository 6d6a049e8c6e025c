"""What the recurrent mixers share: hidden size, initial weights, projection back, and a cell run over a sequence.

A mixer's file adds its `init`, its `init_state` and names its cell; `bind_cell` makes the rest of the contract of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.layers.initializers import glorot_uniform, orthogonal
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.binding import bind, fresh_state
from attn_jax.mixers.parts.hidden_size import HiddenSizeConfig
from attn_jax.mixers.parts.newton import newton_cell, solve_cell
from attn_jax.mixers.parts.options import check_choice
from attn_jax.ops.recurrence.cells import no_gates, scan_cell, watched
from attn_jax.types import Array, Key, Params, State

RecurrentInit: TypeAlias = Literal["orthogonal", "glorot", "identity"]
CellForm: TypeAlias = Literal["scan", "newton"]
_SQUARINGS = 20  # the error of a spectral radius is log(2 ** 20) / 2 ** 20 for a Jordan block, less for all others


@dataclass(frozen=True)
class RecurrentConfig(HiddenSizeConfig):
    """The base of the recurrent mixers' configurations.

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix of each gate, "orthogonal", "glorot" or "identity".
      spectral_radius: each such matrix is scaled to it; None leaves it: 1 for orthogonal and identity.
      form: "scan" goes step by step; "newton" solves for all states at once, O(log T) deep (never faster on a CPU).
    """

    recurrent_init: RecurrentInit = "orthogonal"
    spectral_radius: float | None = None
    form: CellForm = "scan"

    def __post_init__(self):
        super().__post_init__()
        check_choice("recurrent_init", self.recurrent_init, get_args(RecurrentInit))
        check_choice("form", self.form, get_args(CellForm))
        if self.spectral_radius is not None and not self.spectral_radius > 0:
            raise ValueError(f"spectral_radius: got {self.spectral_radius}, wanted a number > 0")


def bind_cell(
    config: RecurrentConfig, init: Callable, init_state: Callable, step: Callable, gates: Callable = no_gates
) -> Mixer:
    """The mixer of a cell: its file's `init` and `init_state`, which take the config first, its step and its gates."""
    look = {"init_state": init_state, "step": step, "gates": gates}
    if config.form == "newton":
        trips = partial(newton_trips, config, init_state=init_state, step=step)
        extend_by = partial(extend, run=partial(newton_cell, step))
        return bind(config, init, init_state, extend_by, partial(inspect_newton, **look), trips=trips)
    extend_by = partial(extend, run=partial(scan_cell, step))
    return bind(config, init, init_state, extend_by, partial(inspect, **look))


def init_recurrent(config: RecurrentConfig, key: Key, *, gates: int) -> Params:
    """{"cell": w_x, w_h, b of so many gates side by side, "out": the projection back where P differs from D}."""
    key_x, key_h, key_out = jax.random.split(key, 3)
    size = config.inner
    w_h = init_hidden_to_hidden(config, key_h, gates=gates)
    w_x = glorot_uniform(key_x, config.width, size, parts=gates)
    params = {"cell": {"w_x": w_x, "w_h": w_h, "b": jnp.zeros(gates * size)}}
    if config.d_inner is not None:
        params["out"] = init_linear(key_out, size, config.width)
    return params


def init_hidden_to_hidden(config: RecurrentConfig, key: Key, *, gates: int) -> Array:
    """The matrices w_h [P, gates P] side by side, as configured."""
    size = config.inner
    if config.recurrent_init == "orthogonal":
        w_h = orthogonal(key, size, parts=gates)
    elif config.recurrent_init == "glorot":
        w_h = glorot_uniform(key, size, size, parts=gates)
    else:
        w_h = jnp.tile(jnp.eye(size), (1, gates))
    if config.spectral_radius is None:
        return w_h
    matrices = jnp.moveaxis(w_h.reshape(size, gates, size), 1, 0)
    scale = config.spectral_radius / spectral_radius(matrices)
    return w_h * jnp.repeat(scale, size)


def spectral_radius(w: Array) -> Array:
    """The largest absolute eigenvalue of matrices [..., P, P], by products alone: eigenvalues run on no TPU.

    rho(W) = lim |W^n|^(1/n) at n = 2^20, by repeated squaring

    >>> spectral_radius(jnp.array([[0.0, 2.0], [-2.0, 0.0]])).round(4).tolist()
    2.0

    Reference: Gelfand 1941, Normierte Ringe.
    """

    def square(carry, exponent):
        w, log_radius = carry
        size = jnp.max(jnp.abs(w), (-2, -1), keepdims=True)
        w = w / size
        return (jnp.matmul(w, w, precision=lax.Precision.HIGHEST), log_radius + jnp.log(size) * exponent), None

    start = (w, jnp.zeros_like(w[..., :1, :1]))
    log_radius = lax.scan(square, start, 0.5 ** jnp.arange(_SQUARINGS, dtype=w.dtype))[0][1]
    return jnp.exp(log_radius)[..., 0, 0]


def chrono_bias(key: Key, size: int, longest: int) -> Array:
    """Biases [P] of a gate that keeps: log(u), u ~ U(1, longest - 1), so that memories last from 1 to `longest` steps.

    Reference: Tallec & Ollivier 2018, arXiv 1804.11188, equation 16.
    """
    return jnp.log(jax.random.uniform(key, (size,), minval=1.0, maxval=longest - 1.0))


def check_chrono(longest: int | None, name: str, bias: float, default: float) -> None:
    """Raises where chrono initialisation has no range, or would overwrite a bias that was asked for."""
    if longest is None:
        return
    if longest < 3:
        raise ValueError(f"chrono: got {longest}, wanted at least 3 steps")
    if bias != default:
        raise ValueError(f"{name}: got {bias} beside chrono={longest}, which draws that bias; wanted one of the two")


def extend(
    config: RecurrentConfig, params: Params, x: Array, state: State, valid: Array | None = None, *, run: Callable
) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    del config  # params tell whether y is projected back
    hidden, state = run(params["cell"], zero_padding(x, valid), state, valid)
    y = hidden.astype(x.dtype)
    return (linear(params["out"], y) if "out" in params else y), state


def inspect(
    config: RecurrentConfig,
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    init_state: Callable,
    step: Callable,
    gates: Callable,
) -> dict[str, Array]:
    """The hidden states [B, T, P], before any projection back to D, and how far the cell's gates are open there."""
    state = fresh_state(partial(init_state, config), params, x)
    run = partial(scan_cell, watched(step, gates))
    (hidden, shown), _ = run(params["cell"], zero_padding(x, valid), state, valid)
    return {"hidden": hidden.astype(x.dtype)} | shown


def inspect_newton(
    config: RecurrentConfig,
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    init_state: Callable,
    step: Callable,
    gates: Callable,
) -> dict[str, Array]:
    """The hidden states and gates, and of each sequence [B] the iterations, the residual and whether it converged."""
    state, x = fresh_state(partial(init_state, config), params, x), zero_padding(x, valid)
    states, result = solve_cell(step, params["cell"], x, state, valid)
    before = jax.tree.map(lambda first, all_: jnp.concatenate([first[:, None], all_[:, :-1]], 1), state, states)
    return {
        "hidden": jax.tree.leaves(states)[0].astype(x.dtype),
        **gates(params["cell"], before, x),
        "iterations": result.iterations,
        "residual": result.residual,
        "converged": result.converged,
    }


def newton_trips(
    config: RecurrentConfig,
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    init_state: Callable,
    step: Callable,
) -> Array:
    """Of each sequence [B] the iterations."""
    state = fresh_state(partial(init_state, config), params, x)
    return solve_cell(step, params["cell"], zero_padding(x, valid), state, valid)[1].iterations
