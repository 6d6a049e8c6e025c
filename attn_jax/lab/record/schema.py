"""What must stand in the files that are read back: their fields and types, held against what is there."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.record.runs import rates_of, whole_grid

STUDY_SCHEMA = 6  # of study.json; another number is another version's
_NUMBER = (int, float)
_RUN = [(*_NUMBER, str)]  # seed, learning rate, start
_TABLE = [[(*_NUMBER, type(None))]]  # [R][M], null where not finite
_FLOOR = {"value": _NUMBER, "loss": (*_NUMBER, type(None))}
MODEL = {
    "config": {},
    "description": str,
    "parameters": int,
    "parameters_matched": int,
    "match_note": (str, type(None)),
    "state_bytes": int,
    "train_flops_per_step": (*_NUMBER, type(None)),
    "depth": str,
}
_STUDY = {
    "schema": int,
    "fingerprint": str,
    "sources": {...: {...: str}},
    "task_sources": {...: str},
    "runs": {...: [[_RUN]]},
    "looks": [int],
    "widened": {"rates": [_NUMBER], "settled": bool},
    "width": int,
    "workers": int,
    "platform": str,
    "num_devices": int,
    "group": int,
    "config": {
        "name": str,
        "task": {},
        "models": {},
        "reference": (str, type(None)),
        "strings": bool,
        "starts": {},
        "probes": [{}],
        "evaluate": {"every": int},
        "train": {
            "steps": int,
            "seeds": int,
            "first_seed": int,
            "schedule": str,
            "learning_rates": [_NUMBER],
            "widen": int,
        },
    },
    "task": {
        "metric": str,
        "chance": str,
        "best": {...: _NUMBER},
        "loss_places": str,
        "threshold": (*_NUMBER, type(None)),
        "length_unit": str,
        "source": str,
        "token_names": [str],
        "train_lengths": [int],
        "lengths": [int],
        "validation_lengths": [int],
        "tokens_per_step": _NUMBER,
        "floors": {...: {...: _FLOOR}},
    },
    "models": {...: MODEL},
}
_SCORES = {"loss": _TABLE, "metric": _TABLE, "whole": _TABLE, ...: _TABLE}  # and what else was measured
_ROWS = {
    "start": {"start": int, "compile_seconds": _NUMBER},
    "step": {"step": int, "seconds": _NUMBER, "train_loss": _TABLE[0], "diverged": [bool], "validation": _SCORES},
    "test": {"test": _SCORES, "after": int, "lengths": [int]},
    "probe": {"probe": str, "at": int, "config": {}, "values": {...: [(*_NUMBER, list, type(None))]}},
}
_OF_THE_MACHINE = {
    "cpu_seconds": _NUMBER,
    "load": _NUMBER,
    "cores": int,
    "host": str,
    "jaxlib": str,
    "device": str,
    "threads": int,
}  # where it is known


def read_study(directory: Path) -> dict[str, Any]:
    """study.json, once its fields and types are what this version writes.

    Raises:
      ConfigError: there is none, it is of another version, or a field is missing or of another type.
    """
    path = directory / "study.json"
    if not path.exists():
        raise ConfigError(f"{directory}: holds no study (no study.json); attn-jax compare makes one")
    facts = read_json(path)
    if not (isinstance(facts, dict) and facts.get("schema") == STUDY_SCHEMA):
        raise ConfigError(f"{path}: is not of this version of attn_jax; give another --workdir")
    if complaint := _complaint(facts, _STUDY, "") or _first(_contradictions(facts)):
        raise damaged(path, complaint)
    return facts


def damaged(path: Path, complaint: str) -> ConfigError:
    """What to say of a file of the study's own that was changed or cut."""
    return ConfigError(f"{path}: is damaged: {complaint}; restore it, or give another --workdir")


def is_row(row: Any) -> bool:
    """Whether a value says of which kind of row it is; what else must stand in it `row_complaint` knows."""
    if not isinstance(row, dict):
        return False
    return "test" in row or int in map(type, map(row.get, ("start", "step", "at")))


def rows_complaint(rows: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str | None:
    """What is wrong with the first row that is, None where none is; those of a file's evaluations are seen together."""
    sound = _are_steps([row for row in rows if "step" in row], facts)
    return _first(row_complaint(row, facts) for row in rows if not (sound and "step" in row))


def _are_steps(rows: list[dict[str, Any]], facts: dict[str, Any]) -> bool:
    """Whether `row_complaint` has nothing to say of an evaluation's rows, in less time than one by one."""
    keys = rows[0].keys() if rows else set()
    machine = {key: of for key, of in _OF_THE_MACHINE.items() if key in keys}
    if keys & _ROWS.keys() != {"step"} or not _fit_together(rows, _ROWS["step"] | machine):
        return False
    runs, validated = facts["width"], len(facts["task"]["validation_lengths"])
    tables = [table for row in rows for table in row["validation"].values()]
    listed = [*tables, *(row[key] for row in rows for key in ("diverged", "train_loss"))]
    return {*map(len, listed)} <= {runs} and {*map(len, chain.from_iterable(tables))} <= {validated}


def row_complaint(row: dict[str, Any], facts: dict[str, Any] | None = None) -> str | None:
    """What is wrong with a row of metrics.jsonl, None where nothing is; of its sizes only study.json's facts tell."""
    wanted = [wanted for kind, wanted in _ROWS.items() if kind in row]
    wanted += [{key: of} for key, of in _OF_THE_MACHINE.items() if key in row]
    if not all(_fits(row, fields) for fields in wanted):  # nearly always: words are sought where they are needed
        return _first(_complaint(row, fields, "") for fields in wanted)
    return None if facts is None else _size_complaint(row, facts)


def _size_complaint(row: dict[str, Any], facts: dict[str, Any]) -> str | None:
    """What is wrong with the sizes of a row whose types are right."""
    runs, validated = facts["width"], len(facts["task"]["validation_lengths"])
    if "step" in row and not (_has(row["validation"], runs, validated) and len(row["diverged"]) == runs):
        return f"step {row['step']} has not {runs} runs of {validated} scores"
    if "step" in row and len(row["train_loss"]) != runs:
        return f"step {row['step']} has not {runs} runs"
    if "probe" in row and not all(len(values) == runs for values in row["values"].values()):
        return f"probe {row['probe']} has not {runs} runs"
    if "test" in row and not _has(row["test"], runs, validated * (1 + len(row["lengths"]))):
        return f"test has not {runs} runs of {validated} scores and as many at each length"
    return None


def _has(scores: dict[str, Any], runs: int, width: int) -> bool:
    """Whether each table of scores is [runs][width]."""
    return all(len(table) == runs and {*map(len, table)} == {width} for table in scores.values())


def _contradictions(facts: dict[str, Any]) -> Iterator[str]:
    """Where study.json, each field of which is of its type, says what cannot be together."""
    config, task, train = facts["config"], facts["task"], facts["config"]["train"]
    if not any(isinstance(config["task"].get(key), str) for key in ("name", "class")):
        yield "config.task.name is missing"
    if not all(isinstance(probe.get("name", probe.get("class")), str) for probe in config["probes"]):
        yield "config.probes has one without a name"
    reference = config["reference"]
    for name in [*config["models"]] + [reference] * (reference is not None) or [None]:
        if name not in facts["models"] or name not in config["models"]:
            yield f"models.{name} is missing"
    if not 0 < config["evaluate"]["every"] <= train["steps"]:
        yield f"config.evaluate.every is {config['evaluate']['every']} of {train['steps']} steps"
    grid = whole_grid(facts)
    for name in facts["models"]:
        blocks = facts["runs"].get(name, [])
        if {*map(len, blocks)} - {*range(1, facts["width"] + 1)}:
            yield f"runs.{name} has a block not of 1 to {facts['width']} runs"
        if not grid or sorted((tuple(run) for block in blocks for run in block), key=str) != sorted(grid, key=str):
            yield f"runs.{name} are not {train['seeds']} seeds at {len(rates_of(facts))} rates, once each"
    for key in ("train_lengths", "lengths", "validation_lengths"):
        if not task[key]:
            yield f"task.{key} is empty"
    for length in map(str, (*task["lengths"], *task["validation_lengths"])):
        if length not in task["best"] or task["chance"] not in task["floors"].get(length, {}):
            yield f"task.floors or task.best of length {length} is missing"
    for length in (*task["best"], *task["floors"]):
        if not length.isdecimal():
            yield f"task.floors or task.best is of length {length[:40]!r}"


def _fits(value: Any, wanted: Any) -> bool:
    """Whether `_complaint` has nothing to say, in less time; it may take what is right for wrong."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return False
        for key, of in wanted.items():
            if key is not ... and (key not in value or not _fits(value[key], of)):
                return False
        others = [item for key, item in value.items() if key not in wanted] if ... in wanted else []
        return all(_fits(item, wanted[...]) for item in others)
    if isinstance(wanted, list):
        return isinstance(value, list) and _all_are(value, wanted[0])
    return _is(value, wanted)


def _fit_together(values: list[Any], wanted: Any) -> bool:
    """Whether all fit, tables field by field; False, too, where their fields differ."""
    if not isinstance(wanted, dict):
        return _all_are(values, wanted)
    if {*map(type, values)} != {dict}:
        return False
    keys = values[0].keys()
    if any(value.keys() != keys for value in values) or not wanted.keys() - {...} <= keys:
        return False
    fields = {key: wanted.get(key, wanted.get(...)) for key in keys if key in wanted or ... in wanted}
    return all(_fit_together([value[key] for value in values], of) for key, of in fields.items())


def _complaint(value: Any, wanted: Any, path: str) -> str | None:
    """Where a value is not what is wanted, first: a type, types, [of each item], {field: of it, ...: of others}."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return f"{path or 'it'} is no table"
        fields = (dict.fromkeys(value, wanted[...]) | wanted) if ... in wanted else wanted
        fields = {key: of_it for key, of_it in fields.items() if key is not ...}
        missing = next((f"{path}.{key}".lstrip(".") for key in fields if key not in value), None)
        if missing:
            return f"{missing} is missing"
        return _first(_complaint(value[key], of_it, f"{path}.{key}".lstrip(".")) for key, of_it in fields.items())
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return f"{path} is no list"
        if _all_are(value, wanted[0]):  # the rows of a big study hold millions of numbers
            return None
        return _first(_complaint(item, wanted[0], f"{path}.{i}") for i, item in enumerate(value))
    return None if _is(value, wanted) else f"{path} is {str(value)[:40]!r}"


def _all_are(values: Iterable[Any], wanted: Any) -> bool:
    """Whether all items of a list, and of lists in it, are of a type of JSON's; False where a look at each tells."""
    if isinstance(wanted, list):
        items = chain.from_iterable(values)
        return {*map(type, values)} <= {list} and _all_are(
            [*items] if isinstance(wanted[0], list) else items, wanted[0]
        )
    types = wanted if isinstance(wanted, tuple) else (wanted,)
    return not isinstance(wanted, dict) and {*map(type, values)}.issubset(types)


def _is(value: Any, wanted: Any) -> bool:
    """Python calls True an int; JSON does not."""
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _first(complaints: Any) -> str | None:
    return next((complaint for complaint in complaints if complaint), None)
