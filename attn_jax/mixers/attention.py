"""Causal multi-head self-attention as a mixer; its state is a key/value cache."""

from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp

from attn_jax.layers.multi_head import init_multi_head_attention, merge_heads, project_heads
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.ops.attention import dot_product_attention
from attn_jax.ops.dense import attention_weights
from attn_jax.types import Array, Key, Params, State


@dataclass(frozen=True)
class Attention(MixerConfig):
    """Causal multi-head self-attention (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, query heads of size D // N.
      num_kv_heads: K, key/value heads shared by N // K query heads each; None = N.
      use_bias: biases on the four projections.
    """

    num_heads: int = 4
    num_kv_heads: int | None = None
    use_bias: bool = False

    def __post_init__(self):
        for name, heads in (("num_heads", self.num_heads), ("num_kv_heads", self.kv_heads)):
            if heads < 1:
                raise ValueError(f"{name}: got {heads}, wanted at least 1")
        if self.num_heads % self.kv_heads:
            raise ValueError(f"num_kv_heads: got {self.kv_heads}, wanted a divisor of num_heads={self.num_heads}")

    @property
    def kv_heads(self) -> int:
        """K, the key/value heads."""
        return self.num_heads if self.num_kv_heads is None else self.num_kv_heads

    @property
    def divisor(self) -> int:
        """Heads divide the width."""
        return self.num_heads

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        if self.width % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted a divisor of d_model={self.width}")
        return Mixer(
            init=partial(init, self),
            apply=partial(apply, self),
            init_state=partial(init_state, self),
            extend=partial(extend, self),
            inspect=partial(inspect, self),
        )


def init(config: Attention, key: Key) -> Params:
    """The projections of queries, keys, values and outputs."""
    return init_multi_head_attention(
        key,
        d_model=config.width,
        num_heads=config.num_heads,
        num_kv_heads=config.kv_heads,
        use_bias=config.use_bias,
    )


def apply(config: Attention, params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """The whole sequence at once. Padding lies on the right, so that the causal mask alone keeps it out."""
    del config, key
    q, k, v = project_heads(params, zero_padding(x, valid))
    return merge_heads(params, dot_product_attention(q, k, v, is_causal=True))


def init_state(config: Attention, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> State:
    """An empty cache: keys and values [B, M, K, H] and the number of places filled, int32 [B]."""
    del params
    cache = jnp.zeros((batch_size, max_length, config.kv_heads, config.width // config.num_heads), dtype)
    return {"keys": cache, "values": cache, "length": jnp.zeros(batch_size, jnp.int32)}


def extend(
    config: Attention, params: Params, x: Array, state: State, valid: Array | None = None
) -> tuple[Array, State]:
    """Goes on from a cache by [B, T, D]; a place past the cache's end gives NaN."""
    del config
    valid = jnp.ones(x.shape[:2], bool) if valid is None else valid
    q, k, v = project_heads(params, zero_padding(x, valid))
    places = state["length"][:, None] + jnp.arange(x.shape[1])
    keys = _write(state["keys"], places, k, valid)
    values = _write(state["values"], places, v, valid)
    mixed = dot_product_attention(
        q, keys.astype(x.dtype), values.astype(x.dtype), is_causal=True, q_offset=state["length"]
    )
    y = merge_heads(params, mixed)
    past_the_end = valid & (places >= keys.shape[1])
    y = jnp.where(past_the_end[..., None], jnp.nan, y)
    return y, {"keys": keys, "values": values, "length": state["length"] + valid.sum(1, dtype=jnp.int32)}


def inspect(config: Attention, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The attention weights [B, N, T, S]."""
    del config
    q, k, _ = project_heads(params, zero_padding(x, valid))
    return {"weights": attention_weights(q, k, is_causal=True)}


def _write(cache: Array, places: Array, new: Array, valid: Array) -> Array:
    """The cache with `new` at its places; padding and places past the end are dropped."""
    places = jnp.where(valid, places, cache.shape[1])
    rows = jnp.arange(cache.shape[0])[:, None]
    return cache.at[rows, places].set(new.astype(cache.dtype), mode="drop")
