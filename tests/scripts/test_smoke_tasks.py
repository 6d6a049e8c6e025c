"""scripts/smoke_tasks.py trains, scores and writes its page; the committed page knows every task."""

import importlib
import sys
from pathlib import Path

import pytest

from attn_jax.tasks import TASKS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def script(monkeypatch):
    """The script as a module, with a budget of seconds."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    module = importlib.import_module("smoke_tasks")
    for name, value in {"_STEPS": 60, "_EVERY": 20, "_TEST_LENGTHS": 2, "_TEST_BATCH": 32}.items():
        monkeypatch.setattr(module, name, value)
    yield module
    sys.modules.pop("smoke_tasks")


@pytest.mark.exhaustive
def test_a_row_says_what_was_reached(script, monkeypatch):
    monkeypatch.setenv("NPROC", "1")  # a worker's; jax runs here already
    row = script.smoke("parity", "lstm", 60.0)
    assert (row["task"], row["model"], row["steps"]) == ("parity", "lstm", 60)
    assert row["rate"] in (3e-3, 1e-2)
    assert len(row["scores"]) == 2
    assert all(-0.5 < score < 0.5 for score in row["scores"])  # 60 steps teach no parity
    line = next(line for line in script.page([row]).splitlines() if line.startswith("| parity |"))
    assert "uniform 0.5" in line
    assert f"{row['scores'][0]:.2f} {row['scores'][1]:.2f}" in line


def test_what_has_risen_is_bold(script):
    rows = [
        {"task": "parity", "model": "lstm", "scores": s, "steps": 9, "date": "d"} for s in ([0.9, 0.06], [0.9, 0.01])
    ]
    risen, not_risen = (next(x for x in script.page([row]).splitlines() if x.startswith("| parity |")) for row in rows)
    assert "**0.90 0.06** | 9" in risen
    assert " 0.90 0.01 | 9" in not_risen


def test_the_committed_page_knows_every_task():
    lines = (ROOT / "docs" / "task_smoke.md").read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    assert list(rows)[1:] == list(TASKS), "run scripts/smoke_tasks.py for what is missing"
    assert not [name for name, row in rows.items() if "not run" in row]
