"""The page's figures: each a public function from a study's results and summary to inline SVG."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import decimal, listing, ranked
from attn_jax.names import counted
from attn_jax.report import reading, words
from attn_jax.report.style import LIGHT, draw, series
from attn_jax.report.ticks import count_ticks, length_ticks, padded, shorten, stacked

_TILE = (4.75, 3.2)  # inches; two stand side by side on the page


def learning_curves(results: Results, summary: Mapping[str, Any]) -> Markup:
    """Normalised validation score over steps: interquartile mean and middle half of the seeds, at the chosen rates."""
    names = ranked(summary["models"])
    ends = [f"{name} {_last(reading.center(_scores(results, summary, name)))}" for name in names]
    label = f"Validation score over {counted(results.budget, 'training step')}; at the end: {', '.join(ends)}."
    return draw(_plot_learning, results, summary, names, name="learning", label=label, size=_TILE)


def loss_curves(results: Results, summary: Mapping[str, Any]) -> Markup:
    """Validation loss over steps, as `learning_curves`; a diverged run counts as infinite, which is not drawn."""
    names = ranked(summary["models"])
    label = f"Validation loss over {counted(results.budget, 'training step')} of {listing(names)}."
    return draw(_plot_loss, results, summary, names, name="loss", label=label, size=_TILE)


def train_loss_curves(results: Results, summary: Mapping[str, Any]) -> Markup:
    """Training loss over steps, the mean since the evaluation before, as `loss_curves`."""
    names = ranked(summary["models"])
    label = f"Training loss over {counted(results.budget, 'training step')} of {listing(names)}."
    return draw(_plot_train_loss, results, summary, names, name="train-loss", label=label, size=_TILE)


def solved_curves(results: Results, summary: Mapping[str, Any]) -> Markup:
    """The share of seeds that solved the task by each step (1 - Kaplan-Meier): Greenwood's band, exact at the end."""
    names = ranked(summary["models"])
    ends = [f"{name} {' '.join(words.share(summary['models'][name]['solved_fraction']))}" for name in names]
    label = f"Share of seeds that solved the task, over steps; at step {results.budget}: {', '.join(ends)}."
    return draw(_plot_solved, results, summary, names, name="solved", label=label, size=_TILE)


def length_curves(results: Results, summary: Mapping[str, Any]) -> Markup:
    """Normalised test score of single answers at every length, the training range shaded."""
    tables = {name: model["lengths"] for name, model in summary["models"].items()}
    return _over_lengths(results, summary, tables, "lengths", "normalised score")


def whole_curves(results: Results, summary: Mapping[str, Any]) -> Markup:
    """The share of test sequences with every answer right, at every length, the training range shaded."""
    tables = {name: model["measures"]["whole"]["lengths"] for name, model in summary["models"].items()}
    return _over_lengths(results, summary, tables, "lengths-whole", "share of sequences all right")


def _over_lengths(
    results: Results, summary: Mapping[str, Any], tables: Mapping[str, Any], name: str, ylabel: str
) -> Markup:
    """A table by length of each model as a figure."""
    models = ranked(summary["models"])
    curves = [[tables[model][str(length)] for length in results.curve_lengths] for model in models]
    ends = [f"{model} {decimal(curve[-1]['value'])}" for model, curve in zip(models, curves, strict=True)]
    lengths = f"{results.curve_lengths[0]} to {results.curve_lengths[-1]} {results.length_unit}"
    label = f"{ylabel.capitalize()} at lengths {lengths}; at the longest: {', '.join(ends)}."
    return draw(_plot_lengths, results, curves, ylabel, name=name, label=label, size=_TILE)


def times_to_solve(results: Results, summary: Mapping[str, Any], axis: str) -> Markup:
    """Each seed's time to solve and the restricted mean with its interval, one row a model.

    Args:
      results: the study.
      summary: its summary.
      axis: "steps", or "seconds" (steps times the model's measured seconds a step of one run).
    """
    names = ranked(summary["models"])
    means = [reading.restricted_mean(summary, name, axis) for name in names]
    write = words.steps if axis == "steps" else words.seconds
    ends = [f"{name} {' '.join(write(mean))}" for name, mean in zip(names, means, strict=True)]
    label = f"Restricted mean {axis} to solve: {', '.join(ends)}."
    height = 0.75 + 0.58 * len(names)
    return draw(_plot_times, results, summary, names, axis, name=axis, label=label, size=(_TILE[0], height))


def _plot_learning(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str]) -> None:
    """Reference lines first, then a band, thin seeds and a line for each model."""
    arrays = [_scores(results, summary, name) for name in names]
    low = min(-0.13, *(float(reading.middle_half(array)[0].min()) - 0.04 for array in arrays))
    axes.set(xlim=(0, results.budget), ylim=(low, 1.06), xlabel="step", ylabel="normalised score")
    axes.set_yticks((0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    _reference(axes, 0.0, f"floor: {results.chance} ({reading.floor_value(results, results.chance)})", below=True)
    for name, height in reading.floors_above_zero(results):
        _reference(axes, height, f"{name} ({reading.floor_value(results, name)})")
    if results.threshold is not None:
        _reference(axes, results.threshold, f"solved: {decimal(results.threshold)}", left=True)
    _curves(axes, results.evaluated_at, arrays)
    count_ticks(axes.xaxis)


def _scores(results: Results, summary: Mapping[str, Any], name: str) -> np.ndarray:
    """[S, E] the validation score of each seed, 0 from where it diverged."""
    return reading.at_chosen_rate(results, summary, name, results.models[name].score, 0.0)


def _plot_loss(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str]) -> None:
    """As the learning curves; zero is where the axis begins."""
    losses = [results.models[name].measured["loss"].validation for name in names]
    _plot_losses(axes, results, summary, dict(zip(names, losses, strict=True)), "loss")


def _plot_train_loss(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str]) -> None:
    losses = {name: loss for name in names if (loss := results.models[name].train_loss) is not None}
    _plot_losses(axes, results, summary, losses, "training loss")


def _plot_losses(
    axes: Any, results: Results, summary: Mapping[str, Any], losses: Mapping[str, np.ndarray], ylabel: str
) -> None:
    arrays = [reading.at_chosen_rate(results, summary, name, loss, np.inf) for name, loss in losses.items()]
    axes.set(xlim=(0, results.budget), xlabel="step", ylabel=f"{ylabel} ({results.loss_unit} a weighted place)")
    _curves(axes, results.evaluated_at, arrays)
    count_ticks(axes.xaxis)
    count_ticks(axes.yaxis)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def _plot_solved(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str]) -> None:
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


def _plot_lengths(axes: Any, results: Results, curves: Sequence[Sequence[Mapping[str, Any]]], ylabel: str) -> None:
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


def _plot_times(axes: Any, results: Results, summary: Mapping[str, Any], names: Sequence[str], axis: str) -> None:
    """Names above their rows, so that a long one takes no room from the data."""
    budgets = [results.budget * reading.unit(summary, name, axis) for name in names]
    axes.set(xlim=(0, 1.04 * max(budgets)), ylim=(len(names) - 0.4, -0.75))
    axes.set_xlabel(f"{axis} to solve" + ("" if axis == "steps" else " (one run, compiling left out)"))
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    axes.set_yticks(())
    for index, name in enumerate(names):
        axes.text(0.004 * max(budgets), index - 0.33, shorten(name, 34), color=LIGHT["ink"], va="bottom")
        _plot_time_row(axes, index, budgets[index], summary, name, axis)
    count_ticks(axes.xaxis)


def _plot_time_row(axes: Any, index: int, budget: float, summary: Mapping[str, Any], name: str, axis: str) -> None:
    """The mean on its interval, the seeds below it, the budget as a dashed line."""
    look, gray = series(index), LIGHT["muted"]
    color = look["color"]
    mean = reading.restricted_mean(summary, name, axis)
    steps = reading.steps_to_solve(summary, name)
    solved = [step * reading.unit(summary, name, axis) for step in steps if step is not None]
    axes.plot((budget, budget), (index - 0.3, index + 0.3), color=gray, linewidth=1, linestyle=(0, (2, 2)))
    axes.plot(*stacked(solved, index + 0.2), "o", color=color, markersize=3.2, alpha=0.75, markeredgewidth=0)
    axes.plot((mean["low"], mean["high"]), (index, index), color=color, linewidth=3, alpha=0.45)
    axes.plot(mean["value"], index, look["marker"], color=color, markersize=6)
    if len(solved) < len(steps):
        text = f"{len(steps) - len(solved)} of {len(steps)} not solved"
        axes.text(budget, index - 0.33, text, color=gray, ha="right", va="bottom", fontsize=7.5)


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
        fontsize=7.5,
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
        fontsize=7.5,
        color=LIGHT["muted"],
        ha="left",
        va="bottom",
    )


def _last(values: np.ndarray) -> str:
    """A curve's last value, in words."""
    return decimal(float(values[-1]))
