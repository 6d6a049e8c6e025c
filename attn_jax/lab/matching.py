"""Equal terms: sizes every model to the reference by parameters."""

import math
from dataclasses import replace
from typing import Any

import jax

from attn_jax.models import ModelConfig
from attn_jax.types import IO

TABLES = ("embedding", "positions", "readout")  # as large as the vocabulary asks, whatever the model
TOLERANCE = 0.02


def parameter_shapes(config: ModelConfig, io: IO, max_tokens: int) -> Any:
    """The model's parameters as shapes; nothing is computed."""
    return jax.eval_shape(config.make(io, max_tokens).init, jax.random.key(0))


def count_parameters(shapes: Any) -> tuple[int, int]:
    """(all parameters, those that are matched): the tables of tokens, places and readout are left out of the second."""
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in shapes.items()}
    return sum(sizes.values()), sum(size for name, size in sizes.items() if name not in TABLES)


def match_parameters(config: ModelConfig, target: int, io: IO) -> tuple[ModelConfig, str | None]:
    """The model at the size nearest to `target` matched parameters, and a note where 2 % could not be reached.

    First the nearest admissible width. Where that misses by more than 2 %: the MLP's hidden width, or without an MLP
    the mixers' `d_inner`.

    Args:
      config: the model; its `d_model` is only where it starts.
      target: the reference's matched parameters.
      io: the task's inputs and outputs.

    Returns:
      (the model resized, None or one sentence).
    """
    matched = _nearest(lambda n: _with_width(config, n), target, io, step=math.lcm(*(m.divisor for m in config.mixers)))
    if _miss(matched, target, io) > TOLERANCE and config.hidden:
        matched = _nearest(lambda n: replace(matched, d_ff=n), target, io)
    elif _miss(matched, target, io) > TOLERANCE and all(hasattr(mixer, "d_inner") for mixer in config.mixers):
        inner = _nearest(lambda n: _with_inner(matched, n), target, io)
        matched = min(matched, inner, key=lambda candidate: _miss(candidate, target, io))
    miss = _miss(matched, target, io)
    if miss <= TOLERANCE:
        return matched, None
    size = _size(matched, io)
    return matched, f"{size} matched parameters against {target}: {miss:.1%} off, the nearest it can be made"


def _nearest(make: Any, target: int, io: IO, *, step: int = 1) -> ModelConfig:
    """Of make(step), make(2 step), ..., which grow, the one whose size is nearest to the target."""
    high = 1
    while _size(make(high * step), io) < target:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _size(make(middle * step), io) < target else (low, middle)
    return min((make(n * step) for n in (low, high) if n), key=lambda candidate: _miss(candidate, target, io))


def _with_width(config: ModelConfig, width: int) -> ModelConfig:
    return replace(config, d_model=width, mixers=tuple(replace(mixer, d_model=None) for mixer in config.mixers))


def _with_inner(config: ModelConfig, inner: int) -> ModelConfig:
    return replace(config, mixers=tuple(replace(mixer, d_inner=inner) for mixer in config.mixers))


def _size(config: ModelConfig, io: IO) -> int:
    return count_parameters(parameter_shapes(config, io, 1))[1]


def _miss(config: ModelConfig, target: int, io: IO) -> float:
    return abs(_size(config, io) / target - 1)
