"""One HTML file that tells a study: no network, no script, the same bytes for the same results."""

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from markupsafe import Markup

from attn_jax.files import write_whole
from attn_jax.lab.outcome.axes import flips_note
from attn_jax.lab.outcome.intervals import interval_note
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import decimal, listing, outcome_in_words, ranked
from attn_jax.names import counted
from attn_jax.report import figures, style, words
from attn_jax.report.probe_sections import probe_sections
from attn_jax.report.rendering import rendered

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
_WAITED = 1.2  # times the CPU seconds, by the clock: more is not the study's own
_OWN_LOAD = 0.5  # of the command beside its workers
_MEASURES = {"solved": "share solved", "steps": "steps to solve", "final": "final score"}


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
        "machine_note": _machine_note(summary),
        "timed": timed,
        "axes": _axes(summary, names) if timed else [],
        "rows": [_row(results, summary, name) for name in names],
        "plots": _plots(results, summary),
        "sections": probe_sections(results, summary),
        "rates": sorted({row["rate"] for model in summary["models"].values() for row in model["rates"]}),
        "windows": {name: _window(summary["models"][name]) for name in names},
        "cross_fitted": all(model["cross_fitted"] for model in summary["models"].values()),
        "notes": {name: "; ".join(flags) for name in names if (flags := summary["models"][name]["flags"])},
        "comparisons": [_comparison(row) for row in summary["comparisons"]],
        "look": results.look,
        "log_rank": [_log_rank(row) for row in summary["log_rank"]],
        "floor_lengths": (lengths := sorted(results.floors)),
        "floor_rows": _floor_rows(results, lengths),
        "num_seeds": seeds,
        "draws_seeds": figures.draws_seeds(len(names), seeds),
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


def _machine_note(summary: Mapping[str, Any]) -> str | None:
    """Whether the machine had other things to do while it trained: then seconds by the clock say little."""
    said = []
    for name, timing in summary["timing"].items():
        if timing["cpu_seconds"] and (ratio := timing["seconds"] / timing["cpu_seconds"]) > _WAITED:
            said.append(f"{name} took {ratio:.1f} times its CPU seconds by the clock")
    loads = [timing["load"] for timing in summary["timing"].values() if timing["load"] is not None]
    cores = max((timing["cores"] or 0 for timing in summary["timing"].values()), default=0)
    if loads and cores and max(loads) > cores + _OWN_LOAD:
        said.append(f"its load was {max(loads):.1f} on {counted(cores, 'core')}")
    return f"The machine was busy: {'; '.join(said)}." if said else None


def _plots(results: Results, summary: Mapping[str, Any]) -> dict[str, list[Markup]]:
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
    return plots


def _window(model: Mapping[str, Any]) -> dict[float, dict[str, str]]:
    """What each learning rate came to: the share of seeds solved, or else the final score."""
    return {row["rate"]: _window_cell(row) for row in model["rates"]}


def _window_cell(row: Mapping[str, Any]) -> dict[str, str]:
    """A cell of the strip: its text, a remark, and how strongly it is coloured."""
    known = row["solved"] is not None
    share = row["solved"] / row["runs"] if known else row["final"]
    remarks = [f"chosen {row['chosen']}×"] if row["chosen"] else []
    remarks += [f"{row[word]} {word}" for word in ("unconfirmed", "diverged") if row[word]]
    return {
        "share": f"{min(max(share, 0.0), 1.0):.3f}",
        "text": f"{row['solved']}/{row['runs']}" if known else decimal(share, 3),
        "remark": ", ".join(remarks),
    }


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


def _comparison(row: Mapping[str, Any]) -> dict[str, str]:
    """A paired test as strings: steps are whole, shares and scores have decimals."""
    write = words.count if row["measure"] == "steps" else partial(decimal, digits=3)
    return {
        "models": f"{row['a']} − {row['b']}",
        "measure": _MEASURES.get(row["measure"], row["measure"]),
        "difference": write(row["difference"]).replace("-", "−"),
        "interval": words.interval(row, write).replace("-", "−"),
        "p": words.probability(row["p"]),
        "outcome": outcome_in_words(row),
    }


def _log_rank(row: Mapping[str, Any]) -> str:
    """A test of two curves in words."""
    z, p = decimal(row["z"]).replace("-", "−"), words.probability(row["p"])
    return f"{row['a']} against {row['b']}: z = {z}, p {p if p.startswith('<') else f'= {p}'}"
