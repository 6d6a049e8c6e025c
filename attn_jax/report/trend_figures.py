"""The figures of a sweep's page: a measure against an axis, a line a model, as figures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attn_jax.lab.outcome.trends import Cut
from attn_jax.report import words
from attn_jax.report.drawing import Drawn, draw
from attn_jax.report.style import LIGHT, series

_TILE = 3.2  # inches, the height of a figure
_WIDE = 4  # an axis whose numbers span more than this factor is drawn in logarithms
_ROOM = 0.09  # of the axis, that a tick's label takes
_NAMES = {"final": "final score", "restricted_mean_steps": "steps to solve"}


def score_trend(summary: Mapping[str, Any], cut: Cut, name: str) -> Drawn:
    """The final score of every model at the points of a cut, with intervals."""
    return _trend(summary, cut, "final", name)


def steps_trend(summary: Mapping[str, Any], cut: Cut, name: str) -> Drawn:
    """The restricted mean steps to solve of every model, the budget as a dashed line."""
    return _trend(summary, cut, "restricted_mean_steps", name)


def _trend(summary: Mapping[str, Any], cut: Cut, key: str, name: str) -> Drawn:
    points = [summary["points"][point] for point in cut.points]
    lines = {name: [_shown(point["models"][name], key) for point in points] for name in points[0]["models"]}
    write = words.score if key == "final" else words.steps
    ends = [f"{model} {write(line[0])[0]} to {write(line[-1])[0]}" for model, line in lines.items()]
    label = f"{_NAMES[key].capitalize()} against {cut.axis}, {_values(cut, points)}: {', '.join(ends)}."
    budgets = None if key == "final" else [point["budget"] for point in points]
    cells = [str(point["axes"][cut.axis]) for point in points]
    table = [
        {"model": model, cut.axis: cell} | {bound: point[bound] for bound in ("value", "low", "high")}
        for model, line in lines.items()
        for cell, point in zip(cells, line, strict=True)
    ]
    return draw(_plot, cut, cells, lines, budgets, _NAMES[key], name=name, label=label, height=_TILE, table=table)


def _shown(model: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An estimate; where no seed solved the task its steps are the budget, and have no interval."""
    if key == "restricted_mean_steps" and not model["solved_fraction"]["value"]:
        return model[key] | {"low": None, "high": None}
    return model[key]


def _values(cut: Cut, points: Sequence[Mapping[str, Any]]) -> str:
    return " to ".join(str(points[end]["axes"][cut.axis]) for end in (0, -1))


def _plot(
    axes: Any,
    cut: Cut,
    cells: Sequence[str],
    lines: Mapping[str, Sequence[Mapping[str, Any]]],
    budgets: Sequence[int] | None,
    ylabel: str,
) -> None:
    """Bands first, then lines with marks; where the axis has no numbers nothing joins the marks."""
    x = np.arange(len(cells), dtype=float) if cut.numbers is None else np.array(cut.numbers)
    log = cut.numbers is not None and min(x) > 0 and max(x) > _WIDE * min(x)
    axes.set(xlabel=cut.axis, ylabel=ylabel)
    if log:
        axes.set_xscale("log", base=2)
    if budgets is not None:
        axes.plot(x, budgets, color=LIGHT["muted"], linewidth=1, linestyle=(0, (2, 2)))
    for index, line in enumerate(lines.values()):
        _line(axes, x, line, index, len(lines), joined=cut.numbers is not None)
    kept = _with_room(np.log(x) if log else x)
    axes.set_xticks(x[kept], [cells[place] for place in kept])
    axes.minorticks_off()
    if budgets is None:
        estimates = [estimate for line in lines.values() for estimate in line]
        lowest = min(each["value"] if each["low"] is None else each["low"] for each in estimates)
        axes.set_ylim(min(-0.06, lowest - 0.04), 1.06)
        axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    else:
        axes.set_ylim(0, 1.06 * max(budgets))


def _line(axes: Any, x: np.ndarray, line: Sequence[Mapping[str, Any]], index: int, among: int, *, joined: bool) -> None:
    """One model; it has no interval where a bound is missing. Of names, models stand beside each other."""
    look = series(index)
    low, value, high = (np.array([point[key] for point in line], float) for key in ("low", "value", "high"))
    if joined:
        axes.fill_between(x, low, high, color=look["color"], alpha=0.16 if among <= 4 else 0.06, linewidth=0)
        axes.plot(x, value, markersize=4, **look)
        return
    beside = x + (index - (among - 1) / 2) * min(0.12, 0.6 / among)
    axes.vlines(beside, low, high, color=look["color"], linewidth=2, alpha=0.45)
    axes.plot(beside, value, look["marker"], color=look["color"], markersize=5)
    axes.set_xlim(-0.5, len(x) - 0.5)


def _with_room(places: np.ndarray) -> list[int]:
    """The ticks, from the last one down, that leave room for their labels."""
    room = _ROOM * (places.max() - places.min())
    kept = [len(places) - 1]
    for place in range(len(places) - 2, -1, -1):
        if places[kept[-1]] - places[place] >= room:
            kept.append(place)
    return kept[::-1]
