"""Commands with --track: studies that are trained, go on, grow or are done, and sweeps, are told whole."""

import sys
from types import ModuleType

import pytest
from processes import CONFIG
from test_tracking import Recorder
from written_study import tiny, write_study
from written_sweep import AtOnce, tiny_sweep, write_sweep

from attn_jax.cli import main
from attn_jax.commands.arguments import parse
from attn_jax.files import read_json
from attn_jax.lab import workers
from attn_jax.lab.comparison import compare
from attn_jax.lab.run.places.base import Place
from attn_jax.lab.track.protocol import TrackedRun


@pytest.mark.parametrize("command", ["compare", "train"])
def test_the_words_of_a_command(command):
    words = [command, "--config=x", *(["--model=gru"] if command == "train" else [])]
    assert parse(words).track == []
    assert parse([*words, "--track=tensorboard", "--track", "a.b:c"]).track == ["tensorboard", "a.b:c"]


@pytest.mark.exhaustive
def test_a_study_is_told_whole_by_each_command(tmp_path):
    """Thirty steps; twenty more; and once it is done."""
    recorders = {30: Recorder(), 50: Recorder(), 0: Recorder()}
    for steps, recorder in recorders.items():
        compare(tiny(steps=steps or 50), workdir=tmp_path, platform="cpu", track=[lambda made=recorder: made])
        (_, study), *_, (_, summary) = recorder.calls
        assert summary == read_json(tmp_path / "summary.json")
        for model in study["config"]["models"]:
            wanted = list(range(10, (steps or 50) + 1, 10))
            assert [*recorder.of(TrackedRun(model, 1e-3, 0), "train/loss")] == wanted
            assert [*recorder.of(TrackedRun(model, 1e-3, None), "eval/score/mean")] == wanted
    assert sorted(map(str, recorders[50].logged)) == sorted(map(str, recorders[0].logged))


@pytest.mark.exhaustive
def test_a_sweep_tells_each_point_as_a_study(tmp_path, monkeypatch):
    write_sweep(tmp_path / "s")
    monkeypatch.setattr(workers, "open_place", lambda *args: Place(AtOnce(), 1))
    monkeypatch.setenv("NPROC", "1")  # what a worker has; this process is none
    recorders = []

    def make():
        recorders.append(Recorder())
        return recorders[-1]

    compare(tiny_sweep(), workdir=tmp_path / "s", platform="cpu", track=[make])
    points = {recorder.calls[0][1]["name"]: recorder for recorder in recorders}
    assert [*points] == ["tiny-d_model-4", "tiny-d_model-8", "tiny-d_model-16"]
    for recorder in recorders:
        (_, study), *_, (_, summary) = recorder.calls
        assert summary["study"] == study["name"]
        assert len(recorder.of(TrackedRun("gru", 3e-3, 1), "eval/score")) == 20


@pytest.mark.exhaustive
def test_train_tells_its_model_and_has_no_summary(tmp_path, monkeypatch):
    write_study(tmp_path / "s")
    recorder, module = Recorder(), ModuleType("my_trackers")
    module.make = lambda: recorder
    monkeypatch.setitem(sys.modules, "my_trackers", module)
    words = [f"--config={CONFIG}", f"--workdir={tmp_path / 's'}", "--model=gru", "--platform=cpu"]
    assert main(["train", *words, "--track=my_trackers:make"]) == 0
    assert {run.model for _, run, _, _ in recorder.logged} == {"gru"}
    assert recorder.calls[-1] == ("finish", None)
