"""What the page's figures are made of: each draws into a matplotlib Axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import decimal
from attn_jax.report import reading, words
from attn_jax.report.drawing import SMALL
from attn_jax.report.published import published_scores
from attn_jax.report.style import LIGHT, series
from attn_jax.report.ticks import count_ticks, length_ticks, padded, shorten, stacked


def plot_learning(axes: Any, results: Results, arrays: Sequence[np.ndarray]) -> None:
    """Reference lines first, then a band, thin seeds and a line for each model."""
    low = min(-0.13, *(float(reading.middle_half(array)[0].min()) - 0.04 for array in arrays))
    axes.set(xlim=(0, results.budget), ylim=(low, 1.06), xlabel="step", ylabel="normalised score")
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    _reference(axes, 0.0, f"floor: {results.chance} ({reading.floor_value(results, results.chance)})", below=True)
    for name, height in reading.floors_above_zero(results):
        _reference(axes, height, f"{name} ({reading.floor_value(results, name)})")
    for height, said in published_scores(results):
        _reference(axes, height, said, left=True)
    if results.threshold is not None:
        _reference(axes, results.threshold, f"solved: {decimal(results.threshold)}", left=True)
    _curves(axes, results.evaluated_at, arrays)
    count_ticks(axes.xaxis)


def plot_losses(axes: Any, results: Results, arrays: Sequence[np.ndarray], ylabel: str) -> None:
    """As the learning curves; zero is where the axis begins."""
    axes.set(xlim=(0, results.budget), xlabel="step", ylabel=f"{ylabel} ({results.loss_unit})")
    _curves(axes, results.evaluated_at, arrays)
    count_ticks(axes.xaxis)
    count_ticks(axes.yaxis)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def plot_solved(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str]) -> None:
    """Steps up at each evaluation; lines that coincide are drawn a hair apart."""
    from matplotlib.transforms import ScaledTranslation

    margin = 0.035 * results.budget
    end = results.budget + margin * (len(names) + 0.6)
    axes.set(xlim=(0, end), ylim=(-0.05, 1.06), xlabel="step", ylabel="share of seeds solved")
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    axes.axvline(results.budget, color=LIGHT["rule"], linewidth=0.8)
    for index, name in enumerate(names):
        fraction, look = summary["models"][name]["solved_fraction"], series(index)
        points = min(1.1, 4 / len(names)) * (len(names) - 1 - 2 * index)
        hair = axes.transData + ScaledTranslation(0, points / 72, axes.figure.dpi_scale_trans)
        curve = summary["models"][name]["solved_curve"]
        line = {"color": look["color"], "linestyle": look["linestyle"], "transform": hair}
        band = {"color": look["color"], "alpha": _band_alpha(len(names)), "linewidth": 0}
        axes.fill_between(curve["steps"], curve["low"], curve["high"], step="post", **band)
        axes.step(curve["steps"], curve["solved"], where="post", **line)
        place = results.budget + margin * (index + 0.8)
        axes.plot((place, place), (fraction["low"], fraction["high"]), color=look["color"], linewidth=1.4)
        axes.plot(place, fraction["value"], look["marker"], color=look["color"], markersize=4)
    count_ticks(axes.xaxis, last=results.budget)


def plot_lengths(axes: Any, results: Results, curves: Sequence[Sequence[Mapping[str, Any]]], ylabel: str) -> None:
    """A line with markers and a band for each model over the tested lengths; no band where a bound is missing."""
    lengths = np.asarray(results.curve_lengths, float)
    lowest = min(point["value"] if point["low"] is None else point["low"] for curve in curves for point in curve)
    axes.set(ylim=(min(-0.06, lowest - 0.04), 1.06), ylabel=ylabel)
    axes.set_xlabel(f"length ({results.length_unit})")
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    shortest = min(results.train_lengths[0], results.curve_lengths[0])
    log = shortest > 0 and results.curve_lengths[-1] >= 8 * shortest
    if log:
        axes.set_xscale("log", base=2)
    _shade_training(axes, results, log)
    for index, curve in enumerate(curves):
        look = series(index)
        low, value, high = (np.array([point[key] for point in curve], float) for key in ("low", "value", "high"))
        axes.fill_between(lengths, low, high, color=look["color"], alpha=_band_alpha(len(curves)), linewidth=0)
        axes.plot(lengths, value, markersize=4, **look)
    axes.set_xticks(*length_ticks(results.curve_lengths, log))
    axes.minorticks_off()


def plot_times(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str], axis: str) -> None:
    """Names above their rows, so that a long one takes no room from the data."""
    budgets = [results.budget * reading.unit(summary, name, axis) for name in names]
    axes.set(xlim=(0, 1.07 * max(budgets)), ylim=(len(names) - 0.4, -0.75))
    axes.set_xlabel(f"{axis} to solve" + ("" if axis == "steps" else " (one run, compiling left out)"))
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    axes.set_yticks(())
    for index, name in enumerate(names):
        axes.text(0.004 * max(budgets), index - 0.33, shorten(name, 34), color=LIGHT["ink"], va="bottom")
        _plot_time_row(axes, index, budgets[index], summary, name, axis)
    count_ticks(axes.xaxis)


def _plot_time_row(axes: Any, index: int, budget: float, summary: Mapping[str, Any], name: str, axis: str) -> None:
    """The mean on its interval, the seeds below it, the budget as a dashed line; open and arrowed what lies beyond."""
    look, gray = series(index), LIGHT["muted"]
    color = look["color"]
    mean = reading.restricted_mean(summary, name, axis)
    steps = reading.steps_to_solve(summary, name)
    solved = [step * reading.unit(summary, name, axis) for step in steps if step is not None]
    axes.plot((budget, budget), (index - 0.3, index + 0.3), color=gray, linewidth=1, linestyle=(0, (2, 2)))
    axes.plot(*stacked(solved, index + 0.2), "o", color=color, markersize=3.2, alpha=0.75, markeredgewidth=0)
    axes.plot((mean["low"], mean["high"]), (index, index), color=color, linewidth=3, alpha=0.45)
    beyond = len(steps) - len(solved)
    opened = {"color": color, "markerfacecolor": LIGHT["card"] if not solved else color}
    axes.plot(mean["value"], index, look["marker"], markersize=6, **opened)
    if beyond:
        _beyond(axes, budget, index, beyond, opened | {"markerfacecolor": LIGHT["card"]})
        side = "right" if budget > axes.get_xlim()[1] / 2 else "left"  # where it has room beside the name
        place = {"ha": side, "va": "bottom", "fontsize": SMALL}
        axes.text(budget, index - 0.33, f"{beyond} of {len(steps)} not solved", color=gray, **place)


def _beyond(axes: Any, budget: float, index: int, number: int, look: Mapping[str, str]) -> None:
    """So many open arrowheads on the far side of the budget, in short columns: nobody knows where they would be."""
    from matplotlib.transforms import ScaledTranslation

    for place in range(number):
        column, row = divmod(place, max(4, -(-number // 4)))
        beside = axes.transData + ScaledTranslation((4 + 5 * column) / 72, 0, axes.figure.dpi_scale_trans)
        height = index + 0.12 + row * min(0.09, 0.36 / max(4, -(-number // 4)))
        axes.plot(budget, height, ">", markersize=3.4, markeredgewidth=0.7, clip_on=False, transform=beside, **look)


def _curves(axes: Any, steps: np.ndarray, arrays: Sequence[np.ndarray]) -> None:
    """For each model [S, E]: every seed thin where they are few, the middle half as a band, the centre as a line."""
    for index, array in enumerate(arrays):
        look = series(index)
        low, high, middle = (_drawable(curve) for curve in (*reading.middle_half(array), reading.center(array)))
        axes.fill_between(steps, low, high, color=look["color"], alpha=_band_alpha(len(arrays)), linewidth=0)
        if draws_seeds(len(arrays), len(array)):
            axes.plot(steps, _drawable(array).T, color=look["color"], alpha=0.22, linewidth=0.6)
        axes.plot(steps, middle, color=look["color"], linestyle=look["linestyle"])


def draws_seeds(num_models: int, num_seeds: int) -> bool:
    """Whether each seed is drawn too: only where the eye can still tell them apart."""
    return num_models <= 4 and 1 < num_seeds <= 12


def _band_alpha(num_models: int) -> float:
    """Many bands upon each other must not hide the lines."""
    return 0.16 if num_models <= 4 else 0.06


def _drawable(array: np.ndarray) -> np.ndarray:
    """Infinity is a gap in the curve."""
    return np.where(np.isfinite(array), array, np.nan)


def _reference(axes: Any, height: float, text: str, *, left: bool = False, below: bool = False) -> None:
    """A thin labelled line across the axes."""
    axes.axhline(height, color=LIGHT["muted"], linewidth=0.8, linestyle=(0, (1, 2)))
    place = {"x": 0.012, "ha": "left"} if left else {"x": 0.988, "ha": "right"}
    # below the floor line clear of the curves that sit on it
    offset, va = (-12.0 if below else -2.5, "top") if below or left else (1.5, "bottom")
    axes.annotate(
        shorten(text, 48),
        (place["x"], height),
        (0, offset),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        ha=place["ha"],
        va=va,
        fontsize=SMALL,
        color=LIGHT["muted"],
    )


def _shade_training(axes: Any, results: Results, log: bool) -> None:
    """The range of lengths trained on; a single length still gets a visible strip."""
    low, high = results.train_lengths
    lengths = results.curve_lengths
    axes.set_xlim(*padded(min(low, lengths[0]), max(high, lengths[-1]), log))
    low, high = padded(low, high, log, 0.02) if low == high else (low, high)
    axes.axvspan(low, high, color=LIGHT["shade"], linewidth=0, zorder=0)
    axes.annotate(
        "trained",
        (low, 1.0),
        (1, 1),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        fontsize=SMALL,
        color=LIGHT["muted"],
        ha="left",
        va="bottom",
    )


def plot_rates(axes: Any, models: Mapping[str, Mapping[str, Any]], ylabel: str, key: str) -> None:
    """A line a model over the learning rates, on a logarithmic axis; filled marks are rates of reported seeds."""
    rates = sorted({row["rate"] for model in models.values() for row in model["rates"]})
    axes.set(xlabel="learning rate", ylabel=ylabel, ylim=(-0.06, 1.06), xlim=padded(rates[0], rates[-1], log=True))
    axes.set_xscale("log")
    axes.set_xticks(rates, [words.rate(rate) for rate in rates])
    axes.minorticks_off()
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    for index, model in enumerate(models.values()):
        look, rows = series(index), model["rates"]
        heights = [row["solved"] / row["runs"] if key == "solved" else row["final"] for row in rows]
        axes.plot([row["rate"] for row in rows], heights, color=look["color"], linestyle=look["linestyle"])
        for row, height in zip(rows, heights, strict=True):
            face = look["color"] if row["chosen"] else LIGHT["card"]
            mark = {"color": look["color"], "markerfacecolor": face, "markersize": 5, "clip_on": False}
            axes.plot(row["rate"], height, look["marker"], **mark)
    axes.set_ylim(bottom=min(-0.06, axes.get_ylim()[0], axes.dataLim.y0 - 0.04))
