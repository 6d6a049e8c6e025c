"""Every registered task gives the batches, strings, answers and floors that scripts/golden_tasks.py wrote down."""

import importlib
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from attn_jax.tasks import TASKS

ROOT = Path(__file__).parent.parent.parent
GOLDEN = json.loads((ROOT / "tests" / "golden" / "tasks.json").read_text(encoding="utf-8"))


@pytest.fixture
def script(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("golden_tasks")


def test_every_task_is_written_down():
    assert list(GOLDEN) == list(TASKS)
    one_length = [name for name, entry in GOLDEN.items() if len(entry["spec"]["test_lengths"]) == 1]
    assert one_length == ["modular_table", "digits", "digits_permuted", "digits_rows"]
    assert [name for name, entry in GOLDEN.items() if len(entry["drawn"]) < 3] == one_length


@pytest.mark.parametrize("name", TASKS)
def test_golden(script, name):
    assert_same(json.loads(json.dumps(script.golden(script.CONFIGS[name]))), GOLDEN[name])


def assert_same(found, wanted):
    """The same names and hashes; real numbers up to what machines differ by."""
    (leaves, tree), (wanted_leaves, wanted_tree) = map(flat, (found, wanted))
    assert tree == wanted_tree
    for (path, value), (_, golden) in zip(leaves, wanted_leaves, strict=True):
        same = np.isclose(value, golden, rtol=1e-7, atol=1e-7) if isinstance(golden, float) else value == golden
        assert same, f"{jax.tree_util.keystr(path)}: {value}, wanted {golden}"


def flat(entry):
    return jax.tree_util.tree_flatten_with_path(entry, is_leaf=lambda leaf: leaf is None)


def test_a_changed_batch_changes_its_digest(script):
    tokens, weights = np.arange(6).reshape(2, 3), np.array([0.25, 0.75])
    digest = script.digest(tokens, weights)
    assert digest != script.digest(tokens.astype(np.int32), weights)
    assert digest != script.digest(tokens.reshape(3, 2), weights)
    assert digest != script.digest(tokens[::-1], weights)
    assert digest != script.digest(tokens, weights[::-1])
