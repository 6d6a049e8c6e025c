"""What must stand in the files that are read back: their fields and types, held against what is there."""

from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.files import read_json

STUDY_SCHEMA = 3  # of study.json; another number is another version's
_NUMBER = (int, float)
_TABLE = [[(*_NUMBER, type(None))]]  # [R][M], null where not finite
_FLOOR = {"metric": _NUMBER, "loss": (*_NUMBER, type(None))}
_STUDY = {
    "schema": int,
    "fingerprint": str,
    "sources": {...: {...: str}},
    "width": int,
    "blocks": int,
    "workers": int,
    "platform": str,
    "num_devices": int,
    "config": {
        "name": str,
        "task": {},
        "models": {},
        "reference": (str, type(None)),
        "pairs": bool,
        "evaluate": {"every": int},
        "train": {"steps": int, "seeds": int, "schedule": str, "learning_rates": [_NUMBER]},
    },
    "task": {
        "metric": str,
        "chance": str,
        "best": {...: _NUMBER},
        "loss_places": str,
        "threshold": (*_NUMBER, type(None)),
        "length_unit": str,
        "source": str,
        "train_lengths": [int],
        "lengths": [int],
        "validation_lengths": [int],
        "floors": {...: {...: _FLOOR}},
    },
    "models": {
        ...: {
            "config": {},
            "description": str,
            "parameters": int,
            "parameters_matched": int,
            "match_note": (str, type(None)),
            "state_bytes": int,
            "train_flops_per_step": (*_NUMBER, type(None)),
            "depth": str,
        }
    },
}
_SCORES = {"loss": _TABLE, "metric": _TABLE, "sequence": _TABLE}
_ROWS = {
    "start": {"start": int, "compile_seconds": _NUMBER},
    "step": {"step": int, "seconds": _NUMBER, "diverged": [bool], "validation": _SCORES},
    "test": {"test": _SCORES},
}


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
    if complaint := _complaint(facts, _STUDY, ""):
        raise damaged(path, complaint)
    return facts


def damaged(path: Path, complaint: str) -> ConfigError:
    """What to say of a file of the study's own that was changed or cut."""
    return ConfigError(f"{path}: is damaged: {complaint}; restore it, or give another --workdir")


def is_row(row: Any) -> bool:
    """Whether a value says of which kind of row it is; what else must stand in it `row_complaint` knows."""
    return isinstance(row, dict) and (_is(row.get("start"), int) or _is(row.get("step"), int) or "test" in row)


def row_complaint(row: dict[str, Any], shape: tuple[int, int]) -> str | None:
    """What is wrong with a row of metrics.jsonl, None where nothing is; `shape` is [R, M] of its validation."""
    kind = next(kind for kind in _ROWS if kind in row)
    complaint = _complaint(row, _ROWS[kind], "")
    if complaint is None and kind == "step":
        tables = [row["validation"][field] for field in _SCORES]
        lengths = {(len(row["diverged"]), *map(len, table)) for table in tables}
        alike = lengths == {(shape[0],) + (shape[1],) * shape[0]}
        return None if alike else f"step {row['step']} has not {shape[0]} runs of {shape[1]} scores"
    return complaint


def _complaint(value: Any, wanted: Any, path: str) -> str | None:
    """The first place where a value is not what is wanted: a type, types, [of each item], {field: of it}."""
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return f"{path or 'it'} is no table"
        fields = dict.fromkeys(value, wanted[...]) if ... in wanted else wanted
        missing = next((f"{path}.{key}".lstrip(".") for key in fields if key not in value), None)
        if missing:
            return f"{missing} is missing"
        return _first(_complaint(value[key], of_it, f"{path}.{key}".lstrip(".")) for key, of_it in fields.items())
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return f"{path} is no list"
        return _first(_complaint(item, wanted[0], f"{path}.{i}") for i, item in enumerate(value))
    return None if _is(value, wanted) else f"{path} is {str(value)[:40]!r}"


def _is(value: Any, wanted: Any) -> bool:
    """Python calls True an int; JSON does not."""
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _first(complaints: Any) -> str | None:
    return next((complaint for complaint in complaints if complaint), None)
