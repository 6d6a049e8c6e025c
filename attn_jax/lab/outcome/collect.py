"""From a study's directory to its results: reads what the workers wrote, computes no statistics."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from attn_jax.config.study import reference_of
from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.outcome.probed import Values, block_values, joined
from attn_jax.lab.outcome.results import Measured, ModelResult, Results
from attn_jax.lab.record.directory import TRAIN_ANEW, block_directory, read_rows
from attn_jax.lab.record.runs import grid_of, is_test_of, is_tested, lanes_of, rates_of, seeds_of
from attn_jax.lab.record.schema import MODEL, damaged, read_study, rows_complaint
from attn_jax.lab.record.scores import normalised

_Rows = list[dict[str, Any]]


def read_results(directory: Path, models: Sequence[str] | None = None) -> Results:
    """The results of these models of a study, all of them by default.

    Raises:
      ConfigError: no study there, or one of the models is not finished; it is named.
    """
    facts = read_study(directory)
    with _no_cycles():
        read = {name: _read_model(directory, facts, name) for name in models or facts["config"]["models"]}
    finished = {name: model for name, model in read.items() if model is not None}
    missing = [name for name in read if name not in finished]
    if missing:
        raise ConfigError(f"{directory}: not finished: {', '.join(missing)}; attn-jax compare goes on with the study")
    config, task = facts["config"], facts["task"]
    every, steps = config["evaluate"]["every"], config["train"]["steps"]
    return Results(
        study=config["name"],
        task=config["task"].get("name") or config["task"]["class"],
        reference=reference_of(config["reference"], config["models"]),
        metric=task["metric"],
        chance=task["chance"],
        best={int(length): best for length, best in task["best"].items()},
        loss_places=task["loss_places"],
        threshold=task["threshold"],
        length_unit=task["length_unit"],
        train_lengths=tuple(task["train_lengths"]),
        curve_lengths=tuple(task["lengths"]),
        floors={int(length): floors for length, floors in task["floors"].items()},
        evaluated_at=np.arange(every, steps + 1, every),
        budget=steps,
        schedule=config["train"]["schedule"],
        workers=facts["workers"],
        models={model.name: model for started in finished.values() for model in started},
        config=config,
        environment=_environment(directory),
        tokens_per_step=task["tokens_per_step"],
        strings=config["strings"],
        token_names=tuple(task["token_names"]),
        first_seed=config["train"]["first_seed"],
        looks=tuple(facts["looks"]),
        widened=tuple(facts["widened"]["rates"]),
    )


@contextmanager
def _no_cycles() -> Iterator[None]:
    """Within it Python seeks no objects that hold each other: among lists of numbers there are none, and many lists."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Block(NamedTuple):
    """What one finished block's rows say, each measure by name. Axes: R runs, E evaluations, M batches."""

    validation: dict[str, np.ndarray]  # [R, E, M] each
    test: dict[str, np.ndarray]  # [R, M] each
    diverged: np.ndarray  # [R, E] bool
    train_loss: np.ndarray  # [R, E]
    probes: Values
    seconds: list[float]  # [E]
    compile_seconds: list[float]  # one a command that trained it
    machine: dict[str, list[float]]  # what the rows say of it


def _read_model(directory: Path, facts: dict[str, Any], name: str) -> list[ModelResult] | None:
    """One model's arrays, of each start, None while a block of it is unfinished."""
    found = [_read_block(directory, facts, name, k) for k in range(len(facts["runs"][name]))]
    blocks = [block for block in found if block is not None]
    if len(blocks) < len(found):
        return None
    return [_result(facts, name, start, blocks) for start in facts["config"]["starts"] or [None]]


def _result(facts: dict[str, Any], name: str, start: str | None, blocks: list[_Block]) -> ModelResult:
    """The runs of a model that begin at one start."""
    own, rates, seeds = facts["models"][name], rates_of(facts), seeds_of(facts["config"]["train"])
    grid, lanes = (len(seeds), len(rates)), lanes_of(facts, name)
    found = [lanes[run] for run in grid_of(seeds, rates, () if start is None else (start,))]
    places = np.array([lane.block * facts["width"] + lane.lane for lane in found]).reshape(grid)
    share = 1 / max(len(facts["config"]["starts"]), 1)  # of the clock: runs of all starts share their blocks
    trained = np.array(facts["task"]["validation_lengths"])
    curve = np.array(facts["task"]["lengths"])
    lost = _runs([block.diverged for block in blocks], places)  # [S, A, E], from where it diverged
    diverged = lost[..., -1]
    measures = [name for name in blocks[0].test if all(name in block.test for block in blocks)]
    raw = {name: _runs([block.validation[name] for block in blocks], places) for name in measures}
    test_raw = {name: _runs([block.test[name] for block in blocks], places) for name in measures}
    score, test_metric = normalised(raw["metric"], trained, facts).mean(-1), test_raw["metric"]
    final = normalised(test_metric[..., : len(trained)], trained, facts)
    by_length = lambda array: array[..., len(trained) :].reshape(*grid, len(curve), -1).mean(-1)  # noqa: E731
    tested = np.repeat(curve, (test_metric.shape[-1] - len(trained)) // len(curve))
    return ModelResult(
        name=name if start is None else f"{name}@{start}",
        start=start,
        **{key: own[key] for key in MODEL if key != "config"},
        learning_rates=tuple(rates),
        score=np.where(lost, np.nan, score),
        diverged=diverged,
        final=np.where(diverged, np.nan, final.mean(-1)),
        final_batches=np.where(diverged[..., None], np.nan, final),
        length_score=by_length(normalised(test_metric, np.concatenate([trained, tested]), facts)),
        measured={
            name: Measured(
                validation=np.where(lost, np.nan, raw[name].mean(-1)),
                test=np.where(diverged, np.nan, test_raw[name][..., : len(trained)].mean(-1)),
                by_length=np.where(diverged[..., None], np.nan, by_length(test_raw[name])),
            )
            for name in raw
        },
        train_loss=np.where(lost, np.nan, _runs([block.train_loss for block in blocks], places)),
        probes=joined([block.probes for block in blocks], partial(_runs, places=places)),
        seconds=share * sum(seconds for block in blocks for seconds in block.seconds),
        compile_seconds=share * sum(seconds for block in blocks for seconds in block.compile_seconds),
        **_machine([block.machine for block in blocks], sum(len(block.seconds) for block in blocks)),
    )


def _read_block(directory: Path, facts: dict[str, Any], name: str, k: int) -> _Block | None:
    """One block's arrays, None while it is unfinished. Its rows are let go of: lists take ten times the room."""
    rows = block_rows(directory, facts, name, k)
    if not _is_finished(rows, facts):
        return None
    chunks = _last_of_each_step(rows)
    test = next(row["test"] for row in reversed(rows) if is_test_of(row, *_end(facts)))
    measures = [name for name in test if all(name in row["validation"] for row in chunks)]
    return _Block(
        validation={name: _tables([row["validation"][name] for row in chunks]) for name in measures},
        test={name: np.array(test[name], float) for name in measures},
        diverged=_runs_first([row["diverged"] for row in chunks], bool),
        train_loss=_runs_first([row["train_loss"] for row in chunks], float),
        probes=_probed(directory, facts, name, k, rows),
        seconds=[row["seconds"] for row in chunks],
        compile_seconds=[row["compile_seconds"] for row in rows if "start" in row],
        machine={
            "cpu_seconds": [row["cpu_seconds"] for row in chunks if "cpu_seconds" in row],
            "load": [row["load"] for row in chunks if "load" in row],
            "cores": [row["cores"] for row in rows if "cores" in row],
        },
    )


def _machine(blocks: list[dict[str, list[float]]], chunks: int) -> dict[str, Any]:
    """CPU seconds, if all chunks have them, the mean load and the cores."""
    said = {key: [value for block in blocks for value in block[key]] for key in ("cpu_seconds", "load", "cores")}
    return {
        "cpu_seconds": sum(said["cpu_seconds"]) if len(said["cpu_seconds"]) == chunks else None,
        "load": sum(said["load"]) / len(said["load"]) if said["load"] else None,
        "cores": max(said["cores"], default=None),
    }


def _probed(directory: Path, facts: dict[str, Any], name: str, k: int, rows: _Rows) -> Values:
    """What its probes measured."""
    try:
        return block_values(rows, facts["config"]["probes"])
    except ValueError as error:
        path = block_directory(directory, name, k) / "metrics.jsonl"
        raise ConfigError(
            f"{path}: is damaged: a probe's values are no array; {TRAIN_ANEW.format(path.parent)}"
        ) from error


def block_rows(directory: Path, facts: dict[str, Any], name: str, block: int) -> _Rows:
    """The rows of one block.

    Raises:
      ConfigError: it is finished, but a step is missing, or a row is not one of this study.
    """
    path = block_directory(directory, name, block) / "metrics.jsonl"
    rows = read_rows(path)
    every, steps = facts["config"]["evaluate"]["every"], facts["config"]["train"]["steps"]
    wrong = rows_complaint(rows, facts)
    seen, wanted = {row["step"] for row in rows if "step" in row}, set(range(every, steps + 1, every))
    if wrong is None and seen - wanted:
        wrong = f"step {min(seen - wanted)} is none of the study's"
    if wrong is None and _is_finished(rows, facts) and wanted - seen:
        wrong = f"step {min(wanted - seen)} is missing"
    if wrong:
        raise ConfigError(f"{path}: is damaged: {wrong}; {TRAIN_ANEW.format(path.parent)}")
    return rows


def _is_finished(rows: _Rows, facts: dict[str, Any]) -> bool:
    return is_tested(rows, *_end(facts))


def _end(facts: dict[str, Any]) -> tuple[int, list[int]]:
    """The steps after which a block is tested, and the lengths of the curve."""
    return facts["config"]["train"]["steps"], facts["task"]["lengths"]


def _environment(directory: Path) -> dict[str, Any]:
    """What the study ran on."""
    environment = read_json(directory / "environment.json")
    if not isinstance(environment, dict):
        raise damaged(directory / "environment.json", "it is no table")
    return environment


def _last_of_each_step(rows: _Rows) -> _Rows:
    """After a resumption a step may stand twice; the last row counts."""
    steps = {row["step"]: row for row in rows if "step" in row}
    return [steps[step] for step in sorted(steps)]


def _tables(rows: list[list[list[float | None]]]) -> np.ndarray:
    """[E][R][M], of equal lengths, as [R, E, M]: out of one list, which is faster than out of many."""
    numbers = np.array([*chain.from_iterable(chain.from_iterable(rows))], float)
    return np.swapaxes(numbers.reshape(len(rows), len(rows[0]), -1), 0, 1)


def _runs_first(rows: list[Any], of: type) -> np.ndarray:
    """[E][R]... as [R, E, ...]."""
    return np.swapaxes(np.array(rows, of), 0, 1)


def _runs(blocks: list[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Blocks of runs [R, ...] as one array [S, A, ...], of the runs at these places among all; padding has none."""
    return np.concatenate(blocks)[places]
