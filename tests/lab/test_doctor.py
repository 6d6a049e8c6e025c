"""`attn-jax doctor` on a written study, hurt in one way each: what it finds, what it says comes next, no trace."""

import json
import os
import re
import shutil
import time
from unittest.mock import Mock

import numpy as np
import pytest
from written_study import write_study

from attn_jax.cli import main
from attn_jax.errors import ConfigError
from attn_jax.lab.doctor import examine
from attn_jax.lab.record.directory import block_directory, locked, read_rows, write_json
from attn_jax.training.checkpoint import Checkpoints, checkpoint_file

GRU = "blocks/gru-0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished study of two blocks, each with checkpoints of steps 190 and 200 that hold something."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    write_study(folder)
    for name in ("transformer", "gru"):
        for step in (190, 200):
            save(folder, step, name)
    return folder


def save(study, step, name="gru"):
    Checkpoints(block_directory(study, name, 0) / "checkpoints").save(step, {"x": np.full(50, step, np.float32)})


def cut(study, last=100, saved=(90, 100)):
    """gru-0 as it was after step `last`."""
    folder = study / GRU
    rows = [row for row in read_rows(folder / "metrics.jsonl") if row.get("step", 999) <= last]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.rmtree(folder / "checkpoints")
    for step in saved:
        save(study, step)


def flip(study, *steps):
    for step in steps:
        path = checkpoint_file(study / GRU / "checkpoints", step)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    write_json(path, value)


def other_numbers(study):
    edit(study / "environment.json", lambda table: table["numbers"]["versions"].update(numbers=-1))


def other_machine(study):
    edit(study / "environment.json", lambda table: table.update(machine="Plan9 mips, 2 cores"))


def own_source(study):
    edit(study / "study.json", lambda facts: facts["sources"]["gru"].update({"my.py": "0"}))


def probed(study):
    probe = {"name": "gradient_flow", "when": ["start", "end"]}
    edit(study / "study.json", lambda facts: facts["config"].update(probes=[probe]))


def several(*hurts):
    return lambda study: [hurt(study) for hurt in hurts]


def gone(name):
    def remove(study):
        shutil.rmtree(study / name) if (study / name).is_dir() else (study / name).unlink()

    return remove


ON = '{{"start": 0, "compile_seconds": 1.0, "device": "{}"}}\n'
NOTHING = "has nothing to train"
CASES = {  # what is hurt: (how, damaged things, a finding, what the command does next or why it stops)
    "nothing": (lambda study: None, 0, "all files are whole\n  attn-jax clean would free ", NOTHING),
    "a torn line": (lambda s: append(s, '{"step": 200, "lo'), 0, "has 1 torn line, which nobody reads", NOTHING),
    "two machines": (
        lambda s: append(s, ON.format("avx2") + ON.format("sve")),
        0,
        "was trained on one device after another, bits may differ: avx2, sve",
        NOTHING,
    ),
    "another's instructions": (
        several(cut, lambda s: append(s, ON.format("sve"))),
        0,
        "was trained on sve, here is ",
        "goes on with gru-0 from step 100",
    ),
    "a row of other sizes": (lambda s: append(s, '{"step": 7}'), 1, "metrics.jsonl: is damaged: ", "stops: "),
    "half a checkpoint": (lambda s: (s / GRU / "checkpoints/9.npz.part").touch(), 0, "9.npz.part was cut off", NOTHING),
    "a set aside one": (lambda s: (s / GRU / "checkpoints/unreadable-9.npz").touch(), 0, "and set aside", NOTHING),
    "a flipped bit": (lambda s: flip(s, 200), 1, "checkpoint 200 is damaged: its digest", NOTHING),
    "no last checkpoint": (
        gone(f"{GRU}/checkpoints/200.npz"),
        0,
        "checkpoint of step 200 is gone: its models",
        NOTHING,
    ),
    "it was cut off": (cut, 0, "", "goes on with gru-0 from step 100"),
    "the newest flipped": (
        several(cut, lambda s: flip(s, 100)),
        1,
        "checkpoint 100 is damaged",
        "goes on with gru-0 from step 90",
    ),
    "both flipped": (several(cut, lambda s: flip(s, 90, 100)), 2, "", "gru-0: no checkpoint can be read, their files"),
    "no checkpoints": (lambda s: cut(s, saved=()), 1, "is trained anew from its first", "trains gru-0 from the first"),
    "a first chunk": (lambda s: cut(s, last=10, saved=()), 0, "", "trains gru-0 from the first step"),
    "a row is missing": (lambda s: cut(s, last=80), 1, "step 90 is missing", "stops: "),
    "a block is gone": (gone(GRU), 0, "", "trains gru-0 from the first step"),
    "probes are lacking": (probed, 0, "", "measures the probes that transformer-0 and gru-0 lack"),
    "and cannot be had": (several(probed, gone(f"{GRU}/checkpoints")), 0, "", "checkpoint of step 200 is gone; delete"),
    "another version's": (
        lambda s: edit(s / "study.json", lambda facts: facts.update(schema=-1)),
        1,
        "not of this version",
        "stops: ",
    ),
    "a cut study.json": (lambda s: (s / "study.json").write_text("{"), 1, "study.json: not JSON", "stops: "),
    "other numbers, done": (other_numbers, 0, "numbers: -1 -> ", NOTHING),
    "other numbers, begun": (several(cut, other_numbers), 0, "gives other numbers", "gives other numbers (versions"),
    "another machine": (other_machine, 0, "another kind of machine (Plan9 mips, 2 cores)", NOTHING),
    "no environment.json": (gone("environment.json"), 1, "environment.json: is gone", "environment.json: is gone"),
    "nor is it done": (
        several(cut, gone("environment.json")),
        1,
        "environment.json: is gone",
        "environment.json: is gone",
    ),
    "an environment of text": (lambda s: (s / "environment.json").write_text('"x"'), 1, "it is no table", "stops: "),
    "confirmed.json of text": (lambda s: (s / "confirmed.json").write_text('"x"'), 1, "no list of models", "stops: "),
    "half a summary": (lambda s: (s / "summary.json").write_text("{"), 1, "it is written anew", NOTHING),
    "a source is gone": (own_source, 1, "sources/my.py is gone", "trains anew what is of a class of your own"),
    "a stranger": (lambda s: (s / "blocks" / "mine").mkdir(), 0, "blocks/ holds mine, none of the study's", NOTHING),
    "a stop file": (lambda s: (s / "stop").touch(), 0, "the next one removes it", NOTHING),
}


def append(study, line):
    with (study / GRU / "metrics.jsonl").open("a") as file:
        file.write(line)


def state(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*")}


@pytest.mark.parametrize("name", CASES)
def test_what_is_found_and_what_comes_next(name, whole, tmp_path, capsys):
    hurt, damaged, found, then = CASES[name]
    study = shutil.copytree(whole, tmp_path / "study")
    hurt(study)
    before = state(tmp_path)
    assert main(["doctor", str(study)]) == (1 if damaged else 0)
    said = capsys.readouterr()
    assert examine(study).damaged == damaged, said.out
    findings, _, next_ = said.out.partition("the same command")
    assert found in findings
    assert then in next_
    assert ("all files are whole" in findings) == (not damaged)
    assert ("damaged" in said.err) == bool(damaged)
    assert state(tmp_path) == before


def test_who_holds_it_is_named(whole, tmp_path):
    """The command, or a worker that outlives it for a chunk."""
    study = shutil.copytree(whole, tmp_path / "study")
    with locked(study):
        assert "study is in use by process " in examine(study).refused[0]
    with locked(study / GRU):
        assert examine(study).findings[0].what.startswith("is held by process ")
    assert not examine(study).refused


def test_who_holds_it_on_another_machine_is_named_and_left_alone(whole, tmp_path):
    """By the file that the holder writes now and then; the clock is asked without writing."""
    study = shutil.copytree(whole, tmp_path / "study")
    holder = study / GRU / "holder-3"
    holder.write_text(json.dumps({"machine": "another", "holder": "process 7 on node-2"}))
    (study / GRU / "lock").touch()
    for ago, said in (
        (20, "is held by process 7 on node-2, a worker on another machine, heard of 20 s ago"),
        (
            300,
            "was held by process 7 on node-2, a worker on another machine, heard of 300 s ago: it counts as dead, and",
        ),
    ):
        for path in (holder, study / GRU / "lock"):
            os.utime(path, 2 * (time.time() - ago,))
        before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
        found = examine(study).findings[0].what
        assert re.sub(r"\d+ s ago", f"{ago} s ago", found).startswith(said)
        assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


WITHOUT = {  # a folder without a study: (what is arranged, what a command does there)
    "nowhere": (lambda folder: None, "there is no such folder, and attn-jax compare makes it"),
    "empty": (lambda folder: folder.mkdir(), "it is empty, and attn-jax compare begins one"),
    "a file": (lambda folder: folder.touch(), "it is a file, and attn-jax compare refuses it"),
    "cut off": (lambda folder: (folder.mkdir(), (folder / "lock").touch()), "it is cut off before it was one, and"),
    "another's": (
        lambda folder: (folder.mkdir(), (folder / "thesis.tex").touch()),
        "it holds thesis.tex, and attn-jax",
    ),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_folder_without_a_study(name, tmp_path):
    arrange, said = WITHOUT[name]
    arrange(tmp_path / "s")
    with pytest.raises(ConfigError, match=f"s: holds no study .*{said}"):
        examine(tmp_path / "s")


def test_a_file_that_may_not_be_read_is_named(whole, monkeypatch, capsys):
    refuse = Mock(side_effect=PermissionError(13, "Permission denied", "190.npz"))  # a function would be a user's
    monkeypatch.setattr("attn_jax.lab.run.saved.is_whole", refuse)
    assert main(["doctor", str(whole)]) == 4
    assert "190.npz: permission denied" in capsys.readouterr().err


def test_a_sweep_is_examined_point_by_point(whole, tmp_path, capsys):
    points = {name: {"train.steps": value} for name, value in (("a", 1), ("b", 2), ("c", 3))}
    for point in ("a", "b"):
        shutil.copytree(whole, tmp_path / "points" / point)
    cut(tmp_path / "points" / "b")
    flip(tmp_path / "points" / "b", 100)
    write_json(
        tmp_path / "sweep.json", {"schema": 1, "study": {"name": "s"}, "axes": {"train.steps": [1]}, "points": points}
    )
    assert main(["doctor", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "sweep s, 3 studies" in said
    assert "3 of 4 blocks trained" in said
    assert "damaged: points/b/blocks/gru-0: checkpoint 100" in said
    assert "b: goes on with gru-0 from step 90" in said
    assert "c: begins it" in said
    with locked(tmp_path / "points" / "a"):
        assert "a: " in examine(tmp_path).refused[0]
    (tmp_path / "sweep.json").write_text("[]")
    assert examine(tmp_path).refused
