"""Equal terms: sizes every model to the reference by parameters."""

from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.lab.cost.sizes import count_parameters
from attn_jax.models import AnyModelConfig
from attn_jax.types import IO

TOLERANCE = 0.02


def match_parameters(config: AnyModelConfig, target: int, io: IO) -> tuple[AnyModelConfig, str | None]:
    """The model at the size nearest to `target` matched parameters, and a note where 2 % could not be reached.

    First the nearest admissible width. Where that misses by more than 2 %: the size that changes the model in finer
    steps, an MLP's hidden width, the mixers' `d_inner`, an encoder-decoder's `d_embedding`.

    Args:
      config: the model; it has no `d_model` of its own.
      target: the reference's matched parameters.
      io: the task's inputs and outputs.

    Returns:
      (the model resized, None or one sentence).

    Raises:
      ConfigError: the reference has no parameters to be matched.
    """
    if target == 0:
        raise ConfigError(
            "match: the reference has no parameters but tables of tokens, places and readout, wanted some to match the "
            "others to; give another reference, or match=None"
        )
    matched = _nearest(config.resized, target, io, step=config.divisor)
    if _miss(matched, target, io) > TOLERANCE and matched.trimmed(1) is not None:
        trimmed = _nearest(matched.trimmed, target, io)
        matched = min(matched, trimmed, key=lambda candidate: _miss(candidate, target, io))
    miss = _miss(matched, target, io)
    if miss <= TOLERANCE:
        return matched, None
    size = _matched(matched, io)
    return matched, f"{size} matched parameters against {target}: {miss:.1%} off, the nearest it can be made"


def _nearest(make: Any, target: int, io: IO, *, step: int = 1) -> AnyModelConfig:
    """Of make(step), make(2 step), ..., which grow, the one whose size is nearest to the target."""
    high = 1
    while _matched(make(high * step), io) < target:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _matched(make(middle * step), io) < target else (low, middle)
    return min((make(n * step) for n in (low, high) if n), key=lambda candidate: _miss(candidate, target, io))


def _matched(config: AnyModelConfig, io: IO) -> int:
    return count_parameters(config.make(io, 1)).matched


def _miss(config: AnyModelConfig, target: int, io: IO) -> float:
    return abs(_matched(config, io) - target) / target  # 51 of 50 misses by .02, and not by a little more
