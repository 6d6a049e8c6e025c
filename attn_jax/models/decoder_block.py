"""A layer of a decoder: that of the sequence model, with attention to what the encoder read between mixer and MLP."""

from typing import Any, NamedTuple, Protocol

import jax

from attn_jax.layers.decay import spared
from attn_jax.layers.dropout import fold_in
from attn_jax.layers.multi_head import (
    BIASES,
    init_multi_head_attention,
    merge_heads,
    project_memory,
    project_query,
)
from attn_jax.layers.norm import init_norm
from attn_jax.mixers.base import Mixer
from attn_jax.models.block import (
    BlockConfig,
    enter,
    extend_mix,
    feed_forward,
    init_block,
    inspect_block,
    leave,
    mix,
    spared_block,
)
from attn_jax.ops.attention.dense import attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.inputs import Implementation
from attn_jax.ops.attention.masks import Lengths
from attn_jax.types import Array, Key, Params, State

_CROSS = 3  # what draws in the layer beside a block's mixer (0, 1) and MLP (2)


class DecoderConfig(BlockConfig, Protocol):
    """What a decoder's layer reads of its model's configuration."""

    @property
    def num_heads(self) -> int:
        """N, the heads of cross attention."""
        ...

    @property
    def use_bias(self) -> bool:
        """Biases on the projections of cross attention."""
        ...

    @property
    def implementation(self) -> Implementation | None:
        """The path of cross attention."""
        ...


class Memory(NamedTuple):
    """What the encoder read."""

    x: Array  # [B, S, D]
    length: Array | None  # int32 [B], how much of it is no padding; None: all


def init_decoder_block(config: DecoderConfig, mixer: Mixer, key: Key) -> Params:
    """The parameters of a block, and {"cross_norm", "cross"}."""
    key_block, key_cross = jax.random.split(key)
    cross = init_multi_head_attention(
        key_cross, d_model=config.width, num_heads=config.num_heads, use_bias=config.use_bias
    )
    params = init_block(config, mixer, key_block)
    return params | {"cross_norm": init_norm(config.norm, config.width), "cross": cross}


def apply_decoder_block(
    config: DecoderConfig, mixer: Mixer, params: Params, x: Array, memory: Memory, *, key: Key | None = None
) -> Array:
    """The layer over a whole target."""
    x = mix(config, mixer, params, x, None, key=key)
    x = _cross(config, params, x, project_memory(params["cross"], memory.x), memory.length, key=key)
    return feed_forward(config, params, x, key=key)


def spared_decoder_block(mixer: Mixer, params: Params) -> Params:
    """What weight decay leaves alone of a layer."""
    return spared_block(mixer, params) | {"cross": spared(BIASES, params["cross"])}


def extend_decoder_block(
    config: DecoderConfig,
    mixer: Mixer,
    params: Params,
    x: Array,
    state: State,
    projected: tuple[Array, Array],
    source_length: Array,
) -> tuple[Array, State]:
    """The layer, going on from a state; the memory's keys and values were projected once, [B, S, N, H] each."""
    x, state = extend_mix(config, mixer, params, x, state, None)
    return feed_forward(config, params, _cross(config, params, x, projected, source_length)), state


def inspect_decoder_block(
    config: DecoderConfig, mixer: Mixer, params: Params, x: Array, memory: Memory
) -> dict[str, Array]:
    """What the mixer shows of itself, and the weights of cross attention, "cross" [B, N, T, S]."""
    asking = enter(config, params["cross_norm"], mix(config, mixer, params, x, None))
    keys, _ = project_memory(params["cross"], memory.x)
    cross = attention_weights(project_query(params["cross"], asking), keys, mask=_readable(memory.length))
    return inspect_block(config, mixer, params, x, None) | {"cross": cross}


def _cross(
    config: DecoderConfig,
    params: Params,
    x: Array,
    projected: tuple[Array, Array],
    source_length: Array | None,
    *,
    key: Key | None = None,
) -> Array:
    """The part of a layer that asks the memory."""
    query = project_query(params["cross"], enter(config, params["cross_norm"], x))
    found = dot_product_attention(
        query, *projected, mask=_readable(source_length), implementation=config.implementation
    )
    return leave(config, params["cross_norm"], x, merge_heads(params["cross"], found), key=fold_in(key, _CROSS))


def _readable(source_length: Array | None) -> Lengths | None:
    return None if source_length is None else Lengths(k=source_length)


def apply_decoder_layer(
    config: DecoderConfig, memory: Memory, key: Key | None, mixer: Mixer, x: Array, layer: Any
) -> tuple[Array, None]:
    """`apply_decoder_block` as a stack calls it, the layer's key drawn by its index."""
    index, params, _ = layer
    return apply_decoder_block(config, mixer, params, x, memory, key=fold_in(key, index)), None


def extend_decoder_layer(
    config: DecoderConfig, source_length: Array, mixer: Mixer, x: Array, layer: Any
) -> tuple[Array, State]:
    """`extend_decoder_block` as a stack calls it."""
    _, params, (cache, projected) = layer
    return extend_decoder_block(config, mixer, params, x, cache, projected, source_length)


def inspect_decoder_layer(
    config: DecoderConfig, memory: Memory, mixer: Mixer, x: Array, layer: Any
) -> tuple[Array, dict[str, Array]]:
    """What comes after the layer, and what it shows, as a stack calls it."""
    _, params, _ = layer
    after = apply_decoder_block(config, mixer, params, x, memory)
    return after, inspect_decoder_block(config, mixer, params, x, memory)


def project_layer(memory: Memory, mixer: Mixer, params: Params) -> tuple[Array, Array]:
    """The memory as a layer's keys and values, as a stack asks for them."""
    del mixer
    return project_memory(params["cross"], memory.x)
