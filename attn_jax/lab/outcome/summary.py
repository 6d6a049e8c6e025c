"""A study's results told in numbers: the dictionary that becomes summary.json."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from attn_jax.lab.outcome.axes import to_solve
from attn_jax.lab.outcome.decide import Decided, all_against_reference, decide
from attn_jax.lab.outcome.headline import headline
from attn_jax.lab.outcome.intervals import UNLIMITED, Limits
from attn_jax.lab.outcome.judged import Judged, judge, run_summaries, zero_where_diverged
from attn_jax.lab.outcome.measures import final_limits
from attn_jax.lab.outcome.paired import holm
from attn_jax.lab.outcome.probed import limits_of, numbers_at
from attn_jax.lab.outcome.results import ModelResult, Results
from attn_jax.lab.outcome.statistics import (
    Interval,
    clopper_pearson,
    interquartile_mean,
    kaplan_meier,
    median_time,
    restricted_mean,
)
from attn_jax.lab.outcome.summary_types import (
    Comparison,
    Estimate,
    FloorScore,
    LogRankSummary,
    MeasureSummary,
    ModelSummary,
    RateSummary,
    Solved,
    Summary,
    Timing,
)
from attn_jax.lab.outcome.survival import greenwood, log_rank
from attn_jax.lab.outcome.verdict import flags, verdict

SUMMARY_SCHEMA = 5


def summarize(results: Results) -> Summary:
    """The summary of a study, ready for `json.dumps(..., allow_nan=False)`.

    Aggregates take one run a seed, at its cross-fitted rate. A diverged run's final score is 0, which is chance.
    Without a threshold everything that needs one is None. `comparisons` sets every other model (a) against the
    reference (b), as `decide` does it: each p is adjusted by Holm over the whole grid of the study's comparisons, and
    for the looks at a study that grew; low and high are each comparison's own, not adjusted. A bound is None where the
    data set none.
    Everything but `timing` is a function of the runs' numbers: the same results give the same bytes.

    Args:
      results: what a finished study knows.

    Returns:
      The summary, models in the study's order; docs/lab.md tells of its keys.

    Raises:
      ValueError: a reference that is no model, or a run without a score that is not marked diverged.
    """
    if not any(name == results.reference_of(name) for name in results.models):
        raise ValueError(f"reference: got {results.reference!r}, wanted one of {', '.join(results.models)}")
    runs = {name: judge(results, model) for name, model in results.models.items()}
    models = {name: _model_summary(results, judged) for name, judged in runs.items()}
    decided = decide(results, all_against_reference(results), look=results.look)
    comparisons = [_comparison(one) for one in decided]
    return {
        "schema": SUMMARY_SCHEMA,
        "study": results.study,
        "reference": results.reference,
        "headline": headline(models, comparisons),
        "verdict": verdict(results, models, decided),
        "floors": _floors(results),
        "looks": [*results.looks] or [len(next(iter(runs.values())).final)],
        "widened_rates": [*results.widened],
        "comparisons": comparisons,
        "log_rank": _log_ranks(results, runs),
        "models": models,
        "timing": {name: _timing(results, model, models[name]) for name, model in results.models.items()},
    }


def _model_summary(results: Results, runs: Judged) -> ModelSummary:
    """One model's entry in the summary."""
    model, rates = runs.model, np.asarray(runs.model.learning_rates, np.float64)
    final = runs.chosen(runs.final)
    summary: ModelSummary = {
        "start": model.start,
        "description": model.description,
        "parameters": int(model.parameters),
        "parameters_matched": int(model.parameters_matched),
        "state_bytes": int(model.state_bytes),
        "train_flops_per_step": model.train_flops_per_step,
        "sequential_depth": model.depth,
        "runs": run_summaries(results, runs),
        "rates": [_rate_row(results, runs, place) for place in range(len(rates))],
        "chosen_learning_rates": rates[runs.choice.places].tolist(),
        "cross_fitted": runs.choice.cross_fitted,
        **_solving_summary(results, runs),
        "final": _interval(interquartile_mean(final, final_limits(results))),
        "final_maximum": float(final.max()),
        "lengths": _by_length(results, runs.chosen(zero_where_diverged(model, "length_score", model.length_score))),
        "measures": {name: _measure(results, runs, name) for name in model.measured},
        "probes": _probes(results, runs),
        "flags": [],
    }
    summary["flags"] = flags(model, runs.choice, summary)
    return summary


def _solving_summary(results: Results, runs: Judged) -> Solved:
    """How many seeds solved the task, and when."""
    if results.threshold is None:
        return {
            "solved_fraction": None,
            "restricted_mean_steps": None,
            "median_steps": None,
            "solved_curve": None,
            "to_solve": None,
        }
    solved, steps = runs.chosen(runs.solving.solved), runs.chosen(runs.solving.steps_to_solve)
    seen = np.minimum(steps, results.budget)
    curve = kaplan_meier(seen, solved, results.budget)
    low, high = greenwood(seen, solved, curve.times)
    return {
        "solved_fraction": {**_interval(clopper_pearson(int(solved.sum()), len(solved))), "n": len(solved)},
        "restricted_mean_steps": _interval(restricted_mean(steps, results.budget)),
        "median_steps": median_time(curve),
        "solved_curve": {
            "steps": curve.times.tolist(),
            "solved": curve.solved.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
        },
        "to_solve": {unit: _interval(mean) for unit, mean in to_solve(results, runs.model, steps).items()},
    }


def _rate_row(results: Results, runs: Judged, place: int) -> RateSummary:
    """What one learning rate came to over all seeds: the window of rates that work is itself a result."""
    known = results.threshold is not None
    return {
        "rate": float(runs.model.learning_rates[place]),
        "runs": len(runs.final),
        "chosen": int((runs.choice.places == place).sum()),
        "solved": int(runs.solving.solved[:, place].sum()) if known else None,
        "unconfirmed": int(runs.solving.unconfirmed[:, place].sum()) if known else None,
        "diverged": int(runs.model.diverged[:, place].sum()),
        "restricted_mean_steps": (
            float(np.minimum(runs.solving.steps_to_solve[:, place], results.budget).mean()) if known else None
        ),
        "final": interquartile_mean(runs.final[:, place]).value,
    }


def _by_length(results: Results, scores: np.ndarray) -> dict[str, Estimate]:
    """A test score [S, M] at every length, by the length as a string."""
    limits = map(results.score_limits, ([n] for n in results.curve_lengths))
    intervals = map(interquartile_mean, scores.T, limits)
    return {str(n): _interval(interval) for n, interval in zip(results.curve_lengths, intervals, strict=True)}


def _measure(results: Results, runs: Judged, name: str) -> MeasureSummary:
    """One of the measures, as it is, of the runs that stand for the seeds."""
    test, by_length = runs.model.measured[name].test, runs.model.measured[name].by_length
    if name == "whole":  # a diverged run has no sequence right, and no loss that could stand for it
        test, by_length = (zero_where_diverged(runs.model, name, array) for array in (test, by_length))
    final, lengths = runs.chosen(test), runs.chosen(by_length).T
    limits = _limits(results, name)
    by_name = {str(n): _of_all(values, limits) for n, values in zip(results.curve_lengths, lengths, strict=True)}
    return {"final": _of_all(final, limits), "lengths": by_name}


def _probes(results: Results, runs: Judged) -> dict[str, dict[str, dict[str, Estimate | None]]]:
    """What each probe says in one number, of the runs that stand for the seeds: probe -> start or end -> name."""
    found: dict[str, dict[str, dict[str, Estimate | None]]] = {}
    for probe, when, name, values in numbers_at(runs.model.probes, results.budget):
        found.setdefault(probe, {}).setdefault(when, {})[name] = _of_all(runs.chosen(values), limits_of(probe, name))
    return found


def _of_all(values: np.ndarray, limits: Limits) -> Estimate | None:
    """An interquartile mean; None where a seed has no value."""
    return _interval(interquartile_mean(values, limits)) if np.isfinite(values).all() else None


def _limits(results: Results, measure: str) -> Limits:
    """What a measure can be: shares lie in [0, 1], errors and losses are not below 0."""
    if measure == "whole" or (measure == "metric" and results.metric in ("accuracy", "exact_match")):
        return 0.0, 1.0
    return (0.0, np.inf) if measure in ("metric", "loss") else UNLIMITED


def _comparison(decided: Decided) -> Comparison:
    """A row of the table of tests."""
    test = decided.test
    return {
        "a": test.a,
        "b": str(test.b),
        "measure": test.measure,
        "expect": test.expect,
        "margin": test.margin,
        "difference": decided.difference,
        "low": _bounded(decided.low),
        "high": _bounded(decided.high),
        "p": decided.p,
        "method": decided.method,
        "outcome": decided.outcome,
        "seeds_to_decide": decided.seeds_to_decide,
        "seeds_to_decide_at_bound": decided.seeds_to_decide_at_bound,
    }


def _log_ranks(results: Results, runs: Mapping[str, Judged]) -> list[LogRankSummary]:
    """Every other model's curve of time to solve against the reference's; they decide nothing, and lose the pairing."""
    if results.threshold is None:
        return []
    reached = {
        name: (np.minimum(one.chosen(one.solving.steps_to_solve), results.budget), one.chosen(one.solving.solved))
        for name, one in runs.items()
    }
    pairs = [(name, reference) for name in runs if name != (reference := results.reference_of(name))]
    tests = [log_rank(*reached[name], *reached[reference]) for name, reference in pairs]
    return [
        {"a": name, "b": reference, "z": test.z, "p": p, "method": test.method}
        for (name, reference), test, p in zip(pairs, tests, holm([test.p for test in tests]), strict=True)
    ]


def _floors(results: Results) -> dict[str, FloorScore]:
    """What trivial predictors score at the longest training length."""
    floors = results.floors[results.train_lengths[1]]
    number = lambda value: None if value is None else float(value)  # noqa: E731
    return {name: {"value": number(floor["value"]), "loss": number(floor["loss"])} for name, floor in floors.items()}


def _timing(results: Results, model: ModelResult, summary: Mapping[str, Any]) -> Timing:
    """What the clock said: it differs from run to run, so nothing else holds it. A step takes CPU time where it can."""
    seconds = model.seconds if model.cpu_seconds is None else model.cpu_seconds
    a_step = seconds / (model.diverged.size * results.budget)
    mean = summary["restricted_mean_steps"]
    return {
        "seconds": float(model.seconds),
        "cpu_seconds": model.cpu_seconds,
        "load": model.load,
        "cores": model.cores,
        "compile_seconds": float(model.compile_seconds),
        "seconds_per_step": a_step,
        "restricted_mean_seconds": mean
        and {
            "value": mean["value"] * a_step,
            "low": mean["low"] * a_step,
            "high": mean["high"] * a_step,
            "method": mean["method"],
        },
    }


def _interval(interval: Interval) -> Estimate:
    low, high = _bounded(interval.low), _bounded(interval.high)
    return {"value": interval.value, "low": low, "high": high, "method": interval.method}


def _bounded(value: float) -> float | None:
    return value if np.isfinite(value) else None
