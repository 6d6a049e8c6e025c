"""What a claim's quantities are made of: {name: a value a seed}, from results and from rows of measurements."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from attn_jax.lab.outcome.judged import judge, zero_where_diverged
from attn_jax.lab.outcome.measures import MEASURES
from attn_jax.lab.outcome.results import Measured, ModelResult, Results


def measured(results: Results, measure: str) -> dict[str, np.ndarray]:
    """{model: [S]} of "solved", "steps" or "final", each seed at its cross-fitted rate; of starts, `model@start`."""
    return {name: MEASURES[measure].of(results, judge(results, model)) for name, model in results.models.items()}


def at_chosen_rate(results: Results, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{model: [S, ...]} of {model: [S, A, ...]}: the runs that stand for the seeds."""
    return {name: judge(results, results.models[name]).chosen(array) for name, array in arrays.items()}


def diverged(results: Results) -> dict[str, np.ndarray]:
    """{model: [S] bool}, at the rate by which each seed is reported."""
    return at_chosen_rate(results, {name: model.diverged for name, model in results.models.items()})


def solved_at_each_rate(results: Results) -> dict[str, np.ndarray]:
    """{model: [S, A] bool}: the window of rates that work, before any is chosen."""
    return {name: judge(results, model).solving.solved for name, model in results.models.items()}


def by_length(results: Results) -> dict[str, np.ndarray]:
    """{model: [S, M]}, the scores along the length curve; 0, chance, of a run that diverged."""
    return at_chosen_rate(
        results,
        {name: zero_where_diverged(of, "length_score", of.length_score) for name, of in results.models.items()},
    )


def at_length(results: Results, length: int) -> dict[str, np.ndarray]:
    """{model: [S]}, the score at one length of the curve."""
    place = results.curve_lengths.index(length)
    return {name: scores[:, place] for name, scores in by_length(results).items()}


def beyond(results: Results) -> dict[str, np.ndarray]:
    """{model: [S]}, the mean score over the lengths of the curve that are longer than any trained on.

    Raises:
      ValueError: the curve has none.
    """
    longer = [place for place, length in enumerate(results.curve_lengths) if length > results.train_lengths[1]]
    if not longer:
        raise ValueError(f"evaluate.lengths: got {results.curve_lengths}, wanted some above {results.train_lengths[1]}")
    return {name: scores[:, longer].mean(1) for name, scores in by_length(results).items()}


def probed(results: Results, probe: str, name: str, step: int) -> dict[str, np.ndarray]:
    """{model: [S, ...]} of what a probe measured at a step, 0 before training; of the models that have it."""
    found = {model: result.probes.get(probe, {}).get(step, {}) for model, result in results.models.items()}
    return at_chosen_rate(results, {model: values[name] for model, values in found.items() if name in values})


def from_rows(rows: Iterable[Mapping[str, Any]], value: str, *by: str) -> dict[str, np.ndarray]:
    """{name: [S]} of a column of a measurement's rows: the name is that of the columns `by`, seeds in their order.

    >>> rows = [{"cell": "gru", "T": 8, "seed": seed, "slope": -0.1 * seed} for seed in (1, 0)]
    >>> from_rows(rows, "slope", "cell", "T")
    {'gru 8': array([-0. , -0.1])}
    """
    found: dict[str, list[tuple[int, Any]]] = {}
    for row in rows:
        found.setdefault(" ".join(str(row[column]) for column in by), []).append((row.get("seed", 0), row[value]))
    for name, values in found.items():
        seeds = [seed for seed, _ in values]
        if len({*seeds}) < len(seeds):
            raise ValueError(f"rows: two of {name!r} have one seed, wanted by which other column they are told apart")
    ordered = {name: sorted(values, key=lambda pair: pair[0]) for name, values in found.items()}
    return {name: np.array([value for _, value in values]) for name, values in ordered.items()}


def read_at(results: Results, budget: int) -> Results:
    """The same runs as if the budget of steps had been smaller: who had solved the task by then, and when.

    "final" is then the last validation score, for test data were seen at the end alone. Under a schedule that knows the
    budget it is not what a shorter study would have given.

    Raises:
      ValueError: no evaluation at this step, or a schedule that is not constant.
    """
    if budget not in results.evaluated_at:
        steps = ", ".join(map(str, results.evaluated_at.tolist()))
        raise ValueError(f"budget: got {budget}, wanted a step of an evaluation: {steps}")
    if results.schedule != "constant":
        raise ValueError(f"budget: got {budget} under a {results.schedule} schedule, wanted a constant one")
    count = int((results.evaluated_at <= budget).sum())
    models = {name: _shortened(model, count, budget) for name, model in results.models.items()}
    return replace(results, budget=budget, evaluated_at=results.evaluated_at[:count], models=models)


def _shortened(model: ModelResult, count: int, budget: int) -> ModelResult:
    score = model.score[..., :count]
    return replace(
        model,
        score=score,
        diverged=np.isnan(score[..., -1]),
        final=score[..., -1],
        final_batches=None,
        measured={
            name: Measured(found.validation[..., :count], found.validation[..., count - 1], found.by_length)
            for name, found in model.measured.items()
        },
        train_loss=None if model.train_loss is None else model.train_loss[..., :count],
        probes={
            probe: {step: values for step, values in steps.items() if step <= budget}
            for probe, steps in model.probes.items()
        },
    )
