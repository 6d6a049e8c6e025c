"""Equal terms: sizes every model to the reference by parameters."""

from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.models import AnyModelConfig
from attn_jax.types import IO

TABLES = ("embedding", "positions", "readout")  # as large as the vocabulary asks, whatever the model
TOLERANCE = 0.02


def parameter_shapes(config: AnyModelConfig, io: IO, max_tokens: int) -> Any:
    """The model's parameters as shapes; nothing is computed."""
    return jax.eval_shape(config.make(io, max_tokens).init, jax.random.key(0))


def count_parameters(shapes: Any) -> tuple[int, int]:
    """(all parameters, those that are matched): the tables of tokens, places and readout are left out of the second."""
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in shapes.items()}
    return sum(sizes.values()), sum(size for name, size in sizes.items() if name not in TABLES)


def floating_bytes(state: Any) -> int:
    """The size of a state: what its floating leaves hold; counters and masks are not counted."""
    floating = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in floating)


def match_parameters(config: AnyModelConfig, target: int, io: IO) -> tuple[AnyModelConfig, str | None]:
    """The model at the size nearest to `target` matched parameters, and a note where 2 % could not be reached.

    First the nearest admissible width. Where that misses by more than 2 %: the size that changes the model in finer
    steps, an MLP's hidden width, the mixers' `d_inner`, an encoder-decoder's `d_embedding`.

    Args:
      config: the model; its `d_model` is only where it starts.
      target: the reference's matched parameters.
      io: the task's inputs and outputs.

    Returns:
      (the model resized, None or one sentence).
    """
    matched = _nearest(config.resized, target, io, step=config.divisor)
    if _miss(matched, target, io) > TOLERANCE and matched.trimmed(1) is not None:
        trimmed = _nearest(matched.trimmed, target, io)
        matched = min(matched, trimmed, key=lambda candidate: _miss(candidate, target, io))
    miss = _miss(matched, target, io)
    if miss <= TOLERANCE:
        return matched, None
    size = _size(matched, io)
    return matched, f"{size} matched parameters against {target}: {miss:.1%} off, the nearest it can be made"


def _nearest(make: Any, target: int, io: IO, *, step: int = 1) -> AnyModelConfig:
    """Of make(step), make(2 step), ..., which grow, the one whose size is nearest to the target."""
    high = 1
    while _size(make(high * step), io) < target:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _size(make(middle * step), io) < target else (low, middle)
    return min((make(n * step) for n in (low, high) if n), key=lambda candidate: _miss(candidate, target, io))


def _size(config: AnyModelConfig, io: IO) -> int:
    return count_parameters(parameter_shapes(config, io, 1))[1]


def _miss(config: AnyModelConfig, target: int, io: IO) -> float:
    return abs(_size(config, io) / target - 1)
