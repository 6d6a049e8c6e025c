"""How a measure changes along an axis of a sweep: a line through each seed's points, then an interval over seeds."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from attn_jax.lab.outcome.intervals import Limits
from attn_jax.lab.outcome.measures import MEASURES
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.selection import chosen_runs
from attn_jax.lab.outcome.statistics import Interval, mean_interval
from attn_jax.lab.outcome.summary_types import Summary

Cell: TypeAlias = int | float | str  # a value of an axis

_MEASURES = ("final", "steps")


class Cut(NamedTuple):
    """The points along one axis where all other axes stand still."""

    axis: str
    at: dict[str, Cell]  # the other axes
    points: list[str]  # in the order of the axis
    numbers: list[float] | None  # where they lie on it; None where its values are no numbers


class Trend(NamedTuple):
    """The slope of a measure of one model along a cut."""

    cut: Cut
    model: str
    measure: str  # "final" or "steps"
    per: str  # "doubling" of the axis, or "unit"
    slope: Interval
    seeds: int


def cuts(axes: Mapping[str, Mapping[str, Cell]]) -> list[Cut]:
    """Every line of two or more points along an axis, of the value of each axis at each point.

    >>> [cut.points for cut in cuts({"a": {"d": 16, "t": "x"}, "b": {"d": 8, "t": "x"}})]
    [['b', 'a']]
    """
    found = []
    for axis in next(iter(axes.values())):
        groups: dict[tuple[Cell, ...], list[str]] = {}
        for point, values in axes.items():
            groups.setdefault(tuple(cell for path, cell in values.items() if path != axis), []).append(point)
        for points in groups.values():
            at = {path: cell for path, cell in axes[points[0]].items() if path != axis}
            numbers = numbers_of([axes[point][axis] for point in points])
            if numbers is not None:
                numbers, points = map(list, zip(*sorted(zip(numbers, points, strict=True)), strict=True))
            if len(points) > 1:
                found.append(Cut(axis, at, points, numbers))
    return found


def numbers_of(cells: Sequence[Cell]) -> list[float] | None:
    """The values of an axis as numbers, a row of them, such as lengths, as its last; None where they are none.

    >>> numbers_of([16, 32.0]), numbers_of(["2,8", "2,16"]), numbers_of(["2,8", "4,8"]), numbers_of(["gru", 8])
    ([16.0, 32.0], [8.0, 16.0], None, None)
    """
    try:
        numbers = [float(str(cell).rpartition(",")[2]) for cell in cells]
    except ValueError:
        return None
    fine = np.isfinite(numbers).all() and len(set(numbers)) == len(numbers)
    return numbers if fine else None


def trends(
    axes: Mapping[str, Mapping[str, Cell]], results: Mapping[str, Results], summaries: Mapping[str, Summary]
) -> list[Trend]:
    """The slopes of final score and steps to solve along every cut whose values are numbers.

    Per doubling of the axis where all its values are positive, else per unit. A model that solves the task nowhere
    along the cut has no slope of steps.

    Args:
      axes: the value of each axis at each point.
      results: of each point.
      summaries: of each point.
    """
    models = list(next(iter(summaries.values()))["models"])
    lines = [cut for cut in cuts(axes) if cut.numbers is not None]
    return [
        found
        for cut, model, measure in itertools.product(lines, models, _MEASURES)
        for found in _trend(cut, model, measure, results, summaries)
    ]


def _trend(
    cut: Cut, model: str, measure: str, results: Mapping[str, Results], summaries: Mapping[str, Summary]
) -> Iterator[Trend]:
    """One, or none where the measure says nothing."""
    if measure == "steps" and not any(_solved(summaries[point]["models"][model]) for point in cut.points):
        return
    by_seed = [_by_seed(results[point], summaries[point]["models"][model], measure) for point in cut.points]
    seeds = sorted(set.intersection(*map(set, by_seed)))  # the same data at every point
    if not seeds:
        return
    x = np.array(cut.numbers)
    doubling = bool((x > 0).all())
    values = np.array([[values[seed] for values in by_seed] for seed in seeds])
    limits = [MEASURES[measure].limits(results[point]) for point in cut.points]
    slope = slope_interval(np.log2(x) if doubling else x, values, limits)
    yield Trend(cut, model, measure, "doubling" if doubling else "unit", slope, len(seeds))


def slope_interval(x: np.ndarray, values: np.ndarray, limits: Sequence[Limits]) -> Interval:
    """The mean over seeds of the least-squares slope of each, with Student's interval.

    b_s = sum_i (x_i - mean(x)) y_si / sum_i (x_i - mean(x))^2; seeds that see the same data at every point are
    independent of each other, their points are not.

    Args:
      x: [P] where the points lie, not all alike.
      values: [S, P] a measure of each seed at each point.
      limits: P, of the measure at each point; a slope can be no steeper than they allow.

    >>> slope_interval(np.arange(3.0), np.array([[0, 1, 2], [0, 3, 6], [1, 3, 5]]), [(0, 9)] * 3).value
    2.0
    """
    away = x - x.mean()
    weights = away / (away**2).sum()
    ends = [(weight * low, weight * high) for weight, (low, high) in zip(weights, limits, strict=True) if weight]
    return mean_interval(values @ weights, (sum(map(min, ends)), sum(map(max, ends))))


def _solved(model: Mapping[str, Any]) -> bool:
    return model["solved_fraction"] is not None and model["solved_fraction"]["value"] > 0


def _by_seed(results: Results, model: Mapping[str, Any], measure: str) -> dict[int, float]:
    """A measure of the run that stands for each seed; steps are cut off at the budget."""
    runs = chosen_runs(model)
    if measure == "final":
        return {run["seed"]: run["final"] for run in runs}
    return {run["seed"]: results.budget if run["steps_to_solve"] is None else run["steps_to_solve"] for run in runs}
