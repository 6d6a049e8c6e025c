"""What a careless user, a full disk or a flipped bit can do: each ends in one short sentence and its exit code.

A row of a table is (what is arranged, the words of the command, the exit code, what must be said).
"""

import errno
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
from processes import environment
from written_study import write_study

import attn_jax.__main__
import attn_jax_command
from attn_jax.cli import main
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab import compare

LONGEST = 300
ROOT = Path(__file__).parents[3]

CONFIG = """
from dataclasses import dataclass, replace
import jax
import jax.numpy as jnp
from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import GRU
from attn_jax.models import ModelConfig
from attn_jax.tasks import Floor, Parity, TaskConfig


@dataclass(frozen=True)
class Mine(GRU):
    def make(self):
        mixer = super().make()
        return MIXER


@dataclass(frozen=True)
class MyTask(Parity):
    def make(self):
        task = super().make()
        return TASK


def fail(*args, **kwargs):
    raise KeyError("mine")  # RAISED


def get_config():
    train = TrainConfig(30, batch_size=2, lengths=(2, 4), seeds=1, learning_rates=(1e-3,), warmup_steps=5)
    models = {"mine": ModelConfig(8, 1, (Mine(),))}
    return Study("s", MyTask(), models, train, EvaluateConfig(10, 4, (2, 4)), match=None)
"""


def config(mixer="mixer", task="task", extra=""):
    return CONFIG.replace("MIXER", mixer).replace("TASK", task) + extra


def write_config(folder, **changes):
    (folder / "my.py").write_text(config(**changes), encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study, written as workers would."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    write_study(folder)
    assert main(["report", str(folder)]) == 0
    return folder


@pytest.fixture
def attempt(tmp_path, capfd, monkeypatch):
    """Runs a command in a folder and asserts all that is promised of a mistake; gives what was said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("attn_jax.lab.plan.facts.depth_growth", lambda *args, **options: "linear")  # takes a second

    def run(words, code, *said):
        before = hashed(tmp_path)
        try:
            got = main(words)
        except SystemExit as stopped:
            got = stopped.code
        captured = capfd.readouterr()
        err = captured.err
        assert got == code, err
        for words_said in said:
            assert words_said in err, err
        assert 0 < len(err) <= LONGEST, err
        assert err.count("\n") == 1, err
        assert "Traceback" not in err + captured.out
        assert hashed(tmp_path) == before, "a file changed"
        return err

    return run


def hashed(folder):
    """Every file below a folder with a hash of its bytes; the lock is held anew by every command."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
        if path.name != "lock"
    }


# --- a mixer or a task of the user's, in compare: (mixer, task, what is said) ---
OWN_CODE = {
    "make raises": ("fail()", "task"),
    "init raises": ("mixer._replace(init=fail)", "task"),
    "apply raises": ("mixer._replace(apply=fail)", "task"),
    "spared raises": ("mixer._replace(spared=fail)", "task"),
    "the task's make raises": ("mixer", "fail()"),
    "sample raises": ("mixer", "task._replace(sample=fail)"),
    "floors raise": ("mixer", "task._replace(floors=fail)"),
    "lengths raise": ("mixer", "task._replace(spec=replace(task.spec, lengths=fail))"),
    "num_answered raises": ("mixer", "task._replace(spec=replace(task.spec, num_answered=fail))"),
    "num_tokens raises": ("mixer", "task._replace(spec=replace(task.spec, num_tokens=fail))"),
}


@pytest.mark.parametrize("name", OWN_CODE)
def test_the_users_own_code_raises(name, attempt, tmp_path):
    mixer, task = OWN_CODE[name]
    write_config(tmp_path, mixer=mixer, task=task)
    line = config(mixer, task).split("# RAISED")[0].count("\n") + 1
    attempt(["compare", "--config=my.py", "--platform=cpu"], 1, f" my.py, line {line}: KeyError: 'mine'")


WRONG_TASKS = {
    "make gives None": ("None", "make() gives a NoneType, wanted an attn_jax.tasks.Task"),
    "sample gives a tuple": ("task._replace(sample=lambda *a, **k: (1, 2))", "sample gives a tuple, wanted"),
    "sample gives another length": (
        "task._replace(sample=lambda *a, **o: jax.tree.map(lambda x: x[:, :-1], Parity().make().sample(*a, **o)))",
        "length 4: sample gives inputs as int32[2, 4], wanted int32[2, 5]",
    ),
    "sample gives floats": (
        "task._replace(sample=lambda *a, **o: Parity().make().sample(*a, **o)._replace(inputs=jnp.zeros((2, 5))))",
        "sample gives inputs as float32[2, 5], wanted int32[2, 5]",
    ),
    "sample takes other arguments": (
        "task._replace(sample=lambda key: 1)",
        "sample takes (key), wanted (key, batch_size, length, max_length, *, split)",
    ),
    "floors takes nothing": ("task._replace(floors=lambda: {})", "floors takes (), wanted (length)"),
    "num_tokens takes two": (
        "task._replace(spec=replace(task.spec, num_tokens=lambda a, b: 3))",
        "spec.num_tokens takes (a, b), wanted (length)",
    ),
    "solve is no function": ("task._replace(solve=3)", "solve is 3, wanted a function"),
    "sample gives None as weights": (
        "task._replace(sample=lambda *a, **o: Parity().make().sample(*a, **o)._replace(weights=None))",
        "sample gives weights as a NoneType, wanted an array",
    ),
    "floors gives a number": ("task._replace(floors=lambda n: 0.5)", "floors gives a float, wanted floors by name"),
    "floors lacks the chance": ("task._replace(floors=lambda n: {})", "floors gives none, wanted 'uniform'"),
    "a floor is no number": (
        "task._replace(floors=lambda n: {'uniform': Floor('x', None, None)})",
        "wanted a Floor of finite numbers",
    ),
    "lengths gives None": (
        "task._replace(spec=replace(task.spec, lengths=lambda a, b: None))",
        "gives None, wanted as",
    ),
    "num_tokens gives a string": (
        "task._replace(spec=replace(task.spec, num_tokens=lambda n: 'x'))",
        "spec.num_tokens(4) is 'x', wanted how many places",
    ),
    "num_answered takes two": (
        "task._replace(spec=replace(task.spec, num_answered=lambda a, b: 3))",
        "spec.num_answered takes (a, b), wanted (num_tokens)",
    ),
    "num_answered is a number": (
        "task._replace(spec=replace(task.spec, num_answered=1))",
        "spec.num_answered is 1, wanted a function",
    ),
    "num_answered gives more than there are": (
        "task._replace(spec=replace(task.spec, num_answered=lambda n: n + 1))",
        "spec.num_answered(5) is 6, wanted 1 to 5 of so many places",
    ),
    "num_answered gives a float": (
        "task._replace(spec=replace(task.spec, num_answered=lambda n: 1.0))",
        "spec.num_answered(5) is 1.0, wanted 1 to 5 of so many places",
    ),
    "spec is a dict": ("task._replace(spec={})", "spec is a dict, wanted an attn_jax.tasks.TaskSpec"),
    "a metric of their own": ("task._replace(spec=replace(task.spec, metric='f1'))", "spec.metric is 'f1', wanted one"),
    "threshold is text": ("task._replace(spec=replace(task.spec, threshold='x'))", "spec.threshold is 'x', wanted"),
}


@pytest.mark.parametrize("name", WRONG_TASKS)
def test_the_users_own_task_gives_something_else(name, attempt, tmp_path):
    task, said = WRONG_TASKS[name]
    write_config(tmp_path, task=task)
    attempt(["compare", "--config=my.py", "--platform=cpu"], 1, "the task breaks its contract: ", said)


WRONG_MIXERS = {
    "make gives None": ("None", "make gives a NoneType, wanted a Mixer"),
    "init gives a tuple": ("mixer._replace(init=lambda key: (1, 2))", "TypeError"),
    "apply gives a tuple": ("mixer._replace(apply=lambda p, x, valid=None, **o: (x, x))", "apply gives a tuple, want"),
    "apply gives another width": (
        "mixer._replace(apply=lambda p, x, valid=None, **o: x[..., :3])",
        "apply gives shape (2, 5, 3), wanted (2, 5, 8)",
    ),
    "apply gives another length": ("mixer._replace(apply=lambda p, x, valid=None, **o: x[:, :2])", "wanted (2, 5, 8)"),
    "apply gives None": ("mixer._replace(apply=lambda p, x, valid=None, **o: None)", "apply gives a NoneType, wanted"),
    "apply is no function": ("mixer._replace(apply=3)", "apply is 3, wanted a function"),
    "causal is a word": ("mixer._replace(causal='yes')", "causal is 'yes', wanted a bool"),
    "spared gives None": ("mixer._replace(spared=lambda params: None)", "spared gives None, wanted a tree of bools"),
}


@pytest.mark.parametrize("name", WRONG_MIXERS)
def test_the_users_own_mixer_gives_something_else(name, attempt, tmp_path):
    mixer, said = WRONG_MIXERS[name]
    write_config(tmp_path, mixer=mixer)
    attempt(["compare", "--config=my.py", "--platform=cpu"], 1, "my.py:Mine breaks its contract: ", said)


# --- a config in python: (what is appended to it, exit code, what is said) ---
WRONG_CONFIGS = {
    "no python": ("def f(:", 2, "my.py: SyntaxError"),
    "raises at once": ("1 / 0", 2, "ZeroDivisionError: division by zero"),
    "imports what is not there": ("import nothing_like_it", 2, "ModuleNotFoundError: No module named"),
    "leaves": ("raise SystemExit(0)", 2, "SystemExit: 0"),
    "recurses": ("def f(): return f()\nf()", 2, "RecursionError"),
    "get_config raises": ("def get_config(): return {}['x']", 2, "KeyError: 'x'"),
    "get_config leaves": ("def get_config(): raise SystemExit", 2, "SystemExit"),
    "get_config gives None": ("def get_config(): pass", 2, "get_config() gave a NoneType"),
    "get_config is no function": ("get_config = 3", 2, "has no get_config()"),
    "raises what no except catches": ("def get_config(): raise type('Mine', (BaseException,), {})", 1, "my.py, line "),
    "a rate for rates": (
        "def get_config(): return TrainConfig(learning_rates=1e-3)",
        2,
        "ConfigError: TrainConfig.learning_rates: got 0.001 (float), wanted a list",
    ),
    "a mixer for mixers": ("def get_config(): return ModelConfig(8, 1, GRU())", 2, "ModelConfig.mixers: got GRU("),
    "models in a list": (
        "whole = get_config\ndef get_config(): return replace(whole(), models=[1])",
        2,
        "models: got [1], wanted a dict, of models by name",
    ),
    "a number for a name": (
        "whole = get_config\ndef get_config(): return replace(whole(), models={3: 1})",
        2,
        "models: got 3, wanted letters",
    ),
    "a name past folders": (
        "whole = get_config\ndef get_config(): return replace(whole(), name='x' * 101)",
        2,
        "at most 100",
    ),
    "no models": ("whole = get_config\ndef get_config(): return replace(whole(), models={})", 2, "models: got none"),
}


@pytest.mark.parametrize("name", WRONG_CONFIGS)
def test_a_config_that_is_wrong(name, attempt, tmp_path):
    extra, code, said = WRONG_CONFIGS[name]
    write_config(tmp_path, extra=f"\n{extra}\n")
    attempt(["compare", "--config=my.py", "--platform=cpu"], code, said)


# --- sizes: (the field and its value, exit code, what is said) ---
SIZES = {
    "steps past int32": ("train", "steps=10**15", 2, "train.steps: got 1e+15, wanted at most 2147483647"),
    "steps as a float": ("train", "steps=3e1", 2, "train.steps: got 30.0 (float), wanted int"),
    "steps of months": ("train", "steps=10**9", 2, "give --yes if that is meant"),
    "layers without end": ("models", "{'m': ModelConfig(8, 10**6)}", 2, "models.m.num_layers: got 1000000, wanted at"),
    "a width past memory": ("models", "{'m': ModelConfig(10**7, 1, (Mine(),))}", 4, "m.mixers.0: its parameters"),
    "batches past memory": ("train", "batch_size=10**9", 4, "of memory at least, this machine has"),
    "seeds past counting": ("train", "seeds=10**9", 2, "got 1e+09 runs of a model, wanted at most 1000000"),
    "seeds of months": ("train", "seeds=10**5, learning_rates=(1e-4, 1e-3, 1e-2)", 2, "give --yes if that is meant"),
    "seeds past int32": ("train", "seeds=2**40", 2, "train.seeds: got 1.1e+12, wanted at most"),
    "lengths without end": ("train", "lengths=(1, 10**9)", 2, "train.lengths: got (1, 1000000000), wanted at most"),
    "no warm-up below 0": ("train", "warmup_steps=-1", 2, "train.warmup_steps: got -1, wanted"),
    "lengths that fall": ("train", "lengths=(4, 2)", 2, "train.lengths: lengths: got low=4, high=2, wanted"),
    "a score of everything": ("evaluate", "num_examples=2**31 - 1", 2, "evaluate.num_examples: got 2147483647, wanted"),
    "a curve past memory": ("evaluate", "lengths=(2, 10**12)", 4, "of memory at least, this machine has"),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_that_cannot_be_or_take_long(name, attempt, tmp_path):
    part, change, code, said = SIZES[name]
    every = ", evaluate=EvaluateConfig(10, 4, (2, 4))" if part == "train" else ""
    changed = f"{part}={change if part == 'models' else f'replace(study.{part}, {change})'}{every}"
    extra = f"\nwhole = get_config\ndef get_config():\n    study = whole()\n    return replace(study, {changed})\n"
    write_config(tmp_path, extra=extra)
    attempt(["compare", "--config=my.py", "--platform=cpu"], code, said)


# --- JSON of the user's ---
WRONG_JSON = {
    "empty": (b"", "not JSON: it is empty"),
    "cut off": (b'{"name": "s", "task"', "not JSON: "),
    "nested without end": (b"[" * 100_000, "not JSON: "),
    "nested in a field": (b'{"task": {"x": ' + b"[" * 900 + b"]" * 900 + b"}}", "not JSON: it is nested too deeply"),
    "not UTF-8": (b'{"name": "\xff"}', "byte 10 is not UTF-8"),
    "an enormous integer": (b'{"name": ' + b"9" * 5000 + b"}", "a number of 5000 digits"),
    "not a number": (b'{"name": NaN}', "NaN is no number of JSON"),
    "a list": (b"[1]", "got [1] (list), wanted a table"),
    "no field": (b"{}", "name: missing"),
    "another type": (b'{"name": 1, "task": {"name": "parity"}, "models": {}}', "name: got 1 (int), wanted str"),
    "no such task": (b'{"name": "s", "task": {"name": "sudoku"}, "models": {}}', "task.name: got 'sudoku'"),
    "a list as a name": (b'{"name": "s", "task": {"name": []}, "models": {}}', "task.name: got []"),
}


@pytest.mark.parametrize("name", WRONG_JSON)
def test_a_json_config_that_is_wrong(name, attempt, tmp_path):
    data, said = WRONG_JSON[name]
    (tmp_path / "my.json").write_bytes(data)
    attempt(["compare", "--config=my.json"], 2, "my.json: ", said)


# --- files that are read back ---
DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "nested without end": lambda path: path.write_bytes(b"[" * 100_000),
    "not UTF-8": lambda path: path.write_bytes(path.read_bytes().replace(b":", b"\xff:", 1)),
    "an enormous integer": lambda path: path.write_bytes(b'{"schema": ' + b"9" * 5000 + b"}"),
    "a list": lambda path: path.write_bytes(b"[]"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("file", ["study.json", "environment.json"])
@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_of_the_study_is_damaged(name, file, attempt, tmp_path, finished):
    shutil.copytree(finished, tmp_path / "study")
    DAMAGE[name](tmp_path / "study" / file)
    attempt(["report", "study"], 2, f"study/{file}: ")


FIELDS = {
    "a field is missing": lambda facts: facts["task"].pop("metric"),
    "a table is a list": lambda facts: facts.update(config=[]),
    "a number is text": lambda facts: facts["models"]["gru"].update(parameters="many"),
    "a model is missing": lambda facts: facts["models"].pop("gru"),
    "a floor is missing": lambda facts: facts["task"]["floors"].pop("2"),
    "a best score is missing": lambda facts: facts["task"]["best"].pop("2"),
    "another's chance": lambda facts: facts["task"].update(chance="luck"),
    "another reference": lambda facts: facts["config"].update(reference="lstm"),
    "no steps": lambda facts: facts["config"]["train"].update(steps=0),
    "no width": lambda facts: facts.update(width=0),
    "a length of the curve too many": lambda facts: facts["task"].update(lengths=[2, 4, 6, 7]),
    "another study's seeds": lambda facts: facts["config"]["train"].update(seeds=7),
    "no step between evaluations": lambda facts: facts["config"]["evaluate"].update(every=0),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_study_json_is_not_what_was_written(name, attempt, tmp_path, finished):
    shutil.copytree(finished, tmp_path / "study")
    path = tmp_path / "study" / "study.json"
    facts = json.loads(path.read_text())
    FIELDS[name](facts)
    path.write_text(json.dumps(facts))
    attempt(["report", "study"], 2, "study/study.json: is damaged: ")


SCORES = ("loss", "metric", "whole")


def with_test(line, scores):
    return json.dumps(json.loads(line) | {"test": dict.fromkeys(SCORES, scores)}).encode()


LINES = {
    "torn in the middle": (lambda lines: lines.__setitem__(4, lines[4][:30]), "line 5: is damaged"),
    "not UTF-8": (lambda lines: lines.__setitem__(4, b"\xff" + lines[4]), "line 5: is damaged"),
    "a number": (lambda lines: lines.__setitem__(4, b"7\n"), "line 5: is damaged"),
    "gone": (lambda lines: lines.pop(4), "step 50 is missing"),
    "of fewer runs": (
        lambda lines: lines.__setitem__(4, json.dumps(json.loads(lines[4]) | {"diverged": []}).encode() + b"\n"),
        "step 50 has not",
    ),
    "of other fields": (lambda lines: lines.__setitem__(4, b'{"step": 50}\n'), "seconds is missing"),
    "of other fields, and a start": (
        lambda lines: lines.__setitem__(4, b'{"start": 0, "compile_seconds": 1.0, "step": 50}\n'),
        "seconds is missing",
    ),
    "a step between": (lambda lines: lines.append(lines[4].replace(b'"step": 50', b'"step": 55')), "step 55 is none"),
    "a test of fewer runs": (
        lambda lines: lines.__setitem__(
            -1, json.dumps(json.loads(lines[-1]) | {"test": {field: [] for field in SCORES}}).encode()
        ),
        "test has not ",
    ),
    "a test of no lengths": (
        lambda lines: lines.__setitem__(
            -1, json.dumps(json.loads(lines[-1]) | {"test": {field: [[0.5]] * 2 for field in SCORES}}).encode()
        ),
        "test has not ",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_the_metrics_is_damaged(name, attempt, tmp_path, finished):
    shutil.copytree(finished, tmp_path / "study")
    change, said = LINES[name]
    path = tmp_path / "study" / "blocks" / "gru-0" / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines))
    attempt(["report", "study"], 2, "gru-0/metrics.jsonl", said, "delete the folder study/blocks/gru-0")


# --- names of files and folders: (what is arranged, words, exit code, what is said) ---
def nothing(folder):
    pass


def a_file(folder):
    (folder / "f").write_text("!")


def a_thesis(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.tex").write_text("!")


COMPARE = ["compare", "--config=my.py", "--platform=cpu"]
NAMES = {
    "a long name": (nothing, [*COMPARE, f"--workdir={'x' * 300}"], 2, "file name too long"),
    "a long path": (nothing, [*COMPARE, f"--workdir={'x/' * 3000}"], 2, "file name too long"),
    "a folder that is a file": (a_file, [*COMPARE, "--workdir=f"], 2, "is a file, wanted a directory"),
    "a folder below a file": (a_file, [*COMPARE, "--workdir=f/below"], 2, "f/below: not a directory"),
    "another's folder": (a_thesis, [*COMPARE, "--workdir=mine"], 2, "mine: holds thesis.tex and no study"),
    "a link to nothing": (lambda f: (f / "l").symlink_to("nowhere"), [*COMPARE, "--workdir=l"], 2, "l: file exists"),
    "a config that is a folder": (a_thesis, ["compare", "--config=mine"], 2, "mine: no such config file"),
    "a config with a long name": (nothing, ["compare", f"--config={'x' * 300}.py"], 2, "file name too long"),
    "a config of text": (a_file, ["compare", "--config=f"], 2, "f: got a '' file, wanted .py"),
    "a model that is not there": (nothing, ["train", *COMPARE[1:], "--model=lstm"], 2, "--model: got 'lstm'"),
    "a report of nothing": (nothing, ["report", "nowhere"], 2, "nowhere: holds no study"),
    "a report of a file": (a_file, ["report", "f"], 2, "f: holds no study"),
    "a report of another's": (a_thesis, ["report", "mine"], 2, "mine: holds no study"),
    "a report with a long name": (nothing, ["report", "x" * 300], 2, "file name too long"),
    "a table of nothing": (nothing, ["export", "nowhere"], 2, "nowhere: holds no study"),
    "a table of another's": (a_thesis, ["export", "mine"], 2, "mine: holds no study"),
    "a table in a folder": (a_thesis, ["export", "x", "--output=mine"], 2, "--output=mine: is a folder, wanted a file"),
    "a table below nothing": (nothing, ["export", "x", "--output=a/b"], 2, "--output=a/b: there is no folder a"),
    "a parquet to the screen": (nothing, ["export", "x", "--format=parquet"], 2, "--output is missing: parquet is no"),
    "a difference to nothing": (nothing, ["diff", "nowhere", "nowhere"], 2, "nowhere: holds no study"),
    "a difference to another's": (a_thesis, ["diff", "mine", "mine"], 2, "mine: holds no study"),
    "a difference of one": (nothing, ["diff", "mine"], 2, "second"),
    "a mixer in no file": (nothing, ["check", "mixer", "nowhere.py:Mine"], 2, "nowhere.py: no such file"),
    "a mixer in a long name": (nothing, ["check", "mixer", f"{'x' * 300}.py:Mine"], 2, "file name too long"),
    "a mixer that is a task": (nothing, ["check", "mixer", "my.py:MyTask"], 2, "it is a task"),
    "a task without a name": (nothing, ["check", "task", "my.py:"], 2, "got no class, wanted my.py:ClassName"),
    "a length that is none": (nothing, ["show", "task", "parity", "--length=-3"], 2, "--length=-3: "),
    "a length past any screen": (nothing, ["show", "task", "parity", "--length=1000000000"], 2, "at most 10000 places"),
    "a key past 32 bits": (nothing, ["show", "task", "parity", "--key=1000000000000"], 2, "--key=1000000000000: "),
    "a task that is near none": (nothing, ["show", "task", "sudoku"], 2, "task: got 'sudoku'"),
    "measuring tasks": (nothing, ["list", "tasks", "--measure"], 2, "--measure: got it for tasks"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_wrong(name, attempt, tmp_path):
    arrange, words, code, said = NAMES[name]
    write_config(tmp_path)
    arrange(tmp_path)
    attempt(words, code, said)


# --- words of the command: (words, what is said); tests/commands/test_cli.py has those that are nearly right ---
MY = ["compare", "--config=my.py"]
USAGE = {
    "no such option": (["report", "x", "--nope"], "--nope: no such option"),
    "no such option of one letter": (["compare", "-c", "my.py"], "-c: no such option, did you mean --config?"),
    "an option without a command": (["-x"], "-x: got no command before it"),
    "help of no command": (["help", "dance"], "dance: no such command"),
    "a very long command": (["x" * 5000], "no such command"),
    "no config": (["compare", "--config"], "argument --config: expected one argument"),
    "an empty config": (["compare", "--config="], "no such config file"),
    "no model": (["train", *MY[1:], "--model"], "argument --model: expected one argument"),
    "an empty model": (["train", *MY[1:], "--model="], "--model: got '', did you mean mine?"),
    "no folder": ([*MY, "--workdir"], "argument --workdir: expected one argument"),
    "no platform": (["devices", "--platform"], "argument --platform: expected one argument"),
    "another platform": (["devices", "--platform=abacus"], "--platform: got 'abacus', wanted one of auto, cpu"),
    "a flag with a value": ([*MY, "--yes=no"], "argument --yes: ignored explicit argument 'no'"),
    "a bare --": (["compare", "--", "--config=my.py"], "--: no such option"),
    "a report of nothing named": (["report"], "arguments are required: directory"),
    "two reports": (["report", "a", "b"], "a: holds no study"),
    "two reports below nothing": (["report", "a/b", "a/c"], "a/b: holds no study"),
    "a title of one": (["report", "a", "--title=x"], "--title: got it for a alone, wanted it for several"),
    "a page in a folder": (["report", "a", "b", "--output=."], "--output=.: is a folder, wanted a file"),
    "a page below nothing": (["report", "a", "b", "--output=x/y"], "--output=x/y: there is no folder"),
    "no bytes of UTF-8": (["report", "\udcff"], ": holds no study"),
    "devices of a kind": (["devices", "cpu"], "cpu: attn-jax devices takes no such word"),
    "a list of two": (["list", "mixers", "extra"], "extra: attn-jax list takes no such word"),
    "show what cannot be": (["show", "mixer", "gru"], "argument what: got 'mixer', wanted one of task"),
    "show no such task": (["show", "task", "nope"], "task: got 'nope', the nearest of"),
    "a length in words": (["show", "task", "parity", "--length=x"], "argument --length: invalid int value: 'x'"),
    "a length of none": (["show", "task", "parity", "--length=0"], "--length=0: "),
    "a key of a half": (["show", "task", "parity", "--key=1.5"], "argument --key: invalid int value: '1.5'"),
    "check what cannot be": (["check", "model", "x"], "argument what: got 'model', wanted one of mixer, task"),
    "check no such mixer": (["check", "mixer", "nope"], "mixer: got 'nope', the nearest of"),
    "check no such class": (["check", "task", "my.py:Nope"], "my.py: has no 'Nope', wanted one of MyTask"),
    "a field without a value": ([*MY, "--config.train.steps"], "--config.train.steps: got nothing, wanted a whole"),
    "a field of words": ([*MY, "--config.train.steps=many"], "--config.train.steps: got 'many', wanted a whole"),
    "a group of fields": ([*MY, "--config.train=5"], "--config.train: got '5' for a group of fields"),
    "a field of no model": ([*MY, "--config.models.nope.d-model=3"], "no such field, wanted one of mine"),
    "a rate past floats": ([*MY, "--config.train.learning-rates=1e400"], "train.learning_rates: got (inf,)"),
}


@pytest.mark.parametrize("name", USAGE)
def test_words_that_are_wrong(name, attempt, tmp_path):
    words, said = USAGE[name]
    write_config(tmp_path)
    attempt(words, 2, said)


# --- the machine ---
ERRORS = {
    errno.ENOSPC: "no space left on device for ",
    errno.EFBIG: "file too large; raise the limit on file sizes",
    errno.EROFS: "read-only file system; give a --workdir that can be written",
    errno.EACCES: "permission denied; give one that you may use",
}


@pytest.mark.parametrize("number", ERRORS)
def test_what_the_machine_refuses(number, attempt, tmp_path, finished, monkeypatch):
    shutil.copytree(finished, tmp_path / "study")

    refuse = Mock(side_effect=OSError(number, os.strerror(number)))  # a function of this file would be a user's
    monkeypatch.setattr("attn_jax.files.os.fsync", refuse)
    attempt(["report", "study"], 4, f"study/summary.json: {ERRORS[number]}")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_that_cannot_be_written(form, attempt, tmp_path, finished, monkeypatch):
    shutil.copytree(finished, tmp_path / "study")
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    monkeypatch.setattr("attn_jax.files.os.fsync", Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    said = {"csv": "runs: no space left on device", "parquet": "pyarrow is not installed (pip install pyarrow); csv"}
    attempt(["export", "study", f"--format={form}", "--output=runs"], 4, said[form])


def test_a_defect_of_our_own_is_one_line_that_says_where(attempt, tmp_path, finished, monkeypatch, capfd):
    shutil.copytree(finished, tmp_path / "study")
    monkeypatch.setattr("attn_jax.lab.summaries.summarize", len)
    attempt(["report", "study"], 70, "a defect of attn_jax, please report it: lab/summaries.py, line ", "TypeError")
    monkeypatch.setenv("ATTN_JAX_TRACEBACK", "1")
    assert main(["report", "study"]) == 70
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def other_models(facts):
    for table in (facts["models"], facts["sources"], facts["config"]["models"], facts["runs"]):
        for name in [*table]:
            table[f"other {name}"] = table.pop(name)


# --- two studies: (what is changed in study.json of the second, what is said) ---
APART = {
    "another task": (lambda facts: facts["config"]["task"].update(name="majority"), "different tasks", "task differ"),
    "other lengths": (lambda facts: facts["task"].update(train_lengths=[2, 6]), "different tasks", "train.lengths"),
    "other models": (other_models, "has no model of the same name"),
}


@pytest.mark.parametrize("name", APART)
def test_two_studies_that_cannot_be_compared(name, attempt, tmp_path, finished):
    change, *said = APART[name]
    shutil.copytree(finished, tmp_path / "study")
    facts = json.loads((finished / "study.json").read_text())
    change(facts)
    (tmp_path / "study" / "study.json").write_text(json.dumps(facts))
    attempt(["diff", str(finished), "study"], 2, "study: ", *said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_training_ends_as_ctrl_c_does(number, attempt, tmp_path, monkeypatch):
    write_config(tmp_path)
    monkeypatch.setattr("attn_jax.lab.comparison.layout_at", lambda *args: os.kill(os.getpid(), number))
    attempt(COMPARE, 75, "stopped; the same command goes on from there")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_jax_is_imported(number, tmp_path):
    """The first import of the command is its own, and light: from then on signals are heard."""
    code = "import attn_jax_command, sys; print(1, 'jax' in sys.modules, flush=True); attn_jax_command.main()"
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSTARTUP": ""}
    words = [sys.executable, "-c", code, *COMPARE]
    process = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "1 False\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (75, "attn-jax: stopped; the same command goes on from there\n")


TINY = str(ROOT / "tests" / "lab" / "tiny_study.py")
CALLS = {
    "a path without --config.": ((TINY,), {"overrides": ["train.steps=5"]}, "overrides: got 'train.steps=5', wanted"),
    "another option": ((TINY,), {"overrides": ["--train.steps=5"]}, "overrides: got '--train.steps=5', wanted"),
    "a plain string": ((TINY,), {"overrides": "--config.train.steps=5"}, "overrides: got the text '--config.train"),
    "no words": ((TINY,), {"overrides": [5]}, "overrides: got 5, wanted words like --config.train.steps=500"),
    "no study": ((None,), {}, "study: got a NoneType, wanted a Study, a Sweep or the path of a config file"),
    "a directory that cannot be": ((TINY,), {"workdir": "f/below"}, "f/below: not a directory"),
    "a directory of no name": ((TINY,), {"workdir": "a\0b"}, "got a path with a null byte in it"),
}


@pytest.mark.parametrize("name", CALLS)
def test_compare_in_python_raises_sentences(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a_file(tmp_path)
    words, options, said = CALLS[name]
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}"):
        compare(*words, platform="cpu", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_compare_in_python_says_what_the_machine_refuses(tmp_path, monkeypatch):
    refuse = Mock(side_effect=PermissionError(errno.EACCES, os.strerror(errno.EACCES), "study"))
    monkeypatch.setattr("attn_jax.lab.run.session.Path.mkdir", refuse)
    with pytest.raises(MachineError, match=r"^study: permission denied; give one that you may use"):
        compare(TINY, workdir=tmp_path / "study", platform="cpu")


def test_a_closed_output_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["list", "configs"]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux's")
def test_help_that_goes_to_a_full_disk_says_so(monkeypatch, capsys):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["--help"]) == 4
    assert capsys.readouterr().err.startswith("attn-jax: no space left on device; free some space")


def test_what_jax_does_not_take_from_the_environment_is_said(tmp_path):
    words = [sys.executable, "-c", "import attn_jax_command, sys; sys.exit(attn_jax_command.main())", "devices"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "JAX_ENABLE_X64": "maybe"}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert re.match("attn-jax: jax cannot be imported: .*JAX_ENABLE_X64.*\n$", done.stderr, re.IGNORECASE), done.stderr


def test_python_m_is_the_same_command():
    assert attn_jax.__main__.main is attn_jax_command.main


@pytest.mark.exhaustive
def test_workers_that_may_write_no_larger_files(tmp_path):
    write_config(tmp_path, extra="\nMine, MyTask = GRU, Parity\n")
    command = shlex.join([sys.executable, "-m", "attn_jax", *COMPARE, "--workdir=study"])
    env = environment() | {"PYTHONPATH": str(ROOT)}
    del env["JAX_COMPILATION_CACHE_DIR"]  # jax says itself what it could not write there
    words = ["bash", "-c", f"ulimit -f 8; exec {command}"]  # 8 kB: study.json goes through, a checkpoint does not
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "file too large; raise the limit on file sizes (ulimit -f)" in done.stderr
    assert len(done.stderr) <= LONGEST
    assert "Traceback" not in done.stderr + done.stdout


def test_the_table_is_long_enough():
    tables = (
        OWN_CODE,
        WRONG_TASKS,
        WRONG_MIXERS,
        WRONG_CONFIGS,
        SIZES,
        WRONG_JSON,
        DAMAGE,
        FIELDS,
        LINES,
        NAMES,
        USAGE,
        ERRORS,
    )
    assert sum(map(len, tables)) >= 60
