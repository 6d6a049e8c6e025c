"""The page's figures: each a public function of a study's results and summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import decimal, ranked
from attn_jax.names import counted
from attn_jax.report import plots, reading, words
from attn_jax.report.drawing import Drawn, draw

TILE = 3.2  # inches, the height of a figure


def learning_curves(results: Results, summary: Mapping[str, Any]) -> Drawn:
    """Normalised validation score over steps: interquartile mean and middle half of the seeds, at the chosen rates."""
    names = ranked(summary["models"])
    scores = {name: results.models[name].score for name in names}
    arrays = {name: reading.at_chosen_rate(results, summary, name, score, 0.0) for name, score in scores.items()}
    label = f"Validation score over {counted(results.budget, 'training step')}; at the end: {_ends(arrays)}."
    table = _table(results, arrays)
    curves = [*arrays.values()]
    return draw(plots.plot_learning, results, curves, name="learning", label=label, height=TILE, table=table)


def loss_curves(results: Results, summary: Mapping[str, Any]) -> Drawn:
    """Validation loss over steps, as `learning_curves`; a diverged run counts as infinite, which is not drawn."""
    losses = {name: results.models[name].measured["loss"].validation for name in ranked(summary["models"])}
    return _losses(results, summary, losses, "loss", "Validation loss")


def train_loss_curves(results: Results, summary: Mapping[str, Any]) -> Drawn:
    """Training loss over steps, the mean since the evaluation before, as `loss_curves`."""
    names = ranked(summary["models"])
    losses = {name: loss for name in names if (loss := results.models[name].train_loss) is not None}
    return _losses(results, summary, losses, "train-loss", "Training loss")


def _losses(
    results: Results, summary: Mapping[str, Any], losses: Mapping[str, np.ndarray], name: str, what: str
) -> Drawn:
    arrays = {model: reading.at_chosen_rate(results, summary, model, loss, np.inf) for model, loss in losses.items()}
    label = f"{what} over {counted(results.budget, 'training step')}; at the end: {_ends(arrays)}."
    ylabel = what.removeprefix("Validation ").lower()
    table, curves = _table(results, arrays), [*arrays.values()]
    return draw(plots.plot_losses, results, curves, ylabel, name=name, label=label, height=TILE, table=table)


def solved_curves(results: Results, summary: Mapping[str, Any]) -> Drawn:
    """The share of seeds that solved the task by each step (1 - Kaplan-Meier): Greenwood's band, exact at the end."""
    names = ranked(summary["models"])
    ends = [f"{name} {' '.join(words.share(summary['models'][name]['solved_fraction']))}" for name in names]
    label = f"Share of seeds that solved the task, over steps; at step {results.budget}: {', '.join(ends)}."
    keys = ("steps", "solved", "low", "high")
    table = [
        {"model": name} | dict(zip(("step", "solved", "low", "high"), point, strict=True))
        for name in names
        for point in zip(*(summary["models"][name]["solved_curve"][key] for key in keys), strict=True)
    ]
    return draw(plots.plot_solved, results, summary, names, name="solved", label=label, height=TILE, table=table)


def length_curves(results: Results, summary: Mapping[str, Any]) -> Drawn:
    """Normalised test score of single answers at every length, the training range shaded."""
    tables = {name: model["lengths"] for name, model in summary["models"].items()}
    return _over_lengths(results, summary, tables, "lengths", "normalised score")


def whole_curves(results: Results, summary: Mapping[str, Any]) -> Drawn:
    """The share of test sequences with every answer right, at every length, the training range shaded."""
    tables = {name: model["measures"]["whole"]["lengths"] for name, model in summary["models"].items()}
    return _over_lengths(results, summary, tables, "lengths-whole", "share of sequences all right")


def _over_lengths(
    results: Results, summary: Mapping[str, Any], tables: Mapping[str, Any], name: str, ylabel: str
) -> Drawn:
    """A table by length of each model as a figure."""
    models = ranked(summary["models"])
    curves = [[tables[model][str(length)] for length in results.curve_lengths] for model in models]
    ends = [f"{model} {decimal(curve[-1]['value'])}" for model, curve in zip(models, curves, strict=True)]
    lengths = f"{results.curve_lengths[0]} to {results.curve_lengths[-1]} {results.length_unit}"
    label = f"{ylabel.capitalize()} at lengths {lengths}; at the longest: {', '.join(ends)}."
    table = [
        {"model": model, "length": length} | {key: point[key] for key in ("value", "low", "high")}
        for model, curve in zip(models, curves, strict=True)
        for length, point in zip(results.curve_lengths, curve, strict=True)
    ]
    return draw(plots.plot_lengths, results, curves, ylabel, name=name, label=label, height=TILE, table=table)


def times_to_solve(results: Results, summary: Mapping[str, Any], axis: str) -> Drawn:
    """Each seed's time to solve and the restricted mean with its interval, one row a model.

    Args:
      results: the study.
      summary: its summary.
      axis: "steps", or "seconds" (steps times the model's measured seconds a step of one run).
    """
    names = ranked(summary["models"])
    means = [reading.restricted_mean(summary, name, axis) for name in names]
    write = words.steps if axis == "steps" else words.seconds
    ends = [
        f"{name} {' '.join(write(mean))}" if summary["models"][name]["solved_fraction"]["value"] else f"{name} never"
        for name, mean in zip(names, means, strict=True)
    ]
    label = f"Restricted mean {axis} to solve: {', '.join(ends)}."
    table = [
        {
            "model": name,
            "seed": results.first_seed + seed,
            axis: (step or results.budget) * unit,
            "solved": step is not None,
        }
        for name in names
        for unit in [reading.unit(summary, name, axis)]
        for seed, step in enumerate(reading.steps_to_solve(summary, name))
    ]
    height = 0.75 + 0.58 * len(names)
    shown = {"name": axis, "label": label, "height": height, "table": table, "shorter": 0.85}
    return draw(plots.plot_times, results, summary, names, axis, **shown)


def _table(results: Results, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The curves as rows: each seed's, their centre and the band."""
    return [
        {"model": name, "step": int(step), "center": float(middle), "low": float(low), "high": float(high)}
        | {f"seed_{results.first_seed + seed}": float(value) for seed, value in enumerate(values)}
        for name, array in arrays.items()
        for step, values, middle, low, high in zip(
            results.evaluated_at, array.T, reading.center(array), *reading.middle_half(array), strict=True
        )
    ]


def _ends(arrays: Mapping[str, np.ndarray]) -> str:
    """Where each curve ends, in words."""
    ends = {name: float(reading.center(array)[-1]) for name, array in arrays.items()}
    return ", ".join(f"{name} {decimal(end) if np.isfinite(end) else 'diverged'}" for name, end in ends.items())
