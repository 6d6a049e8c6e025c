"""The directory of a sweep: one study's directory a point, and what they are together.

sweep.json        what the sweep is: the study, the axes, its points; the parent writes it, first and whole
points/<point>/   a study's directory, record/directory.py
summary.json, report.html      of all points; the parent, at the end
lock, stop                     as a study's, for all points
"""

import re
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import damaged, read_study

SWEEP_SCHEMA = 1  # of sweep.json
_FILE = "sweep.json"
_POINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=,-]*")


def is_sweep(directory: Path) -> bool:
    """Whether a sweep lies there, not a study."""
    return (directory / _FILE).exists()


def point_directory(directory: Path, point: str) -> Path:
    """Where the study of a point lies."""
    return directory / "points" / point


def write_sweep(directory: Path, config: dict[str, Any], points: dict[str, dict[str, int | float | str]]) -> None:
    """Writes sweep.json.

    Args:
      directory: of the sweep.
      config: `{"study": ..., "axes": ...}`, as JSON types.
      points: the value of each axis at each point, as cells of a table.
    """
    write_json(directory / _FILE, {"schema": SWEEP_SCHEMA, **config, "points": points})


def read_sweep(directory: Path) -> dict[str, Any]:
    """sweep.json, once its fields are what this version writes.

    Raises:
      ConfigError: there is none, it is of another version, or a field is missing or wrong.
    """
    path = directory / _FILE
    if not path.exists():
        raise ConfigError(f"{directory}: holds no sweep (no {_FILE})")
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == SWEEP_SCHEMA):
        raise ConfigError(f"{path}: is not of this version of attn_jax; give another --workdir")
    if complaint := _complaint(data):
        raise damaged(path, complaint)
    return data


def studies_in(directory: Path) -> list[Path]:
    """The folders of a sweep's studies, as far as they have begun; of a study its own.

    Raises:
      ConfigError: neither is there.
    """
    if not is_sweep(directory):
        read_study(directory)
        return [directory]
    points = (point_directory(directory, point) for point in read_sweep(directory)["points"])
    return [point for point in points if (point / "study.json").exists()]


def _complaint(data: dict[str, Any]) -> str | None:
    """What is wrong with sweep.json; a point's name is a folder's, and leads nowhere else."""
    study, axes, points = (data.get(key) for key in ("study", "axes", "points"))
    if not (isinstance(study, dict) and isinstance(study.get("name"), str)):
        return "study.name is missing"
    if not (isinstance(axes, dict) and axes and all(isinstance(values, list) and values for values in axes.values())):
        return "axes is no table of values"
    if not (isinstance(points, dict) and points):
        return "points is no table"
    for name, values in points.items():
        if not _POINT.fullmatch(name):
            return f"points has the name {name[:40]!r}"
        plain = isinstance(values, dict) and all(isinstance(value, int | float | str) for value in values.values())
        if not (plain and list(values) == list(axes)):
            return f"points.{name} has not a value of each axis"
    return None
