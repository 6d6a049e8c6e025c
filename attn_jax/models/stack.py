"""Layers one after another. A group of equal layers is one `lax.scan`, so that compile time does not grow with depth.

A scanned group's parameters are one tree {"stacked": ...} with the layers as the first axis of every leaf, and its
state is stacked likewise; a layer on its own has trees of its own.

A scan's backward pass stores what it needs in stacked arrays, which costs time at every step. Measured (gradient of a
width of 32, batch 32, T 40, one core, CPU seconds, scanned against unrolled, 2026-11): 4 layers of attention or LSTM
compile as fast either way, 3-4 s, and step in 1.2 times the time; 8 layers compile in 0.6 times the time (3.8 against
6.2 s) and step in 1.06-1.11 times. Hence `SCAN_FROM`: what a few layers lose is more than what they gain.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.ops.placement import vary_with
from attn_jax.types import Array, Key, Params, State

SCAN_FROM = 6  # so many equal layers in a row are scanned


class Group(NamedTuple):
    """Layers that are equal and follow each other."""

    mixer: Mixer
    first: int  # the index of the first of them
    size: int  # 1: a layer on its own, nothing is stacked


def make_groups(configs: Sequence[MixerConfig]) -> tuple[Group, ...]:
    """One mixer a layer, as groups to scan and layers on their own.

    >>> from attn_jax.mixers import GRU, LSTM
    >>> [group.size for group in make_groups([LSTM(8)] * 6 + [GRU(8)] * 2)]
    [6, 1, 1]
    """
    groups, first = [], 0
    for config, layers in groupby(configs):
        size, mixer = len(list(layers)), config.make()
        if size >= SCAN_FROM:
            groups.append(Group(mixer, first, size))
        else:
            groups.extend(Group(mixer, index, 1) for index in range(first, first + size))
        first += size
    return tuple(groups)


def init_groups(init: Callable[[Mixer, Key], Params], groups: tuple[Group, ...], keys: Key) -> list[Params]:
    """Parameters of each group, one key a layer; the same numbers whether they are stacked or not."""
    return [
        init(group.mixer, keys[group.first])
        if group.size == 1
        else {"stacked": jax.vmap(partial(init, group.mixer))(keys[group.first : group.first + group.size])}
        for group in groups
    ]


def each_layer(function: Callable[[Mixer, Params], Any], groups: tuple[Group, ...], params: list[Params]) -> tuple:
    """`function(mixer, a layer's parameters)` of every group, stacked where the parameters are."""
    return tuple(
        function(group.mixer, layer)
        if group.size == 1
        else jax.vmap(partial(function, group.mixer), axis_size=group.size)(layer["stacked"])
        for group, layer in zip(groups, params, strict=True)
    )


def spared_layers(
    spare: Callable[[Mixer, Params], Params], groups: tuple[Group, ...], params: list[Params]
) -> list[Params]:
    """What weight decay leaves alone, `spare(mixer, a layer's parameters)` of every group: stacked ones are alike."""
    return [
        spare(group.mixer, layer) if group.size == 1 else {"stacked": spare(group.mixer, _one_of(layer["stacked"]))}
        for group, layer in zip(groups, params, strict=True)
    ]


def _one_of(stacked: Params) -> Params:
    """The shapes of one layer's parameters."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stacked)


def through_layers(
    step: Callable[..., tuple[Array, Any]],
    groups: tuple[Group, ...],
    x: Array,
    params: list[Params],
    others: Sequence[Any] | None = None,
) -> tuple[Array, tuple]:
    """x through all layers: `x, out = step(mixer, x, (index, a layer's parameters, a layer's other))`.

    Args:
      step: one layer; index counts the model's layers, traced in a scanned group.
      groups: of `make_groups`.
      x: [B, T, D].
      params: of `init_groups`.
      others: what else each layer is given, a tree a group, stacked where the group is scanned; None: None.

    Returns:
      (x after the last layer, each group's out, stacked where it is scanned).
    """
    outs = []
    for group, layer, other in zip(groups, params, others or [None] * len(groups), strict=True):
        if group.size == 1:
            x, out = step(group.mixer, x, (group.first, layer, other))
        else:
            indices = jnp.arange(group.first, group.first + group.size)
            each = indices, layer["stacked"], other
            x, out = lax.scan(partial(step, group.mixer), vary_with(x, each), each)
        outs.append(out)
    return x, tuple(outs)


def without_last(groups: tuple[Group, ...]) -> tuple[tuple[Group, ...], Group | None]:
    """The last layer apart from those before it; None, and all groups, where it is one of a scan.

    >>> from attn_jax.mixers import GRU
    >>> [last and last.first for _, last in (without_last(make_groups([GRU(8)] * n)) for n in (2, 6))]
    [1, None]
    """
    return (groups[:-1], groups[-1]) if groups[-1].size == 1 else (groups, None)


def layers_by_name(stacks: Mapping[str, tuple[Group, ...]], params: Params) -> dict[str, Any]:
    """A model's parts: "layer_0", "layer_1" ... of `params["layers"]`, and whatever is no stack by its own name."""
    parts: dict[str, Any] = {}
    for name, part in params.items():
        if name in stacks:
            layers = by_layer(stacks[name], [group.get("stacked", group) for group in part])
            parts |= {f"{name.removesuffix('s')}_{index}": layer for index, layer in enumerate(layers)}
        else:
            parts[name] = part
    return parts


def states_by_name(groups: tuple[Group, ...], state: State) -> dict[str, State]:
    """A model's state: "layer_0", "layer_1" ... of `state["layers"]`."""
    return {f"layer_{index}": layer for index, layer in enumerate(by_layer(groups, state["layers"]))}


def layer_at(groups: tuple[Group, ...], params: list[Params], index: int) -> tuple[Mixer, Params]:
    """One layer's mixer and parameters."""
    group, layer = next(found for found in zip(groups, params, strict=True) if index < found[0].first + found[0].size)
    if group.size == 1:
        return group.mixer, layer
    return group.mixer, jax.tree.map(lambda leaf: leaf[index - group.first], layer["stacked"])


def by_layer(groups: tuple[Group, ...], outs: Sequence[Any]) -> list[Any]:
    """One tree a layer of what `through_layers` or `each_layer` gave one a group."""
    trees = []
    for group, out in zip(groups, outs, strict=True):
        trees += [out] if group.size == 1 else [jax.tree.map(lambda leaf, i=i: leaf[i], out) for i in range(group.size)]
    return trees
