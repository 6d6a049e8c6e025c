"""What others printed of the same: lines in the figure of learning where they fit its axis, and a table of all."""

from collections.abc import Mapping
from typing import Any

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.words import decimal
from attn_jax.report import words


def published_scores(results: Results) -> list[tuple[float, str]]:
    """(normalised score, its label) of each number in the study's metric, or already a score."""
    longest = results.train_lengths[1]
    chance, best = results.floors[longest][results.chance]["value"], results.best[longest]
    assert chance is not None  # the floor that is score 0 has one
    found = []
    for row in _rows(results):
        if isinstance(row["value"], int | float) and row["metric"] in ("score", results.metric):
            height = row["value"] if row["metric"] == "score" else (row["value"] - chance) / (best - chance)
            found.append((float(height), f"published: {row['of']} {decimal(float(row['value']), 3)}"))
    return found


def published_rows(results: Results) -> list[dict[str, str]]:
    """All of them, as strings."""
    return [
        {
            "of": row["of"],
            "metric": words.plain(row["metric"]),
            "value": row["value"] if isinstance(row["value"], str) else f"{row['value']:g}",
            "where": row["where"],
        }
        for row in _rows(results)
    ]


def _rows(results: Results) -> list[Mapping[str, Any]]:
    return results.config.get("published") or []
