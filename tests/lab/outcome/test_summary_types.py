"""The keys of a study's files: what is written, what the types and the schema say, and what docs/lab.md tells."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
import pytest
from test_summary import all_solved, none_solved, study
from tiny_study import get_config

from attn_jax.config import Sweep
from attn_jax.config.sweep import sweep_to_dict
from attn_jax.files import read_json
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.outcome.summary_types import ModelSummary, Summary
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.record import schema
from attn_jax.lab.record.sweep_record import write_sweep
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.environment import record_environment
from attn_jax.lab.run.job_file import write_job
from attn_jax.lab.run.places.base import Terms
from attn_jax.platforms import environment

PAGE = Path(__file__).parents[3] / "docs" / "lab.md"


def some(kind):
    """The type without None."""
    return next(of for of in get_args(kind) if of is not NoneType) if NoneType in get_args(kind) else kind


def keys_of_type(kind, path=""):
    """The paths of all leaves of a type."""
    kind = some(kind)
    if is_typeddict(kind):
        return {leaf for key, of in get_type_hints(kind).items() for leaf in keys_of_type(of, f"{path}.{key}")}
    if get_origin(kind) in (dict, list):
        return keys_of_type(get_args(kind)[-1], f"{path}.*" if get_origin(kind) is dict else f"{path}[]")
    return {path[1:]}


def keys_of_value(value, kind, path=""):
    """The paths of all leaves of a value; a name is `*` where the type has a dict."""
    kind, leaves = some(kind), set()
    hints = get_type_hints(kind) if is_typeddict(kind) else {}
    if isinstance(value, dict):
        for key, item in value.items():
            of, at = (hints.get(key), f".{key}") if hints else (get_args(kind)[1], ".*")
            leaves |= keys_of_value(item, of, path + at)
        return leaves
    if isinstance(value, list):
        return leaves.union(*(keys_of_value(item, get_args(kind)[0], f"{path}[]") for item in value))
    return {path[1:]}


def keys_of_schema(wanted, path=""):
    """The paths of all leaves of a schema."""
    if isinstance(wanted, list):
        return keys_of_schema(wanted[0], f"{path}[]")
    if not isinstance(wanted, dict) or not wanted:
        return {path[1:]}
    return set().union(*(keys_of_schema(of, f"{path}.{'*' if key is ... else key}") for key, of in wanted.items()))


def keys_told(section):
    """What stands in the first column of a section's table."""
    text = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    rows = [row.split("|")[1] for row in text[1].splitlines() if row.startswith("| `")]
    keys = [key for row in rows for key in re.findall(r"`([^`]+)`", row)]
    assert len(keys) == len(set(keys))
    return set(keys)


ROWS = set.union(*map(keys_of_schema, schema._ROWS.values())) | {"train_loss[]", *schema._OF_THE_MACHINE}


def test_a_written_summary_has_the_keys_of_its_type():
    found = replace(study(all_solved(), none_solved()), widened=(1e-4,))
    written = json.loads(json.dumps(summarize(found), allow_nan=False))
    for model in written["models"].values():
        model["flags"] = model["flags"] or ["none"]
    assert keys_of_value(written, Summary) == keys_of_type(Summary)


def test_without_a_threshold_too():
    written = summarize(study(all_solved(), threshold=None))
    assert written.keys() == Summary.__required_keys__
    assert written["models"]["transformer"].keys() == ModelSummary.__required_keys__


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("study.json", keys_of_schema(schema._STUDY)),
        ("metrics.jsonl", ROWS),
        ("summary.json", keys_of_type(Summary)),
    ],
)
def test_the_page_tells_of_every_key(section, keys):
    assert keys_told(section) == keys


def keys_written(value, named, path=""):
    """The paths of all leaves of a file; what is `named` has names for keys, or is told elsewhere."""
    if path in named:
        return {named[path]}
    if isinstance(value, dict):
        return set().union(*(keys_written(of, named, f"{path}.{key}".lstrip(".")) for key, of in value.items()))
    return {f"{path}[]"} if isinstance(value, list) else {path}


def files_written(folder):
    """(the section that tells of it, what stands in it, where its keys are names) of each file without a type."""
    here = environment() | {"numbers": recorded()}
    for argv in ([], ["again"]):
        record_environment(folder, here | {"argv": argv, "machine": f"{argv}"})
    write_job(folder / "0.json", Job("{}", "{}", "/s", "gru", 0, ((0, 1e-3),), 1), Terms())
    sweep = Sweep(get_config(), {"train.steps": (200, 400)})
    write_sweep(folder, sweep_to_dict(sweep), sweep.values)
    names = ("versions", "flags", "numbers.versions", "numbers.flags", "numbers.settings")
    of_environment = {name: f"{name}.*" for name in names} | {"resumed": "resumed[]"}
    of_sweep = {"study": "study", "axes": "axes.*[]", "points": "points.*.*"}
    yield "environment.json", read_json(folder / "environment.json"), of_environment
    yield "A job's file", read_json(folder / "0.json"), {"job.runs": "job.runs[][]"}
    yield "sweep.json", read_json(folder / "sweep.json"), of_sweep


def test_the_page_tells_of_every_key_of_files_without_a_type(tmp_path):
    for section, written, named in files_written(tmp_path):
        if section == "environment.json" and written["git"] is None:  # no checkout
            written["git"] = {"commit": None, "dirty": False}
        assert keys_told(section) == keys_written(written, named), section
        missing = keys_written({**written, "luck": np.pi}, named) - keys_told(section)
        assert missing == {"luck"}


def test_a_key_that_no_type_has_is_seen():
    written = summarize(study(all_solved(), none_solved()))
    assert keys_of_value({**written, "luck": np.pi}, Summary) - keys_of_type(Summary) == {"luck"}
