"""A job as a file: any scheduler can run it, and every block can be debugged with it. `attn-jax work` takes them."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.places.base import Terms

JOB_SCHEMA = 1
_TYPES = {"block": int, "width": int, "num_devices": int, "group": int, "runs": list}  # the rest is text


def write_job(path: Path, job: Job, terms: Terms) -> None:
    """Writes a job and on what terms it is to be done."""
    write_json(path, {"schema": JOB_SCHEMA, "job": asdict(job), "terms": terms._asdict()})


def read_job(path: Path) -> tuple[Job, Terms]:
    """The job in a file, and its terms.

    Raises:
      ConfigError: there is none, or it holds none of this version.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such job file; attn-jax compare --place=slurm:array writes them")
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == JOB_SCHEMA and _is_job(data)):
        raise ConfigError(f"{path}: is no job of this version of attn_jax")
    runs = tuple(tuple(run) for run in data["job"]["runs"])
    return Job(**data["job"] | {"runs": runs}), Terms(**data["terms"])


def job_files(path: Path) -> list[Path]:
    """The file, or those in the folder, in order of their numbers.

    Raises:
      ConfigError: a folder without any.
    """
    if not path.is_dir():
        return [path]
    found = sorted((file for file in path.glob("*.json") if file.stem.isdecimal()), key=lambda file: int(file.stem))
    if not found:
        raise ConfigError(f"{path}: holds no job files; attn-jax compare --place=slurm:array writes them")
    return found


def same_job(first: Job, second: Job) -> bool:
    """Whether two jobs are of one block, written twice or not."""
    return json.dumps(asdict(first)) == json.dumps(asdict(second))


def _is_job(data: dict[str, Any]) -> bool:
    job, terms = data.get("job"), data.get("terms")
    if not (isinstance(job, dict) and isinstance(terms, dict) and terms.keys() == {*Terms._fields}):
        return False
    if not all(isinstance(value, str) for value in terms.values()) or job.keys() != {f.name for f in fields(Job)}:
        return False
    return all(type(value) is _TYPES.get(name, str) for name, value in job.items()) and all(
        isinstance(run, list) and len(run) in (2, 3) for run in job["runs"]
    )
