"""Layers one after another. Runs of equal layers are one `lax.scan`, so that compile time does not grow with depth.

A scanned run's parameters are one tree {"stacked": ...} with the layers as the first axis of every leaf, and its state
is stacked likewise; a layer on its own has trees of its own.

A scan's backward pass stores what it needs in stacked arrays, which costs time at every step. Measured (gradient of a
width of 32, batch 32, T 40, one core, CPU seconds, scanned against unrolled, 2026-11): 4 layers of attention or LSTM
compile as fast either way, 3-4 s, and step in 1.2 times the time; 8 layers compile in 0.6 times the time (3.8 against
6.2 s) and step in 1.06-1.11 times. Hence `SCAN_FROM`: what a few layers lose is more than what they gain.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.mixers.base import Mixer, MixerConfig
from attn_jax.ops.placement import vary_with
from attn_jax.types import Array, Key, Params

SCAN_FROM = 6  # so many equal layers in a row are scanned


class Run(NamedTuple):
    """Layers that are equal and follow each other."""

    mixer: Mixer
    first: int  # the index of the first of them
    size: int  # 1: a layer on its own, nothing is stacked


def make_runs(configs: Sequence[MixerConfig]) -> tuple[Run, ...]:
    """One mixer a layer, as runs to scan and layers on their own.

    >>> from attn_jax.mixers import GRU, LSTM
    >>> [run.size for run in make_runs([LSTM(8)] * 6 + [GRU(8)] * 2)]
    [6, 1, 1]
    """
    runs, first = [], 0
    for config, layers in groupby(configs):
        size, mixer = len(list(layers)), config.make()
        if size >= SCAN_FROM:
            runs.append(Run(mixer, first, size))
        else:
            runs.extend(Run(mixer, index, 1) for index in range(first, first + size))
        first += size
    return tuple(runs)


def init_runs(init: Callable[[Mixer, Key], Params], runs: tuple[Run, ...], keys: Key) -> list[Params]:
    """Parameters of each run, one key a layer; the same numbers whether they are stacked or not."""
    return [
        init(run.mixer, keys[run.first])
        if run.size == 1
        else {"stacked": jax.vmap(partial(init, run.mixer))(keys[run.first : run.first + run.size])}
        for run in runs
    ]


def each_layer(function: Callable[[Mixer, Params], Any], runs: tuple[Run, ...], params: list[Params]) -> tuple:
    """`function(mixer, a layer's parameters)` of every run, stacked where the parameters are."""
    return tuple(
        function(run.mixer, layer)
        if run.size == 1
        else jax.vmap(partial(function, run.mixer), axis_size=run.size)(layer["stacked"])
        for run, layer in zip(runs, params, strict=True)
    )


def spared_layers(
    spare: Callable[[Mixer, Params], Params], runs: tuple[Run, ...], params: list[Params]
) -> list[Params]:
    """What weight decay leaves alone, `spare(mixer, a layer's parameters)` of every run: stacked ones are alike."""
    return [
        spare(run.mixer, layer) if run.size == 1 else {"stacked": spare(run.mixer, _one_of(layer["stacked"]))}
        for run, layer in zip(runs, params, strict=True)
    ]


def _one_of(stacked: Params) -> Params:
    """The shapes of one layer's parameters."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), stacked)


def thread(
    step: Callable[..., tuple[Array, Any]],
    runs: tuple[Run, ...],
    x: Array,
    params: list[Params],
    others: Sequence[Any] | None = None,
) -> tuple[Array, tuple]:
    """x through all layers: `x, out = step(mixer, x, (index, a layer's parameters, a layer's other))`.

    Args:
      step: one layer; index counts the model's layers, traced in a scanned run.
      runs: of `make_runs`.
      x: [B, T, D].
      params: of `init_runs`.
      others: what else each layer is given, a tree a run, stacked where the run is scanned; None: None.

    Returns:
      (x after the last layer, each run's out, stacked where it is scanned).
    """
    outs = []
    for run, layer, other in zip(runs, params, others or [None] * len(runs), strict=True):
        if run.size == 1:
            x, out = step(run.mixer, x, (run.first, layer, other))
        else:
            indices = jnp.arange(run.first, run.first + run.size)
            each = indices, layer["stacked"], other
            x, out = lax.scan(partial(step, run.mixer), vary_with(x, each), each)
        outs.append(out)
    return x, tuple(outs)


def by_layer(runs: tuple[Run, ...], outs: Sequence[Any]) -> list[Any]:
    """One tree a layer of what `thread` or `each_layer` gave one a run."""
    trees = []
    for run, out in zip(runs, outs, strict=True):
        trees += [out] if run.size == 1 else [jax.tree.map(lambda leaf, i=i: leaf[i], out) for i in range(run.size)]
    return trees
