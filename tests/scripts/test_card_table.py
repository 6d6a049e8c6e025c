"""docs/cards.md holds the board that the committed baselines give; a run's own are added to these."""

import importlib
import sys
from pathlib import Path

import pytest
from invented_card import TASKS, baselines

from attn_jax.lab.card.baselines import mixers_in, write_baselines

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("card_table")
    sys.modules.pop("card_table", None)


def test_the_page_is_what_the_committed_baselines_give(script):
    page = script.PAGE.read_text(encoding="utf-8")
    new = script.put_between(page, script.MARKS, script.board(mixers_in(script.COMMITTED)))
    assert new == page, "docs/cards.md is stale: python scripts/card_table.py"


def test_the_three_first_and_the_others_later(script, tmp_path, monkeypatch, capsys):
    page, committed, own = (tmp_path / name for name in ("cards.md", "committed.json", "baselines.json"))
    page.write_text(f"# Before\n{script.MARKS[0]}old\n{script.MARKS[1]}\nAfter\n", encoding="utf-8")
    monkeypatch.setattr(script, "COMMITTED", committed)
    monkeypatch.setattr(script, "fingerprints", lambda: {task: task for task in TASKS})
    monkeypatch.setattr(script, "MIXERS", baselines())
    words, mixers = [f"--page={page}"], baselines()

    assert script.main(words) == 0
    assert "No scores are committed yet" in page.read_text()
    write_baselines(own, {name: mixers[name] for name in ("attention", "lstm", "gru")})
    assert script.main(["--check", f"--results={own}", *words]) == 1
    assert "is stale: python scripts/card_table.py" in capsys.readouterr().err
    assert not committed.exists()
    assert script.main([f"--results={own}", *words]) == 0
    assert "- not run: `lru`." in page.read_text()
    assert page.read_text().count("\n| ") == 2 + 3

    own.unlink()
    write_baselines(own, {"lru": mixers["lru"]})
    assert script.main([f"--results={own}", *words]) == 0
    assert mixers_in(committed) == mixers
    assert page.read_text().count("\n| ") == 2 + 4
    assert "not run" not in page.read_text()
    assert page.read_text().startswith("# Before\n")
    assert script.main(["--check", *words]) == 0


def test_what_was_trained_on_other_terms_is_left_out_and_said(script, monkeypatch):
    monkeypatch.setattr(script, "fingerprints", lambda: {task: task for task in TASKS} | {"s3_words": "new"})
    said = script.board({"gru": baselines()["gru"]})
    assert "s3 words" not in said
    assert "1 baseline was trained on other terms than these in some tasks and is not compared there (gru)" in said
