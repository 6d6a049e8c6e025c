"""Equal terms: sizes a model to its reference by parameters, by state or by FLOPs."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from attn_jax.errors import ConfigError
from attn_jax.models import AnyModelConfig

TOLERANCE = 0.02
_FARTHER = 16  # times the largest that is known to be too small, and no more at once
_TRUSTED = 12  # sizes that a polynomial may ask for; then halving is surer


class Quantity(NamedTuple):
    """What models are matched by."""

    name: str  # in the plural
    of: Callable[[AnyModelConfig], float]  # traces the model, computes nothing


def match_to(target: float, config: AnyModelConfig, quantity: Quantity) -> tuple[AnyModelConfig, str | None]:
    """The model at the size nearest to `target`, and a note where 2 % could not be reached.

    First the nearest admissible width. Where that misses by more than 2 %: the size that changes the model in finer
    steps, an MLP's hidden width, the mixers' `d_inner`, an encoder-decoder's `d_embedding`, where it changes the
    quantity at all: no state depends on an MLP.

    Args:
      target: the reference's.
      config: the model; it has no `d_model` of its own.
      quantity: what is to be equal.

    Returns:
      (the model resized, None or one sentence).

    Raises:
      ConfigError: the reference has nothing to be matched, or no width changes what the model has.
    """
    if target == 0:
        raise ConfigError(
            f"match: the reference has no {quantity.name}, wanted some to match the others to; give another reference, "
            "or match=None"
        )
    nearest = _nearest(lambda n: config.resized(n * config.divisor), target, quantity)
    if nearest is None:
        raise ConfigError(
            f"match: {type(config).__name__} has as many {quantity.name} at every width, wanted a model that can be "
            "matched, or match=None"
        )
    matched, size = nearest
    fixed = ""
    if _miss(size, target) > TOLERANCE and matched.trimmed(1) is not None:
        trimmed = _nearest(matched.trimmed, target, quantity)
        if trimmed is None:
            fixed = ", which follow from its width alone"
        elif _miss(trimmed[1], target) < _miss(size, target):
            matched, size = trimmed
    miss = _miss(size, target)
    if miss <= TOLERANCE:
        return matched, None
    return (
        matched,
        f"{size:.0f} {quantity.name} against {target:.0f}: {miss:.1%} off, the nearest it can be made{fixed}",
    )


def _nearest(
    make: Callable[[int], AnyModelConfig | None], target: float, quantity: Quantity
) -> tuple[AnyModelConfig, float] | None:
    """Of make(1), make(2), ..., which grow, the one nearest to the target, with its size; None where they do not grow.

    Sizes are polynomials in n, or nearly, so that few are traced: the next n is where the one through the nearest three
    crosses the target. It ends when n - 1 is below the target and n is not.
    """
    made: dict[int, AnyModelConfig] = {}
    sizes: dict[int, float] = {}
    low, high, n = 0, math.inf, 1
    while high - low > 1 or len(sizes) < 2:
        candidate = make(n)
        assert candidate is not None  # asked before
        made[n], sizes[n] = candidate, quantity.of(candidate)
        if sizes[n] < target:
            low = max(n, low)
        else:
            high = min(n, high)
        if len(sizes) == 2 and len({*sizes.values()}) == 1:
            return None
        n = 2 if len(sizes) == 1 else _next(sizes, target, low, high)
    ends = [n for n in made if n in (low, high)]
    best = min(sorted(ends), key=lambda n: _miss(sizes[n], target))
    return made[best], sizes[best]


def _next(sizes: dict[int, float], target: float, low: int, high: float) -> int:
    """What to look at next, above low and below high."""
    top = int(min(high, _FARTHER * low))
    halfway = max(2 * low if high == math.inf else (low + top) // 2, low + 1)
    if len(sizes) > _TRUSTED:
        return halfway
    near = sorted(sizes, key=lambda n: (n not in (low, high), abs(sizes[n] - target)))[:3]
    polynomial = np.polyfit(near, [sizes[n] - target for n in near], len(near) - 1)
    crossings = [root.real for root in np.roots(polynomial) if abs(root.imag) <= 1e-9 * abs(root)]
    above = [root for root in crossings if root > low]
    if not above or (high < math.inf and min(above) >= high):
        return halfway
    return max(min(math.floor(min(above)), top - 1), low + 1)


def _miss(size: float, target: float) -> float:
    return abs(size - target) / target  # 51 of 50 misses by .02, and not by a little more
