"""scripts/bench_tasks.py measures what it says, and ends with 1 where a task is over its limit."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from attn_jax.tasks import TASKS

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture
def bench(monkeypatch):
    """The script as a module, on a core that is not pinned."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    module = importlib.import_module("bench_tasks")
    monkeypatch.setattr(module, "pin_one_core", lambda: None)
    yield module
    for name in ("bench_tasks", "bench_attention"):
        sys.modules.pop(name, None)


def run(*words):
    command = [sys.executable, str(SCRIPTS / "bench_tasks.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.exhaustive
def test_two_tasks_from_end_to_end():
    done = run("--tasks", "parity", "copy_memory", "--repeats=3")
    assert done.returncode == 0, done.stderr
    for words in ("pinned_to_core", "20 bits", "30 steps of delay", "over the limit: none"):
        assert words in done.stdout
    assert "associative_recall" not in done.stdout


@pytest.mark.exhaustive
def test_an_unknown_task_ends_with_the_names():
    done = run("--tasks", "sudoku")
    assert done.returncode == 2
    assert f"no task sudoku; there are {next(iter(TASKS))}, " in done.stdout


def test_a_task_over_its_limit_is_named_and_checked(bench, capsys, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "")
    rows = {
        "parity": bench.Row("parity", "20 bits", 2.01, 0.1),
        "square_root": bench.Row("square_root", "9", 14.9, 0.1),
    }
    monkeypatch.setattr(bench, "measure", lambda name, repeats: rows[name])
    monkeypatch.setitem(TASKS, "square_root", TASKS["parity"])
    assert bench.main(["--check", "--tasks", "parity", "square_root"]) == 1
    assert "over the limit: parity\n" in capsys.readouterr().out
    assert bench.main(["--tasks", "parity"]) == 0
    assert bench.main(["--check", "--tasks", "square_root"]) == 0


def test_what_is_measured(bench, monkeypatch):
    row = bench.measure("associative_recall", 2)
    assert (row.task, row.length, row.limit_ms) == ("associative_recall", "6 pairs", 2)
    assert row.sample_ms > 0
    assert row.compile_s > 0
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    importlib.import_module("attn_jax.tasks.data.digits")._load.cache_clear()
    row = bench.measure("digits", 2)
    assert row.sample_ms is None
    assert "scikit-learn" in row.note
    assert not row.is_over


def test_those_with_a_limit_of_their_own_are_tasks(bench):
    assert set(bench.LIMITS_MS) <= set(TASKS)
