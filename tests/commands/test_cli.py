"""The command in the process: what it lists and shows, and how each mistake ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import SECOND, first
from written_study import opened

from attn_jax.cli import main
from attn_jax.commands.arguments import parse
from attn_jax.config.file import load_study
from attn_jax.config.shipped import shipped_configs
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.run.session import choose_layout
from attn_jax.mixers import MIXERS
from attn_jax.tasks import TASKS
from attn_jax.version import __version__

TINY = str(Path(__file__).parent.parent / "lab" / "tiny_study.py")


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
        (["show", "task", "sudoku"], 2, "task: got 'sudoku', the nearest of "),
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


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("words", "platforms", "said"),
    [
        (
            ["compare", f"--config={TINY}", "--platform=tpu"],
            None,
            "--platform=tpu: this machine offers jax no tpu device",
        ),
        pytest.param(["check", "mixer", "gru", "--platform=tpu"], None, "this machine offers jax no tpu", marks=SECOND),
        pytest.param(["list", "mixers", "--measure", "--platform=tpu"], None, "offers jax no tpu", marks=SECOND),
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
        (["compare"], "--config is missing: attn-jax compare --config=quickstart, say"),
        (["compare", "configs/quickstart.py"], "did you mean --config=configs/quickstart.py?"),
        (["compare", "quickstart"], "did you mean --config=quickstart?"),
        (["compare", f"--config={TINY}", "twice"], "twice: attn-jax compare takes no such word"),
        (["train", f"--config={TINY}"], "--model is missing"),
        (
            ["compare", f"--config={TINY}", "--platfrom=cpu"],
            "--platfrom: no such option, did you mean --platform or --plan?",
        ),
        (["compare", f"--config={TINY}", "--platform=abacus"], "--platform: got 'abacus', wanted one of auto, cpu"),
        (
            ["compare", f"--config={TINY}", "--config.train.stepz=5"],
            "--config.train.stepz: no such field, did you mean",
        ),
        (["--config=a.py"], "got no command before it, wanted one of compare, train"),
        (["dance"], "dance: no such command, the nearest of "),
        (["Compare"], "Compare: no such command, did you mean compare?"),
        (["export", "x", "--format=xlsx"], "argument --format: got 'xlsx', wanted one of csv, jsonl, parquet"),
        (["export", "x", "--rows=run"], "argument --rows: got 'run', did you mean runs?"),
        (["export"], "arguments are required: directory"),
        (["list", "nope"], "argument what: got 'nope', wanted one of mixers, tasks, configs, claims, all"),
        (["list", "Mixers"], "argument what: got 'Mixers', did you mean mixers?"),
        (["show", "task"], "arguments are required: name"),
        (["check"], "arguments are required: what, name"),
        (["compare", "--config=~no-such-user/a.py"], "argument --config: got '~no-such-user/a.py', and "),
    ],
)
def test_a_wrong_word_is_one_line_that_says_what_is_near(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 2
    assert not out
    assert said in err
    assert err.startswith("attn-jax: ")
    assert err.count("\n") == 1
    assert len(err) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--config=~/study.py", "--help"],
        ["report", "~/nowhere"],
        ["check", "mixer", "~/study.py:Mine"],
    ],
)
def test_a_home_is_meant_wherever_a_path_is_taken(words, capsys, tmp_path, monkeypatch):
    (tmp_path / "study.py").write_text(Path(TINY).read_text())
    monkeypatch.setenv("HOME", str(tmp_path))
    code, out, err = run(capsys, *words)
    assert (code, "~" in err) == (0 if words[0] == "compare" else 2, False)
    assert str(tmp_path) in err or "fields of study tiny" in out
    assert parse(["train", "--workdir=~/x", "--config=a.py", "--model=m"]).workdir == tmp_path / "x"


def test_a_second_process_on_a_directory_is_told_who_holds_it(capsys, tmp_path):
    plan = StudyPlan(load_study(TINY))
    layout = choose_layout(plan, platform="cpu", workers=2, num_devices=1)
    with opened(tmp_path, plan, layout):
        code, _, err = run(capsys, "compare", f"--config={TINY}", f"--workdir={tmp_path}", "--platform=cpu")
    assert code == 4
    assert f"is in use by process {os.getpid()}" in err
    assert "another --workdir" in err


@pytest.mark.exhaustive
def test_list_is_the_registries(capsys):
    assert [row["name"] for row in json.loads(run(capsys, "list", "mixers", "--json")[1])] == list(MIXERS)
    everything = json.loads(run(capsys, "list", "--json")[1])
    assert sorted(everything) == ["claims", "configs", "mixers", "tasks"]
    assert [row["name"] for row in everything["configs"]] == list(shipped_configs())
    for what in ("mixers", "tasks", "configs", "claims"):
        assert run(capsys, "list", what)[0] == 0


SHOWN = ("parity", "reverse", "associative_recall", "adding", "digits")  # letters, strings, pairs, real numbers, pixels


# a few more for what nobody thought of: what all of them draw, goldens tell
@pytest.mark.parametrize("name", first(dict.fromkeys([*SHOWN, *list(TASKS)[::4]]), *SHOWN))
def test_every_task_can_be_shown(name, capsys):
    assert run(capsys, "show", "task", name)[0] == 0


def test_devices(capsys):
    code, out, _ = run(capsys, "devices", "--platform=cpu")
    assert code == 0
    assert "cpu:0" in out


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["-h"]])
def test_help_names_the_commands_and_fits(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert all(
        command in out
        for command in ("compare", "train", "report", "export", "diff", "list", "show", "check", "devices")
    )
    assert max(map(len, out.splitlines())) <= 80


def test_help_with_a_config_shows_its_fields(capsys, monkeypatch):
    shown = [
        run(capsys, "compare", f"--config={TINY}", "--config.task=dyck", asked)
        for asked in ("--help", "-h", "--config.help")
    ]
    assert {code for code, _, _ in shown} == {0}
    assert len({out for _, out, _ in shown}) == 1
    assert "--workdir" in shown[0][1]
    assert "--config.task.max-depth=5" in shown[0][1]


@pytest.mark.parametrize("words", [["help", "compare"], ["compare", "--help"], ["train", "-h"], ["list", "--help"]])
def test_help_of_a_command_needs_nothing_else(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0
    assert "usage: attn-jax" in capsys.readouterr().out


@pytest.mark.exhaustive
def test_python_m_is_the_command():
    done = subprocess.run([sys.executable, "-m", "attn_jax", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"attn_jax {__version__}\n"
