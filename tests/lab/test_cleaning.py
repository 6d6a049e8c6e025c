"""`attn-jax clean`: what goes, what stays, who is in the way; and what still works afterwards."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from written_study import tiny, write_study

from attn_jax.cli import main
from attn_jax.errors import MachineError
from attn_jax.lab import load
from attn_jax.lab.cleaning import clean, freeable
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import block_directory, locked, read_rows, write_json
from attn_jax.lab.run.block import run_block
from attn_jax.lab.run.session import Layout, jobs_of, opened
from attn_jax.lab.summaries import write_summary
from attn_jax.mixers import GRU
from attn_jax.models import classic
from attn_jax.training.checkpoint import Checkpoints

MINE = ("blocks/gru-0/checkpoints/notes.txt", "blocks/gru-0/checkpoints/best.npz", "mine/200.npz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished study of two blocks, with two checkpoints each, its summary, and files of somebody else's."""
    folder = tmp_path_factory.mktemp("whole") / "study"
    write_study(folder)
    write_summary(load(folder))
    for name in ("transformer", "gru"):
        saved = Checkpoints(block_directory(folder, name, 0) / "checkpoints")
        for step in (190, 200):
            saved.save(step, {"x": np.full(50, step, np.float32)})
    for file in (*MINE, "blocks/gru-0/checkpoints/9.npz.part", "blocks/gru-0/checkpoints/unreadable-9.npz"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("12345")
    return folder


@pytest.fixture
def study(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "study")


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def unfinish(study, name="gru"):
    path = block_directory(study, name, 0) / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in read_rows(path)[:-1]))


def test_the_last_checkpoints_stay_and_all_else_is_whole(study, capsys):
    before = files(study)
    found = freeable(study)
    assert files(study) == before
    assert main(["clean", str(study)]) == 0
    after = files(study)
    gone = {"blocks/transformer-0/checkpoints/190.npz", "blocks/gru-0/checkpoints/190.npz"}
    gone |= {"blocks/gru-0/checkpoints/9.npz.part", "blocks/gru-0/checkpoints/unreadable-9.npz"}
    assert before.keys() - after.keys() == gone
    assert found.size == sum(len(before[name]) for name in gone)
    assert {name: data for name, data in after.items() if name != "lock"} == {
        name: data for name, data in before.items() if name not in {"lock", *gone}
    }
    assert "freed " in (said := capsys.readouterr().out)
    assert "4 files" in said
    assert main(["clean", str(study)]) == 0
    assert "freed 0 B, 0 files" in capsys.readouterr().out
    write_summary(load(study))
    assert (study / "summary.json").read_bytes() == before["summary.json"]
    assert main(["doctor", str(study)]) == 0


def test_all_frees_the_last_too_and_says_what_is_lost(study, capsys):
    before = files(study)
    assert main(["clean", str(study), "--all"]) == 0
    said = capsys.readouterr().out
    assert "lost with the last checkpoints of transformer-0 and gru-0: the trained models" in said
    left = {path.name for path in (study / "blocks" / "gru-0" / "checkpoints").iterdir()}
    assert left == {"notes.txt", "best.npz"}
    write_summary(load(study))
    assert (study / "summary.json").read_bytes() == before["summary.json"]
    with pytest.raises(MachineError, match="the checkpoint is gone; delete the folder"):
        load(study).model("gru", seed=0)


def test_what_is_not_trained_keeps_all(study, capsys):
    unfinish(study)
    assert main(["clean", str(study), "--all"]) == 0
    assert "not trained to the end, nothing freed: gru-0" in capsys.readouterr().out
    assert (study / "blocks" / "gru-0" / "checkpoints" / "190.npz").exists()
    assert not (study / "blocks" / "transformer-0" / "checkpoints" / "200.npz").exists()


def test_the_one_before_a_damaged_one_stays(study):
    last = study / "blocks" / "gru-0" / "checkpoints" / "200.npz"
    last.write_bytes(last.read_bytes()[:-1])
    assert clean(study).untouched == {"gru-0": "its last checkpoint is damaged or gone"}
    assert last.exists()
    assert last.with_name("190.npz").exists()


@pytest.mark.parametrize("place", ["", "blocks/gru-0"])
def test_nothing_is_freed_while_somebody_is_at_it(place, study, capsys):
    before = files(study)
    with locked(study / place):
        assert main(["clean", str(study), "--all"]) == 4
    assert "is in use by process " in capsys.readouterr().err
    assert files(study).keys() - {"lock", "blocks/gru-0/lock"} == before.keys() - {"lock"}


def test_blocks_of_an_older_source_keep_their_newest(study, capsys):
    """And with --all they do not, which is said."""
    old = study / "replaced" / "1" / "gru-0" / "checkpoints"
    for step in (80, 90):
        Checkpoints(old).save(step, {"x": np.zeros(3)})
    assert main(["clean", str(study)]) == 0
    assert [path.name for path in old.iterdir()] == ["90.npz"]
    assert "older source" not in capsys.readouterr().out
    assert main(["clean", str(study), "--all"]) == 0
    assert not list(old.iterdir())
    said = "lost with the last checkpoints of replaced/1/gru-0: models that an older source trained\n"
    assert said in capsys.readouterr().out
    assert main(["clean", str(study), "--all"]) == 0
    assert "lost" not in capsys.readouterr().out


def test_a_sweep_is_cleaned_point_by_point(whole, tmp_path):
    for point in ("a", "b"):
        shutil.copytree(whole, tmp_path / "points" / point)
    points = {name: {"train.steps": value} for name, value in (("a", 1), ("b", 2), ("c", 3))}
    facts = {"schema": 1, "study": {"name": "s"}, "axes": {"train.steps": [1, 2, 3]}, "points": points}
    write_json(tmp_path / "sweep.json", facts)
    unfinish(tmp_path / "points" / "b")
    with locked(tmp_path / "points" / "b"), pytest.raises(MachineError, match="b is in use"):
        clean(tmp_path)
    found = clean(tmp_path)
    assert found.untouched == {"b/gru-0": "not trained to the end"}
    assert {path.name for path in (tmp_path / "points" / "a").rglob("*.npz")} == {"200.npz", "best.npz"}


def test_a_folder_of_no_study_is_left_alone(tmp_path, capsys):
    (tmp_path / "200.npz").touch()
    assert main(["clean", str(tmp_path)]) == 2
    assert "holds no study" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["200.npz"]


def train(directory, steps):
    """The tiny study's GRU to so many steps, in this process; what is said of each step."""
    study = tiny(steps=steps, seeds=1)
    plan = StudyPlan(replace(study, models={"gru": classic(GRU(), d_model=4, num_layers=1)}, match=None))
    with opened(directory, plan, Layout(2, 1, "cpu", 1)):
        for job in jobs_of(plan, directory, Layout(2, 1, "cpu", 1), ["gru"]):
            assert run_block(job, lambda: False)
    write_json(directory / "environment.json", {"versions": {}, "numbers": recorded()})
    rows = read_rows(block_directory(directory, "gru", 0) / "metrics.jsonl")
    return {row["step"]: (row["train_loss"], row["validation"]) for row in rows if "step" in row}


@pytest.mark.exhaustive
@pytest.mark.parametrize("last", [False, True])
def test_a_cleaned_study_grows_and_its_models_are_there(last, tmp_path, capfd):
    """With its last checkpoint it goes on from there; without, from the first step, says so, to the same numbers."""
    wanted = train(tmp_path / "whole", 50)
    train(tmp_path / "s", 40)
    assert clean(tmp_path / "s", last=last).files
    if not last:
        assert load(tmp_path / "s").model("gru", seed=0)[1]
    capfd.readouterr()
    assert train(tmp_path / "s", 50) == wanted
    assert ("its checkpoints are gone; it is trained anew from its first step" in capfd.readouterr().out) == last
    starts = [row["start"] for row in read_rows(tmp_path / "s/blocks/gru-0/metrics.jsonl") if "start" in row]
    assert starts == ([0, 0] if last else [0, 40])
