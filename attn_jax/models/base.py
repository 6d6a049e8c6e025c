"""The contract of a sequence model: one output a place, whole or piece by piece."""

from collections.abc import Callable
from typing import NamedTuple

from attn_jax.types import Array, Params, State


class Model(NamedTuple):
    """A bundle of pure functions; `apply` whole equals `extend` from `init_state` in pieces of any size."""

    init: Callable[..., Params]  # (key) -> params
    embed: Callable[..., Array]  # (params, inputs) -> x[B,T,D]
    apply_embedded: Callable[..., Array]  # (params, x, valid, *, key=None) -> outputs: where gradient flow is measured
    apply: Callable[..., Array]  # (params, inputs, valid, *, key=None) -> outputs[B,T,V] = apply_embedded after embed
    init_state: Callable[..., State] | None  # (params, batch_size, max_length, *, dtype=float32) -> state
    extend: Callable[..., tuple[Array, State]] | None  # (params, inputs, state, valid) -> (outputs, state)
    inspect: Callable[..., dict[str, Array]]  # (params, inputs, valid) -> "layer_0/weights" ...
