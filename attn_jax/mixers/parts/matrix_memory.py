"""What mixers with a matrix of memory a head share: sizes, projections, the state, a normed and gated readout.

A mixer's file adds its `init` and its `mix`, (config, params, x, memory, valid) -> (heads [B, T, N, P], memory), on x
whose padding is zero; `bind_matrix` makes the rest of the contract of them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from attn_jax.layers.initializers import glorot_uniform
from attn_jax.layers.multi_head import init_multi_head_attention, merge_heads
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.mixers.parts.binding import bind
from attn_jax.ops.norms import accumulator, rms_norm
from attn_jax.ops.recurrence.chunks import MATRIX_FORMS, MatrixForm
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class MatrixMemoryConfig(MixerConfig):
    """The base of these mixers' configurations.

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = P = D // N.
      form: "recurrent", "chunked" or "parallel", as the ops take it; None = the fastest.
    """

    num_heads: int = 4
    form: MatrixForm | None = None

    def __post_init__(self):
        if self.num_heads < 1:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted at least 1")
        if self.form not in (None, *MATRIX_FORMS):
            raise ValueError(f"form: got {self.form!r}, wanted None or one of {list(MATRIX_FORMS)}")

    @property
    def divisor(self) -> int:
        """Heads divide the width."""
        return self.num_heads

    @property
    def head_dim(self) -> int:
        """H and P."""
        return self.width // self.num_heads


def bind_matrix(
    config: MatrixMemoryConfig,
    init: Callable,
    init_state: Callable,
    mix: Callable,
    inspect: Callable,
    *,
    spare: Collection[str] = (),
) -> Mixer:
    """The mixer of a file's `init`, `init_state`, `mix` and `inspect`; `spare`: names, as `spared` takes."""
    if config.width % config.num_heads:
        raise ValueError(f"num_heads: got {config.num_heads}, wanted a divisor of d_model={config.width}")
    return bind(config, init, init_state, partial(extend, mix=mix), inspect, spare=spare)


def init_heads(config: MatrixMemoryConfig, key: Key, *, gate: bool) -> Params:
    """The projections of queries, keys, values and outputs; with a gain for the heads' norm, and the output gate's."""
    key_heads, key_gate = jax.random.split(key)
    params = init_multi_head_attention(key_heads, d_model=config.width, num_heads=config.num_heads)
    params["g_out"] = jnp.ones(config.head_dim)
    if gate:
        params["w_gate"] = glorot_uniform(key_gate, config.width, config.width)
    return params


def init_memory(
    config: MatrixMemoryConfig, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32
) -> State:
    """The empty memory [B, N, H, P]; its size does not depend on max_length."""
    del params, max_length
    return jnp.zeros((batch_size, config.num_heads, config.head_dim, config.head_dim), dtype)


def extend(
    config: MatrixMemoryConfig, params: Params, x: Array, state: State, valid: Array | None = None, *, mix: Callable
) -> tuple[Array, State]:
    """Goes on from a state by [B, T, D]."""
    x = zero_padding(x, valid)
    heads, state = mix(config, params, x, state, valid)
    return read_out(params, x, heads), state


def read_out(params: Params, x: Array, heads: Array) -> Array:
    """[B, T, D] of heads [B, T, N, P]: normed where there is a gain, gated by silu(x w) where there is a gate."""
    if "g_out" in params:
        heads = rms_norm(heads, params["g_out"])
    if "w_gate" in params:
        heads = heads * jax.nn.silu(x @ params["w_gate"].astype(x.dtype)).reshape(heads.shape)
    return merge_heads(params, heads)


def per_head(params: Params, which: str, x: Array) -> Array:
    """x w + b in at least float32, [B, T, D] -> [B, T, ...]: what sets decays and rates."""
    weights = params[f"w_{which}"]
    y = jnp.tensordot(x, weights.astype(x.dtype), 1, preferred_element_type=accumulator(x.dtype))
    return y + params[f"b_{which}"]
