"""One HTML file that tells a study: no network, no script, the same bytes for the same results."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.axes import flips_note
from attn_jax.lab.outcome.intervals import interval_note
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import decimal, listing, ranked
from attn_jax.names import counted
from attn_jax.report import figures, style, words
from attn_jax.report.clock import load_note, machine_note
from attn_jax.report.comparisons import comparison_row, log_rank_words, smallest_p_note
from attn_jax.report.drawing import Drawn
from attn_jax.report.notes import answers, notes
from attn_jax.report.plots import draws_seeds
from attn_jax.report.probe_sections import probe_sections
from attn_jax.report.published import published_rows
from attn_jax.report.rate_window import rate_curves, window
from attn_jax.report.rendering import rendered
from attn_jax.report.settings import settings

_MATCHED = {
    "parameters": "parameters",
    "state": "bytes of state at the longest training length",
    "flops": "FLOPs of a training step",
}
_UNITS = {
    "samples": "sequences",
    "examples": "different sequences",
    "tokens": "tokens",
    "flops": "FLOPs",
}


def write_report(results: Results, summary: Mapping[str, Any], directory: str | PathLike[str]) -> Path:
    """Writes report.html, whole or not at all.

    Args:
      results: the study.
      summary: its summary, as in summary.json.
      directory: the study's directory; it exists.

    Returns:
      The path of the page.
    """
    path = Path(directory) / "report.html"
    write_whole(path, render_page(results, summary))
    return path


def render_page(results: Results, summary: Mapping[str, Any]) -> str:
    """The report as one HTML document.

    Args:
      results: the study.
      summary: its summary, as in summary.json.

    Returns:
      HTML that loads nothing and runs nothing; names are escaped.
    """
    return rendered("report.html.j2", page_content(results, summary))


def page_content(results: Results, summary: Mapping[str, Any]) -> dict[str, Any]:
    """All that the template shows, as strings, numbers and rows of them."""
    names = ranked(summary["models"])
    timed = results.threshold is not None
    seeds = max(len(model["chosen_learning_rates"]) for model in summary["models"].values())
    return {
        "results": results,
        "summary": summary,
        "names": names,
        "swatches": {name: style.swatch(index) for index, name in enumerate(names)},
        "num_series": style.NUM_SERIES,
        "light": style.LIGHT,
        "dark": style.DARK,
        "question": _question(results, names),
        "terms": _terms(results, summary),
        "flips_note": flips_note(summary),
        "machine_note": machine_note(summary),
        "load_note": load_note(summary),
        "timed": timed,
        "axes": _axes(summary, names) if timed else [],
        "rows": [_row(results, summary, name) for name in names],
        "plots": _plots(results, summary),
        "sections": probe_sections(results, summary),
        "rates": sorted({row["rate"] for model in summary["models"].values() for row in model["rates"]}),
        "windows": {name: window(summary["models"][name]) for name in names},
        "cross_fitted": all(model["cross_fitted"] for model in summary["models"].values()),
        "notes": notes(summary["models"], names),
        "answers": answers(results, summary),
        "comparisons": [comparison_row(row) for row in summary["comparisons"]],
        "smallest_p": smallest_p_note(results.look, seeds, len(summary["comparisons"])),
        "look": results.look,
        "log_rank": [log_rank_words(row) for row in summary["log_rank"]],
        "settings": settings(results.config),
        "published": published_rows(results),
        "floor_lengths": (lengths := sorted(results.floors)),
        "floor_rows": _floor_rows(results, lengths),
        "num_seeds": seeds,
        "draws_seeds": draws_seeds(len(names), seeds),
        "interval_note": interval_note(timed=timed),
        "all_solved_bound": decimal(0.025 ** (1 / seeds), 3),
    }


def _question(results: Results, names: Sequence[str]) -> str:
    """What was compared on what."""
    task = results.task
    if len(names) == 1:
        return f"How well does {names[0]} learn {task}, and how fast?"
    how = "how fast, and does it hold at other lengths" if len(results.curve_lengths) > 1 else "and how fast"
    others = sorted(names, key=list(results.models).index)  # the study's order: a question does not know its answer
    return f"Which of {listing(others)} learns {task}, {how}?"


def _terms(results: Results, summary: Mapping[str, Any]) -> str:
    """The terms of the comparison, in one or two sentences."""
    model = next(iter(results.models.values()))
    seeds, rates = model.final.shape
    terms = f"{counted(seeds, 'seed')} × {counted(rates, 'learning rate')} a model, "
    terms += f"{counted(results.budget, 'step')} each, {results.schedule} rate after warm-up."
    if results.widened:
        added = f"{', '.join(f'{rate:g}' for rate in results.widened)} {'was' if len(results.widened) == 1 else 'were'}"
        terms += f" Of the rates {added} added where a best one lay on the edge of the grid: it depended on the data."
    match = results.config.get("match")  # absent where nothing is matched
    if match is not None and len(summary["models"]) > 1:
        terms += f" Sizes are matched by {_MATCHED[match]} to {results.reference}; every model sees the same data."
    return terms


def _row(results: Results, summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    """One model's line of the table; a pair is a value and its interval."""
    model, timing = summary["models"][name], summary["timing"][name]
    timed = results.threshold is not None
    return {
        "name": name,
        "description": results.models[name].description,
        "solved": words.share(model["solved_fraction"]) if timed else None,
        "steps": words.steps_to_solve(model) if timed else None,
        "final": words.score(model["final"]),
        "parameters": words.count(model["parameters"]),
        "parameters_matched": words.count(model["parameters_matched"]),
        "state": words.size(model["state_bytes"]),
        "flops": words.flops(model["train_flops_per_step"]),
        "milliseconds": words.duration(1000 * timing["seconds_per_step"]),
        "seconds": words.duration(timing["seconds"]),
        "compile_seconds": words.duration(timing["compile_seconds"]),
        "depth": results.models[name].depth,
    }


def _axes(summary: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, dict[str, tuple[str, str]]]]:
    """Restricted means by unit: its heading, and each model's value and interval; a dash where it is not known."""
    known = {unit for name in names for unit in summary["models"][name]["to_solve"]}
    rows = [("steps", {name: words.steps(summary["models"][name]["restricted_mean_steps"]) for name in names})]
    for unit in (unit for unit in _UNITS if unit in known):
        means = {name: summary["models"][name]["to_solve"].get(unit) for name in names}
        rows.append((_UNITS[unit], {name: words.amount(mean) if mean else ("–", "") for name, mean in means.items()}))
    clock = "seconds of CPU" if any(timing["cpu_seconds"] for timing in summary["timing"].values()) else "seconds"
    return [*rows, (clock, {name: words.seconds(summary["timing"][name]["restricted_mean_seconds"]) for name in names})]


def _plots(results: Results, summary: Mapping[str, Any]) -> dict[str, list[Drawn]]:
    """The figures that this study has, in pairs that share a legend."""
    second = figures.loss_curves if results.threshold is None else figures.solved_curves
    plots = {"learning": [figures.learning_curves(results, summary), second(results, summary)]}
    if all(model.train_loss is not None for model in results.models.values()):
        losses = [figures.train_loss_curves] + [figures.loss_curves] * (results.threshold is not None)
        plots["loss"] = [curves(results, summary) for curves in losses]
    if results.threshold is not None:
        plots["time"] = [figures.times_to_solve(results, summary, axis) for axis in ("steps", "seconds")]
    if len(results.curve_lengths) > 1:
        plots["length"] = [figures.length_curves(results, summary), figures.whole_curves(results, summary)]
    if all(len(model["rates"]) > 1 for model in summary["models"].values()):
        keys = ["final"] if results.threshold is None else ["solved", "final"]
        plots["rates"] = [rate_curves(summary, key) for key in keys]
    return plots


def _floor_rows(results: Results, lengths: Sequence[int]) -> list[dict[str, Any]]:
    """One row a floor, one (metric, loss) a length; the floor that is zero is marked."""
    names = dict.fromkeys(name for length in lengths for name in results.floors[length])
    return [
        {
            "name": name,
            "zero": name == results.chance,
            "cells": [_floor_cell(results.floors[length].get(name), results.loss_unit) for length in lengths],
        }
        for name in names
    ]


def _floor_cell(floor: Mapping[str, float | None] | None, unit: str) -> tuple[str, str]:
    """A floor's metric and loss; it may be missing at a length, and its loss where it puts no mass on an answer."""
    if floor is None or floor["value"] is None:
        return ("–", "")
    return (decimal(floor["value"], 3), "no loss" if floor["loss"] is None else f"{floor['loss']:.3f} {unit}")
