"""A sequence model's layers over whole sequences: all places, some alone, a layer alone, and what can be seen there."""

from functools import partial
from typing import Protocol

import jax.numpy as jnp

from attn_jax.layers.dropout import dropout, fold_in
from attn_jax.layers.norm import norm
from attn_jax.layers.positions import Positions, add_positions
from attn_jax.mixers.base import Places, cut, zero_padding
from attn_jax.models.block import BlockConfig, apply_block_at, apply_layer, count_layer, inspect_layer
from attn_jax.models.embed import embed, without_padding
from attn_jax.models.readout import last_norm, read_out
from attn_jax.models.stack import Group, by_layer, layer_at, through_layers, without_last
from attn_jax.types import Array, Key, Params


class SequenceConfig(BlockConfig, Protocol):
    """What the way through the layers reads of its model's configuration."""

    @property
    def num_layers(self) -> int:
        """L."""
        ...

    @property
    def positions(self) -> Positions:
        """What is added to the embedding."""
        ...

    @property
    def tied(self) -> bool:
        """Whether the readout's weights are the embedding's table."""
        ...


def apply_embedded(
    config: SequenceConfig,
    groups: tuple[Group, ...],
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    key: Key | None = None,
) -> Array:
    """Logits [B, T, V] of embedded inputs."""
    x = zero_padding(add_positions(config.positions, params, x, jnp.arange(x.shape[1])), valid)
    x = dropout(config.dropout, x, fold_in(key, config.num_layers))
    x, _ = through_layers(partial(apply_layer, config, valid, key), groups, x, params["layers"])
    return leave_layers(config, params, x)


def apply(whole, params: Params, inputs: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """Logits [B, T, V] of a whole sequence."""
    return whole(params, embed(params, without_padding(inputs, valid)), valid, key=key)


def apply_at(
    config: SequenceConfig,
    groups: tuple[Group, ...],
    params: Params,
    inputs: Array,
    places: Places,
    valid: Array | None = None,
    *,
    key: Key | None = None,
) -> Array:
    """Logits at some places alone, of a model without dropout: its last layer, if no scan holds it, does no more."""
    x = enter_layers(config, params, inputs, valid, 0)
    layers, last = without_last(groups)
    x, _ = through_layers(partial(apply_layer, config, valid, key), layers, x, params["layers"][: len(layers)])
    if last is None:
        x = cut(x, places)
    else:
        own = params["layers"][-1], x, places, valid
        x = apply_block_at(config, last.mixer, *own, key=fold_in(key, last.first))
    return leave_layers(config, params, x)


def through_layer(
    config: SequenceConfig,
    groups: tuple[Group, ...],
    index: int,
    params: Params,
    x: Array,
    valid: Array | None = None,
    *,
    key: Key | None = None,
) -> Array:
    """x [B, T, D] after one layer alone, of the model's parameters."""
    mixer, layer = layer_at(groups, params["layers"], index)
    return apply_layer(config, valid, key, mixer, x, (index, layer, None))[0]


def inspect(
    config: SequenceConfig, groups: tuple[Group, ...], params: Params, inputs: Array, valid: Array | None = None
) -> dict[str, Array]:
    """What each layer's mixer shows of itself, under "layer_<index>/<name>"."""
    x = enter_layers(config, params, inputs, valid, 0)
    _, seen = through_layers(partial(inspect_layer, config, valid), groups, x, params["layers"])
    layers = enumerate(by_layer(groups, seen))
    return {f"layer_{index}/{name}": value for index, inside in layers for name, value in inside.items()}


def trips(
    config: SequenceConfig, groups: tuple[Group, ...], params: Params, inputs: Array, valid: Array | None = None
) -> Array:
    """The most trips of any layer's `while` loops, int32 [B]."""
    x = enter_layers(config, params, inputs, valid, 0)
    _, seen = through_layers(partial(count_layer, config, valid), groups, x, params["layers"])
    return jnp.max(jnp.stack(by_layer(groups, seen)), 0)


def enter_layers(
    config: SequenceConfig, params: Params, inputs: Array, valid: Array | None, position: Array | int
) -> Array:
    """What the first layer is given from this position on, without dropout."""
    x = embed(params, without_padding(inputs, valid))
    return zero_padding(add_positions(config.positions, params, x, position + jnp.arange(inputs.shape[1])), valid)


def leave_layers(config: SequenceConfig, params: Params, x: Array) -> Array:
    """Logits [B, T, V] of what the last layer gives."""
    return read_out(config.tied, params, norm(last_norm(config), params["norm"], x))
