"""Results as tables: lists of plain dicts, one key a column, which pandas and polars take as they are.

All rows of a table have the same keys. What a model's runs do not have is None, and so is what is not finite.
"""

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from attn_jax.lab.outcome.judged import Judged, judge, run_summaries, zero_where_diverged
from attn_jax.lab.outcome.results import Results

Row: TypeAlias = dict[str, Any]


def run_rows(results: Results) -> list[Row]:
    """One row a run: whether and when it solved the task, and what was measured at the end.

    Columns: study, task, model, start, seed, learning_rate; chosen: whether its seed is reported at this rate; solved,
    steps_to_solve, unconfirmed, diverged and final, as in summary.json; then loss, metric, whole and what else was
    measured, on test data at the training lengths, None where the run diverged.
    """
    return [
        _head(results, runs, place)
        | summary
        | {name: _plain(measured and measured.test[place]) for name, measured in _measured(results, runs)}
        for runs in _judged(results)
        for place, summary in zip(_places(runs), run_summaries(results, runs), strict=True)
    ]


def curve_rows(results: Results) -> list[Row]:
    """One row a run and evaluation, in the order of the steps.

    Columns: study, task, model, start, seed, learning_rate, chosen, step; score, normalised; train_loss, the mean since
    the evaluation before; then loss, metric, whole and what else was measured, on validation data. From where a run
    diverged they are None.
    """
    return [
        _head(results, runs, place)
        | {"step": int(step), "score": _plain(runs.model.score[place][index])}
        | {"train_loss": None if runs.model.train_loss is None else _plain(runs.model.train_loss[place][index])}
        | {name: _plain(measured and measured.validation[place][index]) for name, measured in _measured(results, runs)}
        for runs in _judged(results)
        for place in _places(runs)
        for index, step in enumerate(results.evaluated_at)
    ]


def length_rows(results: Results) -> list[Row]:
    """One row a run and length of the length curve.

    Columns: study, task, model, start, seed, learning_rate, chosen, length; trained: whether it lies among the training
    lengths; score, normalised, 0 where the run diverged; then loss, metric, whole and what else was measured, on test
    data, None where the run diverged.
    """
    shortest, longest = results.train_lengths
    return [
        _head(results, runs, place)
        | {"length": int(length), "trained": bool(shortest <= length <= longest), "score": _plain(scores[place][index])}
        | {name: _plain(measured and measured.by_length[place][index]) for name, measured in _measured(results, runs)}
        for runs in _judged(results)
        for scores in [zero_where_diverged(runs.model, "length_score", runs.model.length_score)]
        for place in _places(runs)
        for index, length in enumerate(results.curve_lengths)
    ]


def probe_rows(results: Results) -> list[Row]:
    """One row a run and number that a probe measured.

    Columns: study, task, model, start, seed, learning_rate, chosen; probe, step, name; k: which of the numbers of that
    name, None where it is one alone; value, None where not finite. Of a name with more than one axis the places on all
    but the last one stand behind it: "layer_0/weights.1.7" is the row of place 7 in head 1.
    """
    return [
        _head(results, runs, place) | {"probe": probe, "step": step} | number
        for runs in _judged(results)
        for probe, steps in runs.model.probes.items()
        for step, values in steps.items()
        for place in _places(runs)
        for number in _numbers({name: array[place] for name, array in values.items()})
    ]


def _numbers(values: dict[str, np.ndarray]) -> Iterator[Row]:
    """What a probe says of one run, a number at a time."""
    labels = values.get("k")
    for name, array in values.items():
        if name == "k":
            continue
        labelled = labels is not None and array.shape[-1:] == labels.shape
        for place in np.ndindex(array.shape):
            within = ".".join([name, *map(str, place[:-1])])
            k = None if not place else int(labels[place[-1]]) if labelled else place[-1]  # pyright: ignore[reportOptionalSubscript]
            yield {"name": within, "k": k, "value": _plain(array[place])}


def _judged(results: Results) -> list[Judged]:
    return [judge(results, model) for model in results.models.values()]


def _places(runs: Judged) -> Iterator[tuple[int, int]]:
    """(seed, place of the rate) of each run."""
    yield from np.ndindex(runs.model.diverged.shape)  # pyright: ignore[reportReturnType]


def _head(results: Results, runs: Judged, place: tuple[int, int]) -> Row:
    """Which run it is."""
    seed, rate = place
    return {
        "study": results.study,
        "task": results.task,
        "model": runs.model.model,
        "start": runs.model.start,
        "seed": results.first_seed + int(seed),
        "learning_rate": float(runs.model.learning_rates[rate]),
        "chosen": bool(runs.choice.places[seed] == rate),
    }


def _measured(results: Results, runs: Judged) -> list[tuple[str, Any]]:
    """(name, measured) of all that some model of the study has; None where this one has it not."""
    names = dict.fromkeys(name for model in results.models.values() for name in model.measured)
    return [(name, runs.model.measured.get(name)) for name in names]


def _plain(value: Any) -> float | None:
    """A Python number, None where it is none."""
    return float(value) if value is not None and math.isfinite(value) else None
