"""scripts/bench_history.py: what is kept, what it is compared with, and when --check fails. Nothing is measured."""

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attn_jax.tasks import TASKS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The script as a module, on a core that is not pinned, with one measure of `cpu_ms` and a history of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("XLA_FLAGS", "")
    module = importlib.import_module("bench_history")
    monkeypatch.setattr(module, "pin_one_core", lambda: None)
    monkeypatch.setattr(module, "HISTORY", tmp_path / "benchmarks" / "history.jsonl")
    yield module
    for name in ("bench_history", "bench_attention", "bench_attention_cases"):
        sys.modules.pop(name, None)


@pytest.fixture
def row(bench):
    facts = {"date": "2026-11-30", "machine": "x86", "cores": 2, "versions": {"jax": "0.10.2", "python": "3.11.7"}}
    return bench.row_of("scan: one", 10.0, facts, "abc")


def rows(row, *cpu_ms, **changes):
    return [replace(row, cpu_ms=ms, **changes) for ms in cpu_ms]


def test_the_median_is_that_of_the_last_five(bench, row):
    assert bench.usual(row, rows(row, 100.0, 100.0, 100.0, 1.0, 2.0, 5.0, 3.0, 4.0)) == 3.0


@pytest.mark.parametrize(
    "other", [{"measure": "scan: two"}, {"processor": "arm"}, {"cores": 64}, {"jax": "0.12.0"}], ids=str
)
def test_other_measures_and_other_machines_are_not_compared(other, bench, row):
    assert bench.usual(row, [*rows(row, 1.0, 2.0, 3.0, 4.0), *rows(row, 9.0, 9.0, **other)]) is None
    strangers = rows(row, 100.0, 100.0, 100.0, **other)
    assert bench.usual(row, [*strangers, *rows(row, 1.0, 2.0, 3.0, 4.0, 5.0), *strangers]) == 3.0


def test_another_commit_day_and_python_are(bench, row):
    history = rows(row, 1.0, 1.0, 1.0, 1.0, 1.0, commit="def+", date="2027-01-01", python="3.11.8")
    assert bench.usual(row, history) == 1.0


def measured(bench, monkeypatch, cpu_ms, *words):
    monkeypatch.setattr(bench, "MEASURES", {"scan": lambda repeats: iter([("one", cpu_ms)])})
    return bench.main(list(words))


def test_rows_are_appended_and_read_back(bench, monkeypatch, capsys):
    for cpu_ms in (1.0, 2.0):
        assert measured(bench, monkeypatch, cpu_ms) == 0
    assert "fewer than 5 rows of this kind of machine" in capsys.readouterr().out
    kept = bench.read(bench.HISTORY)
    assert [row.cpu_ms for row in kept] == [1.0, 2.0]
    assert {(row.measure, row.commit) for row in kept} == {("scan: one", bench.commit_here())}
    line = json.loads(bench.HISTORY.read_text().splitlines()[0])
    assert sorted(line) == ["commit", "cores", "cpu_ms", "date", "jax", "measure", "processor", "python"]


def test_check_fails_above_the_factor_and_keeps_nothing(bench, monkeypatch, capsys):
    assert measured(bench, monkeypatch, 99.0, "--check") == 0  # nothing to hold it against
    for cpu_ms in (900.0, 10.0, 12.0, 8.0, 9.0, 11.0):
        measured(bench, monkeypatch, cpu_ms)
    capsys.readouterr()
    assert measured(bench, monkeypatch, 15.0, "--check") == 0
    assert "1.50 x the median of 5\n" in capsys.readouterr().out
    assert measured(bench, monkeypatch, 15.1, "--check") == 1
    assert capsys.readouterr().out.endswith("more than 1.5 times the median: scan: one\n")
    assert len(bench.read(bench.HISTORY)) == 6
    assert measured(bench, monkeypatch, 15.1) == 0  # told and kept, and no failure


def test_only_the_groups_that_are_meant_are_measured(bench, monkeypatch):
    monkeypatch.setattr(bench, "MEASURES", {"scan": lambda repeats: iter([("a", 1.0)]), "mixer": lambda repeats: 1 / 0})
    assert bench.main(["--only", "^sc"]) == 0
    assert len(bench.read(bench.HISTORY)) == 1


def test_what_it_measures_exists_and_the_history_is_of_its_groups(bench):
    cases = importlib.import_module("bench_attention_cases").CASES
    assert all(cases[name].timed for name in bench.ATTENTION)
    assert set(bench.SAMPLED) <= set(TASKS)
    history = bench.read(ROOT / "benchmarks" / "history.jsonl")
    assert {row.measure.partition(":")[0] for row in history} == set(bench.MEASURES)
    assert all(row.cpu_ms > 0 for row in history)
