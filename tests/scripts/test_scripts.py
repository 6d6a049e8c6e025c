"""The scripts of a checkout are the command's own entry points."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("script", "words", "said"),
    [
        ("compare", ["--config=nowhere.py"], "attn-jax: nowhere.py: no such config file"),
        ("train", ["--config=nowhere.py", "--model=gru"], "attn-jax: nowhere.py: no such config file"),
        ("report", ["nowhere"], "attn-jax: nowhere: holds no study"),
    ],
)
def test_it_runs_the_command_of_its_name(script, words, said, tmp_path):
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(said)


WRONG = {  # (script, words): the last line that is said
    ("bench_attention", "--only=("): "argument --only: got '(', wanted a regular expression",
    ("bench_attention", "--who=["): "argument --who: got '[', wanted a regular expression",
    ("bench_attention", "--out=nowhere/x.json"): "argument --out: got 'nowhere/x.json', wanted a file in a folder",
    ("bench_attention", "--profile=sudoku"): "no such case; there are ",
    ("bench_attention", "--only=sudoku"): "no such case; there are ",
    ("bench_attention", "--nope"): "unrecognized arguments: --nope",
    ("bench_history", "--only=("): "argument --only: got '(', wanted a regular expression",
    ("bench_history", "--only=sudoku"): "--only: sudoku is in none of the groups, attention",
    ("bench_history", "--repeats=0"): "argument --repeats: got '0', wanted a whole number from 1 on",
    ("bench_lab", "--seeds=0"): "argument --seeds: got '0', wanted a whole number",
    ("bench_lab", "--only=sudoku"): "argument --only: invalid choice: 'sudoku'",
    ("bench_overhead", "--steps=0"): "argument --steps: got '0', wanted a whole number",
    ("bench_main_job", "--rounds=0"): "argument --rounds: got '0', wanted a whole number",
    ("bench_main_job", "--torch=nowhere"): "argument --torch: got 'nowhere', wanted a file that is there",
    ("bench_probes", "--probes=sudoku"): "argument --probes: invalid choice: 'sudoku'",
    ("bench_probes", "--chunks=0"): "argument --chunks: got '0', wanted a whole number",
    ("bench_mixers", "--groups=sudoku"): "argument --groups: invalid choice: 'sudoku'",
    ("bench_mixers", "--repeats=-1"): "argument --repeats: got '-1', wanted a whole number",
    ("bench_plan", "--seeds=0"): "argument --seeds: got '0', wanted a whole number",
    ("bench_scans", "--sizes=16by64"): "argument --sizes: got '16by64', wanted BxP, such as 16x64",
    ("bench_scans", "--lengths=0"): "argument --lengths: got '0', wanted a whole number",
    ("bench_tasks", "--tasks=sudoku"): "no task sudoku; there are ",
    ("bench_tasks", "--repeats=many"): "argument --repeats: got 'many', wanted a whole number",
    ("card_table", "--page=bare.md"): "argument --page: got 'bare.md': the page wants both marks",
    ("card_table", "--results=nowhere.json"): "argument --results: got 'nowhere.json', wanted a file that is there",
    ("ledger_table", "--page=bare.md"): "argument --page: got 'bare.md': the page wants both marks",
    ("ledger_table", "--results=nowhere.json"): "argument --results: got 'nowhere.json', wanted a file that is there",
    ("mixer_table", "--page=nowhere.md"): "argument --page: got 'nowhere.md', wanted a file that is there",
    ("mixer_table", "--page=bare.md"): "argument --page: got 'bare.md': the page wants both marks",
    ("task_table", "--page=nowhere.md"): "argument --page: got 'nowhere.md', wanted a file that is there",
    ("task_table", "--page=bare.md"): "argument --page: got 'bare.md': the page wants both marks",
    ("smoke_tasks", "--tasks=sudoku"): "argument --tasks: invalid choice: 'sudoku'",
    ("smoke_tasks", "--page=nowhere/x.md"): "argument --page: got 'nowhere/x.md', wanted a file in a folder",
    ("smoke_tasks", "--cores=100000"): "argument --cores: invalid choice: 100000",
    ("smoke_tasks", "--seconds=-1"): "argument --seconds: got '-1', wanted a whole number",
    ("torture", "--kills=0"): "argument --kills: got '0', wanted a whole number",
}


@pytest.fixture(scope="module")
def scripts():
    """The scripts as modules, which are imported once."""
    sys.path.insert(0, str(SCRIPTS))
    modules = {name: importlib.import_module(name) for name, _ in WRONG}
    yield modules
    sys.path.remove(str(SCRIPTS))
    for name in modules:
        sys.modules.pop(name)


@pytest.mark.parametrize(("name", "word"), WRONG)
def test_a_wrong_word_ends_before_anything_is_measured(name, word, scripts, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare.md").write_text("no marks")
    monkeypatch.setattr(scripts[name], "pin_one_core", lambda: None, raising=False)
    monkeypatch.setattr(sys, "argv", [name, word])
    with pytest.raises(SystemExit) as ended:
        sys.exit(scripts[name].main(*([] if name == "smoke_tasks" else [[word]])))
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert re.sub(r"\s+", " ", out + err).rpartition("error: ")[2].startswith(WRONG[name, word])
    assert [path.name for path in tmp_path.iterdir()] == ["bare.md"]
