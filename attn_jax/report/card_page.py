"""card.html: where a mixer stands, on one page that needs no other file; no network, no script."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.words import decimal
from attn_jax.report import style, words
from attn_jax.report.card_table import cost_rows, flow_rows, remarks
from attn_jax.report.panels import drawn_panels
from attn_jax.report.rendering import rendered

_RIVALS = ("attention", "lstm", "gru")


def write_card_page(card: Mapping[str, Any], directory: Path) -> Path:
    """Writes card.html, whole or not at all; its path.

    Args:
      card: as card.json has it.
      directory: of the card; it exists.
    """
    path = directory / "card.html"
    write_whole(path, render_card(card))
    return path


def render_card(card: Mapping[str, Any]) -> str:
    """The page as one HTML document: the same bytes for the same card."""
    panels, legend = drawn_panels(card["name"], _panels(card))
    return rendered(
        "card.html.j2",
        {
            "light": style.LIGHT,
            "dark": style.DARK,
            "name": card["name"],
            "about": _about(card),
            "look": "fails" if any(not row["holds"] for row in card["contract"]) else "undecided",
            "verdict": card["verdict"],
            "contract": card["contract"],
            "cost": cost_rows(card),
            "flow": flow_rows(card),
            "rivals": _RIVALS,
            "rows": [_row(card, task) for task in card["tasks"]],
            "panels": panels,
            "legend": legend,
            "nearest": [(name, decimal(distance)) for name, distance in [*card["nearest"].items()][:5]],
            "notes": [*card["notes"], *remarks(card)],
            "baselines": card["baselines"],
            "machine": _machine(card),
        },
    )


def _about(card: Mapping[str, Any]) -> str:
    """What was trained, in a line."""
    if not card["tasks"]:
        return "Not trained."
    first = next(iter(card["tasks"].values()))
    seeds, rates = len(first["scores"]), first["runs"] // len(first["scores"])
    positions = "" if card["ordered"] else ", with sinusoidal positions, for it does not feel the order of places"
    # where that could not be reached a note says how many they are
    size = "" if card["model"]["note"] else ", as many parameters as attention's of width 32"
    return (
        f"Eight small tasks, {seeds} seeds at the best of {rates} learning rates as the other seeds have it; two layers"
        f"{size}{positions}."
    )


def _row(card: Mapping[str, Any], task: str) -> dict[str, Any]:
    """A task's line of the table."""
    one, rank = card["tasks"][task], card["ranks"].get(task)
    tests = {row["rival"]: row for row in card["tests"] if row["task"] == task}
    floor = one["floor"]
    value, bounds = words.score(one["score"])
    return {
        "task": words.plain(task),
        "asks": f"{one['asks']}; {one['steps']} steps; floor {words.plain(floor['name'])} {decimal(floor['value'])}",
        "score": value,
        "bounds": bounds,
        "cells": [_cell(tests.get(rival)) for rival in _RIVALS],
        "place": "–" if rank is None else f"{rank['place']} of {rank['of']}",
        "best": "" if rank is None else f"best other: {rank['best']} {decimal(rank['best_score'])}",
    }


def _cell(test: Mapping[str, Any] | None) -> tuple[str, str]:
    """A rival's mean, and what is decided."""
    if test is None:
        return "–", ""
    if test["outcome"] == "undecided":
        more = test["seeds_to_decide"]
        return decimal(test["other"]), "undecided" + (f", {more} seeds would decide" if more else "")
    return decimal(test["other"]), f"{test['outcome']}, p {words.probability(test['p'])}"


def _panels(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Score by length, a panel a task."""
    return [
        {
            "title": words.plain(task),
            "lines": {
                card["name"]: {
                    "x": [int(length) for length in one["lengths"]],
                    "y": [list(seed) for seed in zip(*one["lengths"].values(), strict=True)],
                }
            },
            "x": one["length_unit"],
            "y": "score",
            "form": "lines",
            "marks": {"floor": 0.0, f"best possible; {_trained_on(one['train_lengths'])}": 1.0},
            "log": "",
            "limits": (min([-0.1, *(score - 0.05 for of in one["lengths"].values() for score in of)]), 1.1),
        }
        for task, one in card["tasks"].items()
    ]


def _trained_on(lengths: Sequence[int]) -> str:
    """The lengths trained on, in words."""
    return f"trained on {lengths[0]}" + (f" to {lengths[-1]}" if lengths[-1] != lengths[0] else "")


def _machine(card: Mapping[str, Any]) -> str:
    """When and on what it was made."""
    timing, versions = card["timing"], card["versions"]
    said = [timing["date"], timing["environment"]["machine"], f"attn_jax {versions['attn_jax']}"]
    return ", ".join([*said, f"jaxlib {versions['jaxlib']}", versions["device"], f"{timing['seconds']:.0f} s"])
