"""scripts/torture.py, with one kill: what it says, and that it compares what matters."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

SCRIPT = Path(__file__).parents[2] / "scripts" / "torture.py"


@pytest.mark.exhaustive
def test_a_killed_study_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    outcome = importlib.import_module("torture").outcome
    words = ["--kills=1", "--steps=200", f"--folder={tmp_path}"]
    command = [sys.executable, str(SCRIPT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^1 kills \(command \d, worker \d, both \d\): the same bits$", done.stdout, re.MULTILINE)
    unbroken = outcome(tmp_path / "unbroken")
    metrics = tmp_path / "study-1-1" / "blocks" / "gru-0" / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"diverged": [false', '"diverged": [true', 1))
    assert outcome(tmp_path / "study-1-1") != unbroken
