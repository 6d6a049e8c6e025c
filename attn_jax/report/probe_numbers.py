"""What a probe says in one number a run and no figure shows: a table of a section, before and after training."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from attn_jax.lab.outcome.words import ranked
from attn_jax.report import words

_WHEN = {"start": "Before training", "end": "After training"}
_MANY, _TOO_MANY = 1e3, 1e6  # between them a number is whole, with thousands apart


class Line(NamedTuple):
    """A number of a model's, and its value and interval at each time; None where there is none."""

    number: str
    model: str
    cells: list[tuple[str, str] | None]


class Numbers(NamedTuple):
    """A table: lines of one number stand together, models best first."""

    headings: list[str]
    lines: list[Line]


def probe_numbers(summary: Mapping[str, Any], probe: str, drawn: Collection[str] = ()) -> Numbers | None:
    """The numbers of a probe as summary.json has them; None where there is none beside those that are drawn."""
    models = {name: summary["models"][name]["probes"].get(probe, {}) for name in ranked(summary["models"])}
    names = dict.fromkeys(name for times in models.values() for numbers in times.values() for name in numbers)
    known = [when for when in _WHEN if any(when in times for times in models.values())]
    lines = [
        Line(_plain(name), model, [_cell(times.get(when, {}).get(name)) for when in known])
        for name in names
        if name not in drawn
        for model, times in models.items()
        if any(name in numbers for numbers in times.values())
    ]
    return Numbers([_WHEN[when] for when in known], lines) if lines else None


def _cell(estimate: Mapping[str, Any] | None) -> tuple[str, str] | None:
    if estimate is None:
        return None
    return _written(estimate["value"]), words.interval(estimate, _written).replace("-inf", "−inf")


def _written(value: float) -> str:
    """A number of any size.

    >>> _written(-0.01234), _written(27104.4), _written(3.0)
    ('−0.0123', '27,104', '3')
    """
    text = words.count(value) if _MANY <= abs(value) < _TOO_MANY else f"{value:.3g}"
    return text.replace("-", "−")


def _plain(name: str) -> str:
    """layer_0/keep/mean as a reader has it.

    >>> _plain("layer_0/keep/mean")
    'layer 0 keep mean'
    """
    return words.plain(name).replace("/", " ")
