"""One HTML file that tells many studies: a leaderboard of normalised scores, each study's verdict, links to pages."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.leaderboard import Standing, Told, leaderboard, other_models
from attn_jax.names import counted
from attn_jax.report import style, words
from attn_jax.report.rendering import rendered


def write_studies_report(studies: Sequence[Told], title: str | None, path: Path) -> Path:
    """Writes the page, whole or not at all.

    Args:
      studies: what it tells, in its order.
      title: its heading; None says how many studies and models there are.
      path: of the file; links are from its folder.

    Returns:
      The path.
    """
    write_whole(path, render_studies_page(studies, title))
    return path


def render_studies_page(studies: Sequence[Told], title: str | None) -> str:
    """The page as one HTML document that loads nothing and runs nothing; the same bytes for the same studies."""
    return rendered("studies.html.j2", studies_content(studies, title))


def studies_content(studies: Sequence[Told], title: str | None) -> dict[str, Any]:
    """All that the template shows, as strings and rows of them."""
    board = leaderboard(studies)
    names = [standing.model for standing in board]
    return {
        "title": title or f"{counted(len(names), 'model')} in {counted(len(studies), 'study', 'studies')}",
        "light": style.LIGHT,
        "dark": style.DARK,
        "names": names,
        "swatches": {name: style.swatch(index) for index, name in enumerate(names)},
        "standings": [_standing(standing, len(studies)) for standing in board],
        "partial": any(standing.studies < len(studies) for standing in board),
        "rows": [_row(study, names) for study in studies],
        "others": other_models(studies),
    }


def _standing(standing: Standing, studies: int) -> dict[str, Any]:
    return {
        "name": standing.model,
        "score": words.score(standing.final),
        "studies": f"{standing.studies} of {studies}",
        "best": words.count(standing.best),
    }


def _row(study: Told, names: Sequence[str]) -> dict[str, Any]:
    """A study's line: each model's final score, a dash for those it has not; the highest is marked."""
    models = study.summary["models"]
    highest = max(model["final"]["value"] for model in models.values())
    cells = [
        {"score": words.score(models[name]["final"]), "best": models[name]["final"]["value"] == highest}
        if name in models
        else {"score": ("–", ""), "best": False}
        for name in names
    ]
    config, train = study.facts["config"], study.facts["config"]["train"]
    task = words.plain(config["task"].get("name") or config["task"]["class"])
    terms = f"{task}, {counted(train['seeds'], 'seed')}, {counted(train['steps'], 'step')}"
    return {
        "label": study.label,
        "link": study.link,
        "terms": terms,
        "cells": cells,
        "headline": study.summary["headline"],
        "verdict": study.summary["verdict"],
    }
