"""What the recurrent mixers share: hidden size, initial weights, projection back, and a cell run over a sequence.

A mixer's file adds its `init`, its `init_state` and names its cell; `bind` makes the rest of the contract of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform, orthogonal
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.ops.cells import scan_cell
from attn_jax.ops.norms import accumulator
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class RecurrentConfig(MixerConfig):
    """The base of the recurrent mixers' configurations.

    Args:
      d_model: the width D; None = the model fills it.
      d_inner: the hidden size P; None = D. Otherwise y is projected back to D.
      recurrent_init: the start of the hidden-to-hidden matrix of each gate, "orthogonal" or "glorot".
    """

    d_inner: int | None = None
    recurrent_init: Literal["orthogonal", "glorot"] = "orthogonal"

    def __post_init__(self):
        if self.recurrent_init not in ("orthogonal", "glorot"):
            raise ValueError(f"recurrent_init: got {self.recurrent_init!r}, wanted 'orthogonal' or 'glorot'")
        if self.d_inner is not None and self.d_inner < 1:
            raise ValueError(f"d_inner: got {self.d_inner}, wanted at least 1")

    @property
    def inner(self) -> int:
        """The hidden size P."""
        return self.width if self.d_inner is None else self.d_inner


def bind(config: RecurrentConfig, init: Callable, init_state: Callable, step: Callable) -> Mixer:
    """The mixer of a cell: its file's `init` and `init_state`, which take the config first, and its step."""
    start = partial(init_state, config)
    return Mixer(
        init=partial(init, config),
        apply=partial(apply, start, step),
        init_state=start,
        extend=partial(extend, step),
        inspect=partial(inspect, start, step),
    )


def init_recurrent(config: RecurrentConfig, key: Key, *, gates: int) -> Params:
    """{"cell": w_x, w_h, b of so many gates side by side, "out": the projection back where P differs from D}."""
    key_x, key_h, key_out = jax.random.split(key, 3)
    size = config.inner
    if config.recurrent_init == "orthogonal":
        w_h = orthogonal(key_h, size, parts=gates)
    else:
        w_h = glorot_uniform(key_h, size, size, parts=gates)
    w_x = glorot_uniform(key_x, config.width, size, parts=gates)
    params = {"cell": {"w_x": w_x, "w_h": w_h, "b": jnp.zeros(gates * size)}}
    if config.d_inner is not None:
        params["out"] = init_linear(key_out, size, config.width)
    return params


def extend(step: Callable, params: Params, x: Array, state: State, valid: Array | None = None) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    hidden, state = scan_cell(step, params["cell"], zero_padding(x, valid), state, valid)
    y = hidden.astype(x.dtype)
    return (linear(params["out"], y) if "out" in params else y), state


def apply(
    start: Callable, step: Callable, params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None
) -> Array:
    """The whole sequence from the fresh state; `extend` is already the fastest form, and nothing is random."""
    del key
    return extend(step, params, x, start(params, *x.shape[:2], dtype=accumulator(x.dtype)), valid)[0]


def inspect(start: Callable, step: Callable, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The hidden states [B, T, P], before any projection back to D."""
    state = start(params, *x.shape[:2], dtype=accumulator(x.dtype))
    return {"hidden": extend(step, {"cell": params["cell"]}, x, state, valid)[0]}
