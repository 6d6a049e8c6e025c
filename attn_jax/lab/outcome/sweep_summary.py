"""A sweep's results told in numbers: the dictionary that becomes its summary.json."""

from collections.abc import Mapping
from typing import Literal, TypedDict

from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.summary_types import Estimate, SolvedFraction, Summary
from attn_jax.lab.outcome.trends import Cell, trends
from attn_jax.lab.outcome.words import decimal, listing
from attn_jax.names import counted

SWEEP_SUMMARY_SCHEMA = 1
_MEASURES = {"final": "the final score changes", "steps": "steps to solve change"}


class PointModel(TypedDict):
    """One model at one point, as in the summary of the point's study."""

    solved_fraction: SolvedFraction | None
    restricted_mean_steps: Estimate | None
    final: Estimate
    parameters: int


class PointSummary(TypedDict):
    """One point: where it lies, the budget of its runs, and its models."""

    axes: dict[str, Cell]
    budget: int
    models: dict[str, PointModel]


class TrendSummary(TypedDict):
    """The slope of a measure of a model along an axis, the other axes at these values; seeds: in common to its points.

    per: "doubling" of the axis, or "unit".
    """

    axis: str
    at: dict[str, Cell]
    points: list[str]
    model: str
    measure: Literal["final", "steps"]
    per: Literal["doubling", "unit"]
    slope: Estimate
    seeds: int


class SweepSummary(TypedDict):
    """The whole of a sweep's summary.json, points and models in the order of the sweep."""

    schema: int
    sweep: str
    verdict: str
    points: dict[str, PointSummary]
    trends: list[TrendSummary]


def summarize_sweep(
    sweep: str,
    axes: Mapping[str, dict[str, Cell]],
    results: Mapping[str, Results],
    summaries: Mapping[str, Summary],
) -> SweepSummary:
    """The summary of a sweep, from those of its points, ready for `json.dumps(..., allow_nan=False)`.

    A function of the runs' numbers, as a study's summary: no clock has a part in it.

    Args:
      sweep: its name.
      axes: the value of each axis at each point.
      results: of each point.
      summaries: of each point.
    """
    found: list[TrendSummary] = [
        {
            "axis": trend.cut.axis,
            "at": trend.cut.at,
            "points": trend.cut.points,
            "model": trend.model,
            "measure": "final" if trend.measure == "final" else "steps",
            "per": "doubling" if trend.per == "doubling" else "unit",
            "slope": {
                "value": trend.slope.value,
                "low": _bounded(trend.slope.low),
                "high": _bounded(trend.slope.high),
                "method": trend.slope.method,
            },
            "seeds": trend.seeds,
        }
        for trend in trends(axes, results, summaries)
    ]
    return {
        "schema": SWEEP_SUMMARY_SCHEMA,
        "sweep": sweep,
        "verdict": _verdict(axes, found),
        "points": {
            point: {"axes": axes[point], "budget": results[point].budget, "models": _models(summary)}
            for point, summary in summaries.items()
        },
        "trends": found,
    }


def slope_words(trend: TrendSummary) -> tuple[str, str]:
    """A slope with its sign, and its interval.

    >>> slope = {"value": -12.5, "low": -20.0, "high": None, "method": "Student t"}
    >>> slope_words({"measure": "steps", "slope": slope})
    ('-12', '[-20, inf]')
    """
    slope = trend["slope"]
    low, high = (
        _signed(bound, trend["measure"]) if bound is not None else end
        for bound, end in ((slope["low"], "-inf"), (slope["high"], "inf"))
    )
    spread = " no spread" if slope["method"] == "no spread" else ""
    return _signed(slope["value"], trend["measure"]), f"[{low}, {high}]{spread}"


def _verdict(axes: Mapping[str, dict[str, Cell]], found: list[TrendSummary]) -> str:
    """What the slopes are, of a sweep along one axis; of more there are too many to be said in a sentence."""
    sentences = [f"{counted(len(axes), 'study', 'studies')} along {listing(list(next(iter(axes.values()))))}."]
    if len({trend["axis"] for trend in found}) != 1 or any(len(trend["at"]) for trend in found):
        return sentences[0]
    per = f"doubling of {found[0]['axis']}" if found[0]["per"] == "doubling" else f"unit of {found[0]['axis']}"
    for measure, changed in _MEASURES.items():
        changes = [f"{trend['model']} {' '.join(slope_words(trend))}" for trend in found if trend["measure"] == measure]
        if changes:
            sentences.append(f"Per {per} {changed} by: {listing(changes)}.")
    return " ".join(sentences)


def _models(summary: Summary) -> dict[str, PointModel]:
    return {
        name: {
            "solved_fraction": model["solved_fraction"],
            "restricted_mean_steps": model["restricted_mean_steps"],
            "final": model["final"],
            "parameters": model["parameters"],
        }
        for name, model in summary["models"].items()
    }


def _signed(value: float, measure: str) -> str:
    """A change: whole steps, a score with three decimals."""
    text = f"{value:,.0f}" if measure == "steps" else decimal(value, 3)
    return text if value <= 0 or text.strip("0.") == "" else f"+{text}"


def _bounded(value: float) -> float | None:
    return value if abs(value) != float("inf") else None
