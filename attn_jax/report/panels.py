"""A claim's picture: its panels, numbers from verdict.json, as inline SVG; a map is a table of shaded cells."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from attn_jax.lab.outcome.claim_verdict import number
from attn_jax.lab.outcome.intervals import student
from attn_jax.lab.outcome.words import listing
from attn_jax.report import drawing
from attn_jax.report.style import LIGHT, series, swatch
from attn_jax.report.ticks import count_ticks, power_tick, shorten

_WIDTH, _HEIGHT = 3.9, 2.8  # inches; smaller than a report's, so that its letters are read from afar
_ROW, _AXIS = 0.21, 0.75  # inches, of a row of dots and of the axis below them
_NARROW = 7  # columns of a map, that half of the page has room for
_POWERS = 6  # ticks of a logarithmic axis
_MOST_DOTS = 4.5  # points, of a mark
_FEW_POINTS = 12  # of a line, up to which each is marked


class Drawn(NamedTuple):
    """A panel as the page shows it: a figure, or a map as rows of cells."""

    title: str
    plot: drawing.Drawn | None
    table: dict[str, Any] | None
    rows: bool = False

    @property
    def wide(self) -> bool:
        """Whether it needs the page's whole width."""
        return self.rows or (self.table is not None and len(self.table["columns"]) > _NARROW)


def drawn_panels(claim: str, panels: Sequence[Mapping[str, Any]]) -> tuple[list[Drawn], list[tuple[Markup, str]]]:
    """The panels of a claim, and its legend: what has one name looks alike in all but "rows", which say their names."""
    names = list(dict.fromkeys(name for panel in panels if panel["form"] != "rows" for name in panel["lines"]))
    drawn = [
        Drawn(panel["title"], None, _map(panel))
        if panel["form"] == "map"
        else Drawn(panel["title"], _figure(panel, names, f"{claim}-{place}"), None, panel["form"] == "rows")
        for place, panel in enumerate(panels)
    ]
    return drawn, [(swatch(place), name) for place, name in enumerate(names)]


def _figure(panel: Mapping[str, Any], names: Sequence[str], name: str) -> drawing.Drawn:
    ends = listing([shorten(line, 40) for line in panel["lines"]]) if panel["lines"] else "nothing"
    label = f"{panel['title']}: {panel['y']} against {panel['x']} of {ends}."
    if panel["form"] == "rows":
        height = _ROW * len(panel["lines"]) + _AXIS
        return drawing.draw(_rows, panel, name=name, label=label, table=_table(panel), height=height, shorter=1.0)
    look = {"height": _HEIGHT, "width": _WIDTH, "shorter": 0.8}
    return drawing.draw(_plot, panel, names, name=name, label=label, table=_table(panel), **look)


def _table(panel: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The points of its lines as rows, each seed's by itself."""
    rows = []
    for line, values in panel["lines"].items():
        x, y = (np.atleast_2d(np.array(values[axis], float)) for axis in "xy")
        for row, (places, heights) in enumerate(zip(*np.broadcast_arrays(x, y), strict=True)):
            points = zip(places.tolist(), heights.tolist(), strict=True)
            rows += [{"line": line, "row": row, "x": place, "y": height} for place, height in points]
    return rows


def _plot(axes: Any, panel: Mapping[str, Any], names: Sequence[str]) -> None:
    """Marks first, then bands and lines, in the order of the legend."""
    axes.set(xlabel=panel["x"], ylabel=panel["y"])
    for axis in panel["log"]:
        getattr(axes, f"set_{axis}scale")("log")
    marks = panel["marks"]
    for mark, height in marks.items():
        _mark(axes, height, mark, below=len(marks) > 1 and height == min(marks.values()))
    for line, values in panel["lines"].items():
        x, y = (np.array(values[axis], float) for axis in "xy")
        _PLOTS[panel["form"]](axes, x, y, series(names.index(line)))
    if panel["limits"] is not None:
        axes.set_ylim(*panel["limits"])
    places = sorted({x for line in panel["lines"].values() for x in np.ravel(np.array(line["x"], float))})
    for axis, of in (("x", axes.xaxis), ("y", axes.yaxis)):
        if axis == "x" and axis in panel["log"] and len(places) <= _FEW_POINTS:
            of.set_ticks(places, [f"{x:g}" for x in places])
        elif axis in panel["log"]:
            of.get_major_locator().set_params(numticks=_POWERS)
            of.set_major_formatter(power_tick)
        else:
            count_ticks(of)
    if panel["log"]:
        axes.minorticks_off()


def _rows(axes: Any, panel: Mapping[str, Any]) -> None:
    """A row of dots a line, its name beside it."""
    axes.set(xlabel=panel["x"])
    axes.grid(visible=True, axis="both")
    for mark, place in panel["marks"].items():
        axes.axvline(place, color=LIGHT["muted"], linewidth=0.8, linestyle=(0, (1, 2)))
        where = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
        look = {"ha": "center", "va": "bottom", "fontsize": 7.5, "color": LIGHT["muted"]}
        axes.annotate(shorten(mark, 48), (place, 1), (0, 2), **look, **where)
    for row, values in enumerate(panel["lines"].values()):
        x = np.ravel(np.array(values["x"], float))
        _dots(axes, x, np.full_like(x, row), series(0))
    axes.set_yticks(range(len(panel["lines"])), [shorten(line, 24) for line in panel["lines"]])
    axes.set_ylim(len(panel["lines"]) - 0.5, -0.5)
    if "x" in panel["log"]:
        axes.set_xscale("log")


def _line(axes: Any, x: np.ndarray, y: np.ndarray, look: Mapping[str, Any]) -> None:
    """The mean over seeds in the band of its interval; points are marked where they are few."""
    middle = _banded(axes, x, y, look)
    marked = look if middle.size <= _FEW_POINTS else {key: look[key] for key in ("color", "linestyle")}
    axes.plot(_row(x), middle, markersize=4, **marked)


def _steps(axes: Any, x: np.ndarray, y: np.ndarray, look: Mapping[str, Any]) -> None:
    """As a line whose value holds until the next."""
    middle = _banded(axes, x, y, look, step="post")
    axes.step(_row(x), middle, where="post", color=look["color"], linestyle=look["linestyle"])


def _dots(axes: Any, x: np.ndarray, y: np.ndarray, look: Mapping[str, Any]) -> None:
    """Each by itself."""
    x, y = np.broadcast_arrays(x, y)
    axes.plot(x.ravel(), y.ravel(), look["marker"], color=look["color"], markersize=_MOST_DOTS, alpha=0.8)


_PLOTS = {"lines": _line, "steps": _steps, "dots": _dots}


def _banded(axes: Any, x: np.ndarray, y: np.ndarray, look: Mapping[str, Any], **options: Any) -> np.ndarray:
    """Draws the band of several seeds; the mean of those that have a value, NaN where none has."""
    if y.ndim == 1:
        return y
    known = [column[np.isfinite(column)] for column in y.T]
    bounds = [student(column) if len(column) > 1 else (np.nan, np.nan) for column in known]
    axes.fill_between(_row(x), *zip(*bounds, strict=True), color=look["color"], alpha=0.14, linewidth=0, **options)
    return np.array([column.mean() if len(column) else np.nan for column in known])


def _row(x: np.ndarray) -> np.ndarray:
    return x if x.ndim == 1 else x.mean(0)


def _mark(axes: Any, height: float, text: str, *, below: bool) -> None:
    """A thin line across, labelled above it, or below the lowest of several: between them lie the curves."""
    axes.axhline(height, color=LIGHT["muted"], linewidth=0.8, linestyle=(0, (1, 2)))
    place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
    offset, side = ((0, -1.5), "top") if below else ((0, 1.5), "bottom")
    look = {"ha": "right", "va": side, "fontsize": 7.5, "color": LIGHT["muted"]}
    axes.annotate(shorten(text, 48), (0.988, height), offset, **look, **place)


def _map(panel: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of cells with the share of ink of each."""
    cells = np.array(panel["cells"], float)
    known = cells[np.isfinite(cells)]
    low, high = panel["limits"] or ((known.min(), known.max()) if known.size else (0, 1))
    shares = np.clip((cells - low) / max(high - low, np.finfo(float).tiny), 0, 1)
    rows = [
        (str(name), [("–", 0) if np.isnan(cell) else (number(cell), round(float(share), 3)) for cell, share in row])
        for name, row in zip(panel["rows"], np.stack([cells, shares], -1), strict=True)
    ]
    corner = " \\ ".join(said for said in (panel["y"], panel["x"]) if said)
    return {"corner": corner, "columns": list(map(str, panel["columns"])), "rows": rows}
