"""`attn-jax diff` on written studies: the configs' differences, then those of the models in both."""

import json
import re
import shutil

import pytest
from written_study import write_study

from attn_jax.cli import main


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff") / "first"
    write_study(folder)
    return folder


def said(first, tmp_path, capsys, change):
    """What is printed of a study and a copy of it whose study.json is changed."""
    shutil.copytree(first, tmp_path / "second")
    facts = json.loads((first / "study.json").read_text())
    change(facts)
    (tmp_path / "second" / "study.json").write_text(json.dumps(facts))
    code = main(["diff", str(first), str(tmp_path / "second")])
    return code, capsys.readouterr().out


def test_a_study_and_itself(first, tmp_path, capsys):
    code, out = said(first, tmp_path, capsys, lambda facts: None)
    assert code == 0
    assert "the configs are the same" in out
    assert "paired by seed" in out
    assert out.count("final score") == 2
    assert "Holm over 6 tests" in out


@pytest.mark.parametrize("width", [40, 80])
def test_names_are_whole_however_narrow_the_terminal(width, first, tmp_path, capsys, monkeypatch):
    """As a table, or where that is too wide a line a change, each study's own value in it again."""
    monkeypatch.setenv("COLUMNS", str(width))
    _, out = said(first, tmp_path, capsys, lambda facts: None)
    lines = [line.strip() for line in out.splitlines() if line.strip().startswith(("transformer", "gru"))]
    assert len(lines) == 6
    assert all(name in line for line, name in zip(lines[::3], ("transformer", "gru"), strict=True))
    if width == 40:
        assert all(re.match(r"(transformer|gru), [a-z ]+: first \S+, second \S+, difference ", line) for line in lines)
    else:
        assert max(map(len, lines)) <= width and "difference" not in "".join(lines)


def test_other_batches_are_unpaired_and_the_config_says_so(first, tmp_path, capsys):
    code, out = said(first, tmp_path, capsys, lambda facts: facts["config"]["train"].update(batch_size=8))
    assert code == 0
    assert "train.batch_size: 4 -> 8" in out
    assert "unpaired" in out


def test_what_is_only_in_one_is_named(first, tmp_path, capsys):
    def rename(facts):
        for table in (facts["models"], facts["sources"], facts["runs"], facts["config"]["models"]):
            table["lstm"] = table.pop("gru")

    code, out = said(first, tmp_path, capsys, rename)
    assert code == 0
    assert f"only in {first}: gru\n" in out
    assert f"only in {tmp_path / 'second'}: lstm\n" in out
    assert out.count("final score") == 1


def test_different_tasks_are_told_apart_before_they_are_refused(first, tmp_path, capsys):
    code, out = said(first, tmp_path, capsys, lambda facts: facts["config"]["task"].update(labels="running"))
    assert code == 2
    assert "task.labels: end -> running" in out
    assert "score" not in out
