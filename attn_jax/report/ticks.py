"""Where ticks and marks stand on an axis, and what a name is cut to."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_jax.report import words

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def padded(low: float, high: float, log: bool, share: float = 0.04) -> tuple[float, float]:
    """A little air on both sides."""
    if log:
        factor = max(high / low, 2) ** share
        return low / factor, high * factor
    air = share * max(high - low, 1)
    return low - air, high + air


def count_ticks(axis: Any, last: float | None = None) -> None:
    """Five ticks at most, thousands apart; none beyond `last`."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, steps=(1, 2, 2.5, 5, 10)))
    axis.set_major_formatter(FuncFormatter(_tick))
    if last is not None:
        axis.set_ticks([tick for tick in axis.get_majorticklocs() if 0 <= tick <= last])


def _tick(value: float, _: int) -> str:
    """A tick's number, short."""
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"


def power_tick(height: float, place: int) -> str:
    """A tick of a logarithmic axis, a power of ten: .01 to 100 as they are, 10⁻⁷ beyond."""
    del place
    power = round(np.log10(height))
    return f"{height:g}" if -2 <= power <= 2 else "10" + str(power).translate(_RAISED)


def length_ticks(lengths: Sequence[int], log: bool) -> tuple[list[int], list[str]]:
    """The tested lengths, from the longest down, that leave room for their labels."""
    places = np.log(lengths) if log else np.asarray(lengths, float)
    room = 0.07 * (places[-1] - places[0])
    kept = [len(lengths) - 1]
    for index in range(len(lengths) - 2, -1, -1):
        if places[kept[-1]] - places[index] >= room:
            kept.append(index)
    ticks = [lengths[index] for index in reversed(kept)]
    return ticks, [words.count(tick) for tick in ticks]


def stacked(values: Sequence[float], base: float) -> tuple[list[float], list[float]]:
    """Equal values one upon the other, downwards from `base`, squeezed to fit the row."""
    pile = max((values.count(value) for value in set(values)), default=1)
    step = min(0.11, 0.34 / pile)
    return list(values), [base + step * values[:i].count(value) for i, value in enumerate(values)]


def shorten(text: str, length: int) -> str:
    """A name cut to what a figure has room for."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
