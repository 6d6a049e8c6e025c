"""The command in the process: what it lists and shows, and how each mistake ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from attn_jax.cli import main
from attn_jax.lab.directory import locked
from attn_jax.mixers import MIXERS
from attn_jax.shipped import shipped_configs
from attn_jax.tasks import TASKS

TINY = str(Path(__file__).parent / "lab" / "tiny_study.py")


def run(capsys, *words):
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["compare", "--config=nowhere.py"], 2, "nowhere.py: no such config file"),
        (["train", f"--config={TINY}", "--model=lstm"], 2, "--model: got 'lstm', wanted one of transformer, gru"),
        (["report", "nowhere"], 2, "nowhere: holds no study"),
        (["show", "task", "sudoku"], 2, "task: got 'sudoku', wanted one of "),
        (["show", "task", "digits", "--length=3"], 2, "--length=3: "),
        (["list", "tasks", "--measure"], 2, "--measure: got it for tasks, wanted it for mixers"),
        (["check", "mixer", "nowhere.py:Mine"], 2, "nowhere.py: no such file"),
        (["devices", "--config.train.steps=5"], 2, "only compare and train take overrides"),
        (
            ["compare", f"--config={TINY}", "--config.models.transformer.mixers.0.num-heads=3"],
            2,
            "models.transformer: num_h",
        ),
        (["compare", f"--config={TINY}", "--config.evaluate.lengths", "0"], 2, "evaluate.lengths: "),
        (["compare", f"--config={TINY}", "--config.train.steps=20"], 2, "wanted at least 30: solved means held for 2"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(words, code, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got, _, err = run(capsys, *words)
    assert got == code
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "platforms", "said"),
    [
        (
            ["compare", f"--config={TINY}", "--platform=tpu"],
            None,
            "--platform=tpu: this machine offers jax no tpu device",
        ),
        (["check", "mixer", "gru", "--platform=tpu"], None, "--platform=tpu: this machine offers jax no tpu device"),
        (["list", "mixers", "--measure", "--platform=tpu"], None, "--platform=tpu: this machine offers jax no tpu"),
        (["devices", "--platform=cuda"], None, 'pip install "attn_jax[cuda13]"'),
        (["devices"], "cuda", "JAX_PLATFORMS=cuda"),
    ],
)
def test_a_platform_that_is_not_there(words, platforms, said, tmp_path):
    """In a process of its own: jax starts its platforms once."""
    env = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    env |= {"JAX_PLATFORMS": platforms} if platforms else {}
    command = [sys.executable, "-m", "attn_jax.cli", *words]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare"], "--config"),
        (["compare", f"--config={TINY}", "--platfrom=cpu"], "--platfrom=cpu"),
        (["compare", f"--config={TINY}", "--platform=abacus"], "abacus"),
        (["compare", f"--config={TINY}", "--config.train.stepz=5"], "--config.train.steps"),
        (["dance"], "dance"),
        ([], "compare"),
    ],
)
def test_a_wrong_word_ends_with_2_and_says_what_is_near(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    captured = capsys.readouterr()
    assert said in captured.err + captured.out
    assert not list(tmp_path.iterdir())


def test_a_second_process_on_a_directory_is_told_who_holds_it(capsys, tmp_path):
    with locked(tmp_path):
        (tmp_path / "study.json").write_text("{}")
        code, _, err = run(capsys, "compare", f"--config={TINY}", f"--workdir={tmp_path}", "--platform=cpu")
    assert code == 4
    assert f"is in use by process {os.getpid()}" in err
    assert "another --workdir" in err


def test_list_is_the_registries(capsys):
    assert [row["name"] for row in json.loads(run(capsys, "list", "mixers", "--json")[1])] == list(MIXERS)
    everything = json.loads(run(capsys, "list", "--json")[1])
    assert sorted(everything) == ["configs", "mixers", "tasks"]
    assert [row["name"] for row in everything["configs"]] == list(shipped_configs())
    for what in ("mixers", "tasks", "configs"):
        assert run(capsys, "list", what)[0] == 0


@pytest.mark.parametrize("name", TASKS)
def test_every_task_can_be_shown(name, capsys):
    assert run(capsys, "show", "task", name)[0] == 0


def test_devices(capsys):
    code, out, _ = run(capsys, "devices", "--platform=cpu")
    assert code == 0
    assert "cpu:0" in out


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(command in out for command in ("compare", "train", "report", "list", "show", "check", "devices"))
