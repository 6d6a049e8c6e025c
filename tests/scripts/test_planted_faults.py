"""scripts/planted_faults.py: what it breaks is there to be broken, once; that a verdict notices is run by hand."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def planted(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("planted_faults")


def test_each_fault_can_be_planted_and_its_claim_is_there(planted, tmp_path):
    for name, fault in planted.FAULTS.items():
        assert (planted.ROOT / "configs" / "claims" / f"{fault.claim}.py").exists()
        at = planted.copy(tmp_path / name, (*fault.reduced, *fault.planted))
        for file, old, new in fault.planted:
            assert new in (at / file).read_text()
            assert old in (planted.ROOT / file).read_text()
    words = [sys.executable, "-m", "attn_jax", "--version"]
    assert subprocess.run(words, cwd=at, env=os.environ | {"PYTHONPATH": str(at)}, check=False).returncode == 0


def test_what_stands_there_twice_or_not_at_all_is_refused(planted, tmp_path):
    for old in ("import", "no such line"):
        with pytest.raises(SystemExit, match="times, wanted once"):
            planted.copy(tmp_path / "x", (("attn_jax/ops/recurrence/cells.py", old, "pass"),))


def test_what_a_fault_changed(planted):
    said = planted.Said
    held = said({"a": "holds", "b": "undecided"}, "")
    assert planted.noticed(held, said({"a": "fails", "b": "holds"}, "")) == "a: holds -> fails"
    assert planted.noticed(held, said({}, "the floor")) == "refused: the floor"
    assert planted.noticed(held, said({"a": "holds", "b": "fails"}, "")) == ""
    with pytest.raises(SystemExit, match="honest copy was refused: no room"):
        planted.noticed(said({}, "no room"), held)
