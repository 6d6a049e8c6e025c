"""What the figures read from a study's results and summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.selection import chosen_runs
from attn_jax.lab.outcome.words import decimal
from attn_jax.report import words


def at_chosen_rate(
    results: Results, summary: Mapping[str, Any], name: str, array: np.ndarray, fill: float
) -> np.ndarray:
    """[S, ...] of a model's [S, A, ...], each seed at its cross-fitted rate; `fill` where a diverged run has none."""
    model = results.models[name]
    rates = summary["models"][name]["chosen_learning_rates"]
    places = [int(np.argmin(np.abs(np.asarray(model.learning_rates) - rate))) for rate in rates]
    kept = array[np.arange(len(places)), places]
    return np.where(np.isfinite(kept), kept, fill)


def center(array: np.ndarray) -> np.ndarray:
    """Interquartile mean over the seeds: the mean of what is left when a quarter is cut at either end."""
    return _kept(array).mean(axis=0)


def middle_half(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The range of what the interquartile mean averages."""
    return _kept(array).min(axis=0), _kept(array).max(axis=0)


def _kept(array: np.ndarray) -> np.ndarray:
    """[S, ...] sorted over the seeds, without the lowest and the highest quarter."""
    cut = len(array) // 4
    return np.sort(array, axis=0)[cut : len(array) - cut]


def steps_to_solve(summary: Mapping[str, Any], name: str) -> list[int | None]:
    """One a seed, at its cross-fitted rate; None where it did not solve the task."""
    return [run["steps_to_solve"] for run in chosen_runs(summary["models"][name])]


def restricted_mean(summary: Mapping[str, Any], name: str, axis: str) -> Mapping[str, Any]:
    """{value, low, high} of the time to solve, cut off at the budget."""
    if axis == "steps":
        return summary["models"][name]["restricted_mean_steps"]
    return summary["timing"][name]["restricted_mean_seconds"]


def unit(summary: Mapping[str, Any], name: str, axis: str) -> float:
    """How much of the axis one step takes."""
    return 1.0 if axis == "steps" else summary["timing"][name]["seconds_per_step"]


def floor_value(results: Results, floor: str) -> str:
    """A floor in the task's metric, at the longest training length."""
    return f"{words.plain(results.metric)} {decimal(_floors(results)[floor]['value'], 3)}"


def _floors(results: Results) -> Mapping[str, Any]:
    """The floors at the longest training length."""
    return results.floors[results.train_lengths[1]]


def floors_above_zero(results: Results) -> list[tuple[str, float]]:
    """Floors clearly above the one that is zero, as normalised scores."""
    floors = _floors(results)
    chance, best = floors[results.chance]["value"], results.best[results.train_lengths[1]]
    heights = {name: (floor["value"] - chance) / (best - chance) for name, floor in floors.items()}
    return sorted((name, height) for name, height in heights.items() if 0.04 < height < 1)
