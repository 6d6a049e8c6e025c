"""How the report writes numbers."""

from collections.abc import Callable, Mapping
from typing import Any

from attn_jax.lab.outcome.intervals import NO_SPREAD
from attn_jax.lab.outcome.words import decimal


def share(fraction: Mapping[str, Any]) -> tuple[str, str]:
    """A solved fraction as a count, and its interval.

    >>> share({"value": 0.75, "low": 0.349, "high": 0.968, "n": 8, "method": "Clopper-Pearson"})
    ('6/8', '[.35, .97]')
    """
    return f"{round(fraction['value'] * fraction['n'])}/{fraction['n']}", interval(fraction, decimal)


def score(estimate: Mapping[str, Any]) -> tuple[str, str]:
    """A normalised score and its interval.

    >>> score({"value": 0.98765, "low": 0.9, "high": 1.0, "method": "Tukey-McLaughlin"})
    ('.988', '[.900, 1]')
    """
    return decimal(estimate["value"], 3), interval(estimate, _thousandths)


def plain(name: str) -> str:
    """A name of the code as words.

    >>> plain("exact_match")
    'exact match'
    """
    return name.replace("_", " ")


def steps(estimate: Mapping[str, Any]) -> tuple[str, str]:
    """A number of steps and its interval, in whole steps.

    >>> steps({"value": 262.5, "low": 225.0, "high": 1300.0, "method": "Student t"})
    ('262', '[225, 1,300]')
    """
    return count(estimate["value"]), interval(estimate, count)


def steps_to_solve(model: Mapping[str, Any]) -> tuple[str, str]:
    """A model's restricted mean steps; where no seed solved the task they are the budget, and no estimate.

    >>> budget = {"value": 800.0, "low": 504.5, "high": 800.0, "method": "no spread"}
    >>> steps_to_solve({"solved_fraction": {"value": 0.0}, "restricted_mean_steps": budget})
    ('800', '(budget)')
    """
    value, bounds = steps(model["restricted_mean_steps"])
    return (value, bounds) if model["solved_fraction"]["value"] > 0 else (value, "(budget)")


def seconds(estimate: Mapping[str, Any]) -> tuple[str, str]:
    """Seconds and their interval, with the decimals that the value deserves.

    >>> seconds({"value": 4.321, "low": 3.9, "high": 12.34, "method": "Student t"})
    ('4.3', '[3.9, 12]')
    """
    return duration(estimate["value"]), interval(estimate, duration)


def amount(estimate: Mapping[str, Any]) -> tuple[str, str]:
    """A large number and its interval, in powers of 1000.

    >>> amount({"value": 262_500.0, "low": 225.0, "high": 1.3e9, "method": "Student t"})
    ('262 k', '[225, 1.3 G]')
    """
    return flops(estimate["value"]), interval(estimate, flops)


def interval(estimate: Mapping[str, Any], write: Callable[[float], str]) -> str:
    """[low, high], marked where all runs agree: there it is what the limits of the measure leave.

    >>> interval({"low": 4, "high": 5, "method": "no spread"}, count)
    '[4, 5] no spread'
    >>> interval({"low": None, "high": None, "method": "no spread"}, count)
    '[-inf, inf] no spread'
    """
    low, high = estimate["low"], estimate["high"]
    bounds = f"[{'-inf' if low is None else write(low)}, {'inf' if high is None else write(high)}]"
    return f"{bounds} {NO_SPREAD}" if estimate["method"] == NO_SPREAD else bounds


def count(value: float) -> str:
    """A whole number with thousands apart.

    >>> count(27104)
    '27,104'
    """
    return f"{value:,.0f}"


def duration(value: float) -> str:
    """Seconds to two figures or, from 10 on, whole.

    >>> duration(0.0123), duration(4.321), duration(135.2)
    ('0.012', '4.3', '135')
    """
    if value >= 10:
        return count(value)
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def size(value: float) -> str:
    """Bytes in powers of 1024.

    >>> size(240), size(4608), size(3 * 1024**2)
    ('240 B', '4.5 KiB', '3 MiB')
    """
    return _scaled(value, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def flops(value: float | None) -> str:
    """Floating-point operations in powers of 1000; "?" where they could not be counted.

    >>> flops(93_400_000), flops(None)
    ('93.4 M', '?')
    """
    if value is None:
        return "?"
    return _scaled(value, 1000, ("", "k", "M", "G", "T", "P"))


def rate(value: float) -> str:
    """A learning rate.

    >>> rate(0.001), rate(3e-05)
    ('0.001', '3e-05')
    """
    return f"{value:g}"


def probability(value: float | None) -> str:
    """A p-value to two figures; a dash where there was no test.

    >>> probability(0.0078125), probability(1.0), probability(2e-5), probability(None)
    ('.0078', '1', '< .0001', '–')
    """
    if value is None:
        return "–"
    if 0 < value < 1e-4:
        return "< .0001"
    return f"{value:.2g}".replace("0.", ".", 1)


def _thousandths(value: float) -> str:
    """A score with three decimals."""
    return decimal(value, 3)


def _scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    """Three figures and the unit that leaves the number below `base`."""
    place = 0
    while value >= base and place < len(units) - 1:
        value, place = value / base, place + 1
    number = f"{value:.0f}" if place == 0 or value >= 100 else f"{value:.3g}"
    return f"{number} {units[place]}".strip()
