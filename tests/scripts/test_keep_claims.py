"""RESULTS.md and the article's verdicts are those that `attn-jax claims` found, and stay in step."""

import importlib
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("keep_claims")
    sys.modules.pop("keep_claims", None)


def test_results_say_what_is_kept(script, capsys):
    assert script.main(["--check"]) == 0
    assert "is up to date" in capsys.readouterr().out


def test_all_eleven_were_run_twice(script):
    verdicts = script.read_verdicts(script.KEPT)
    assert [name[:2] for name in verdicts] == [f"{number:02}" for number in range(1, 12)]
    assert all({*runs} == {"first", "again"} for runs in verdicts.values())


def test_other_results_are_kept_and_written(script, monkeypatch, tmp_path):
    kept, results, found = tmp_path / "kept", tmp_path / "RESULTS.md", tmp_path / "found"
    monkeypatch.setattr(script, "KEPT", kept)
    monkeypatch.setattr(script, "RESULTS", results)
    for run in ("", "quick"):
        at = found / "08_mask" / run
        at.mkdir(parents=True)
        shutil.copy(ROOT / "docs" / "measured" / "08_mask" / "verdict.json", at)
    assert script.main([str(found)]) == 0
    assert {*kept.rglob("*.json")} == {kept / "08_mask" / "verdict.json"}  # nothing "quick" is a result
    assert "\n## Claim 8\n" in results.read_text()
    assert script.main(["--check"]) == 0
    results.write_text(results.read_text().replace("holds", "fails"))
    assert script.main(["--check"]) == 1


def test_where_nothing_has_run_it_is_said(script, tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        script.main([str(tmp_path)])
    assert refused.value.code == 2
    assert "no claim has run there" in capsys.readouterr().err
