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

from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.outcome.summary_types import ModelSummary, Summary
from attn_jax.lab.record import schema

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


def test_a_key_that_no_type_has_is_seen():
    written = summarize(study(all_solved(), none_solved()))
    assert keys_of_value({**written, "luck": np.pi}, Summary) - keys_of_type(Summary) == {"luck"}
