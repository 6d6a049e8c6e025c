"""One HTML file that tells a sweep: trends along its axes, and a row a point and model."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.intervals import interval_note
from attn_jax.lab.outcome.sweep_headline import sweep_headline
from attn_jax.lab.outcome.sweep_summary import slope_words
from attn_jax.lab.outcome.trends import Cut, cuts
from attn_jax.lab.outcome.words import listing
from attn_jax.names import counted
from attn_jax.report import style, trend_figures, words
from attn_jax.report.drawing import Drawn
from attn_jax.report.rendering import rendered
from attn_jax.report.settings import settings


def write_sweep_report(
    summary: Mapping[str, Any],
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    directory: str | PathLike[str],
) -> Path:
    """Writes report.html, whole or not at all.

    Args:
      summary: the sweep's, as in its summary.json.
      config: `{"study": ..., "axes": ...}`, as in sweep.json.
      environment: what its first point ran on.
      directory: the sweep's directory; it exists.

    Returns:
      The path of the page.
    """
    path = Path(directory) / "report.html"
    write_whole(path, render_sweep_page(summary, config, environment))
    return path


def render_sweep_page(summary: Mapping[str, Any], config: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """The report as one HTML document that loads nothing and runs nothing; names are escaped."""
    return rendered("sweep.html.j2", sweep_content(summary, config, environment))


def sweep_content(
    summary: Mapping[str, Any], config: Mapping[str, Any], environment: Mapping[str, Any]
) -> dict[str, Any]:
    """All that the template shows, as strings and rows of them."""
    points = summary["points"]
    first = next(iter(points.values()))
    names, timed = list(first["models"]), any(map(_timed, points.values()))
    found = cuts({point: values["axes"] for point, values in points.items()})
    train = config["study"]["train"]
    return {
        "summary": summary,
        "config": config,
        "environment": environment,
        "names": names,
        "swatches": {name: style.swatch(index) for index, name in enumerate(names)},
        "light": style.LIGHT,
        "dark": style.DARK,
        "axes": list(first["axes"]),
        "headline": sweep_headline(points),
        "settings": [row for row in settings(config["study"]) if row[0] not in config["axes"]],
        "question": f"How do {listing(names)} change with {listing(list(first['axes']))}?",
        "terms": _terms(config["study"], list(first["axes"])),
        "seeds": max((trend["seeds"] for trend in summary["trends"]), default=train["seeds"]),
        "timed": timed,
        "points": [_point(values) for values in points.values()],
        "sections": [_section(summary, cut, place, timed=timed) for place, cut in enumerate(found)],
        "interval_note": interval_note(timed=timed),
    }


def _terms(study: Mapping[str, Any], axes: Sequence[str]) -> str:
    """What all points have in common, but for what is an axis."""
    train, task = study["train"], study["task"]
    parts = {
        "task": words.plain(task.get("name") or task["class"]),
        "train.seeds": counted(train["seeds"], "seed"),
        "train.learning_rates": counted(len(train["learning_rates"]), "learning rate"),
        "train.steps": f"{counted(train['steps'], 'step')} a run",
    }
    return ", ".join(part for path, part in parts.items() if path not in axes) + ". Each point is a study of its own."


def _timed(point: Mapping[str, Any]) -> bool:
    return all(model["solved_fraction"] is not None for model in point["models"].values())


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point's values and its models' lines of the table; a pair is a value and its interval."""
    timed = _timed(point)
    rows = [
        {
            "name": name,
            "solved": words.share(model["solved_fraction"]) if timed else ("–", ""),
            "steps": words.steps_to_solve(model) if timed else ("–", ""),
            "final": words.score(model["final"]),
            "parameters": words.count(model["parameters"]),
        }
        for name, model in point["models"].items()
    ]
    return {"cells": [str(cell) for cell in point["axes"].values()], "rows": rows}


def _section(summary: Mapping[str, Any], cut: Cut, place: int, *, timed: bool) -> dict[str, Any]:
    """The figures of one cut and the slopes of its models."""
    timed = timed and all(_timed(summary["points"][point]) for point in cut.points)
    plots: list[Drawn] = [trend_figures.score_trend(summary, cut, f"score-{place}")]
    plots += [trend_figures.steps_trend(summary, cut, f"steps-{place}")] if timed else []
    mine = [trend for trend in summary["trends"] if trend["axis"] == cut.axis and trend["points"] == cut.points]
    at = listing([f"{path} = {cell}" for path, cell in cut.at.items()]) if cut.at else ""
    return {
        "id": f"trend-{place}",
        "title": f"Along {cut.axis}{at and f', {at}'}",
        "plots": plots,
        "per": f"doubling of {cut.axis}" if mine and mine[0]["per"] == "doubling" else f"unit of {cut.axis}",
        "slopes": _slopes(mine),
        "timed": timed,
    }


def _slopes(trends: Sequence[Any]) -> list[dict[str, Any]]:
    """A line a model: the slope of each measure."""
    models = dict.fromkeys(trend["model"] for trend in trends)
    by = {(trend["model"], trend["measure"]): slope_words(trend) for trend in trends}
    unknown = ("–", "")
    return [
        {"name": model, "final": _minus(by[model, "final"]), "steps": _minus(by.get((model, "steps"), unknown))}
        for model in models
    ]


def _minus(pair: tuple[str, str]) -> tuple[str, ...]:
    return tuple(text.replace("-", "−") for text in pair)
