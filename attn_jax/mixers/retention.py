"""Multi-scale retention as a mixer: linear attention whose heads forget at fixed rates."""

from dataclasses import dataclass, replace
from functools import partial

import jax.numpy as jnp

from attn_jax.layers.multi_head import project_heads
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.matrix_memory import MatrixMemoryConfig, bind_matrix, init_heads, init_memory
from attn_jax.ops.attention.cache import positions_from
from attn_jax.ops.positions import rotary
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class Retention(MatrixMemoryConfig):
    """Multi-scale retention (Sun et al. 2023, arXiv 2307.08621): head h keeps 1 - 2^(-5 - h) of its memory a place.

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = P = D // N.
      form: "recurrent", "chunked" or "parallel", as `gated_linear_attention` takes it; None = the fastest.
      rotary_base: queries and keys turn with their positions, as in the paper; None = they do not.
    """

    source = "Sun et al. 2023, arXiv 2307.08621"
    rotary_base: float | None = 10_000.0

    def __post_init__(self):
        super().__post_init__()
        if self.rotary_base is not None and not self.rotary_base > 0:
            raise ValueError(f"rotary_base: got {self.rotary_base}, wanted a number > 0, or None for no rotation")

    @property
    def divisor(self) -> int:
        """Heads divide the width, and rotation takes pairs of channels."""
        return self.num_heads if self.rotary_base is None else 2 * self.num_heads

    @property
    def countable(self) -> "Retention":
        """All weights at once: chunks have an order, which is our choice and no property of retention."""
        return replace(self, form="parallel")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        if self.rotary_base is not None and self.head_dim % 2:
            raise ValueError(f"num_heads: got {self.num_heads}, rotary_base wants heads of even size D // N")
        return bind_matrix(self, init, init_state, mix, inspect)


def init(config: Retention, key: Key) -> Params:
    """The projections, the output gate's among them, and the gain of the heads' norm."""
    return init_heads(config, key, gate=True)


def init_state(config: Retention, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """The empty memory [B, N, H, P] and the number of places read, int32 [B]."""
    memory = init_memory(config, params, batch_size, max_length, dtype=dtype)
    return {"memory": memory, "length": jnp.zeros(batch_size, jnp.int32)}


def decays(config: Retention) -> jnp.ndarray:
    """What each head keeps a place, [N] float32.

    >>> decays(Retention(num_heads=2)).tolist()
    [0.96875, 0.984375]
    """
    return 1 - 2.0 ** (-5 - jnp.arange(config.num_heads, dtype=jnp.float32))


def mix(config: Retention, params: Params, x: Array, state: State, valid: Array | None) -> tuple[Array, State]:
    """[B, T, N, P] and the state after x, whose padding is zero."""
    q, k, v = project_heads(params, x)
    if config.rotary_base is not None:
        turn = partial(rotary, positions=positions_from(state["length"], x.shape[1]), base=config.rotary_base)
        q, k = turn(q), turn(k)
    log_decay = zero_padding(jnp.broadcast_to(jnp.log(decays(config)), q.shape[:3]), valid)
    k = k * config.head_dim**-0.5
    heads, memory = gated_linear_attention(q, k, v, log_decay, initial=state["memory"], form=config.form)
    read = x.shape[1] if valid is None else valid.sum(1, dtype=jnp.int32)
    return heads, {"memory": memory, "length": state["length"] + read}


def inspect(config: Retention, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """What each head keeps a place, [N]."""
    del params, x, valid
    return {"decay": decays(config)}
