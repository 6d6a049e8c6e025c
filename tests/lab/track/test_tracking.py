"""What a tracker is told of a study, each number once; and that nothing a tracker does ends a study."""

import io
import math
import sys
import threading
from types import ModuleType

import numpy as np
import pytest
from rich.console import Console
from written_study import write_study

from attn_jax.errors import MachineError
from attn_jax.lab.outcome.statistics import mean_interval
from attn_jax.lab.record.directory import append_row, read_rows, write_json
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.pace import Extent, Pace
from attn_jax.lab.track import tracking
from attn_jax.lab.track.protocol import TrackedRun
from attn_jax.lab.track.scalars import Scalars, rate_factor
from attn_jax.lab.track.tracking import tracked
from attn_jax.training.optim import learning_rate_schedule

EXTENT = Extent({"transformer": 1, "gru": 1}, 200, [2, 4, 6], 10, 2)


class Recorder:
    """Keeps what it is told; fails where it is asked to."""

    def __init__(self, fails=None):
        self.calls, self.fails = [], fails

    def _told(self, method, *given):
        if self.fails == method:
            raise RuntimeError("the server is gone\nand more")
        self.calls.append((method, *given))

    def start(self, study):
        self._told("start", study)

    def log(self, run, step, scalars):
        self._told("log", run, step, scalars)

    def finish(self, summary):
        self._told("finish", summary)

    def of(self, run, name):
        """{step: value} of a run's scalar; each step once."""
        found = [(step, scalars[name]) for _, of, step, scalars in self.logged if of == run and name in scalars]
        assert len(dict(found)) == len(found)
        return dict(found)

    @property
    def logged(self):
        return [call for call in self.calls if call[0] == "log"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tracked") / "s"
    write_study(directory)
    return directory


def told(directory, *which, screen=None):
    """What trackers are told of a directory by a command that trains nothing."""
    with tracked(which, Console(file=screen or io.StringIO()), concluded=False) as following:
        following.catch_up(directory, EXTENT)


def test_a_study_is_told_from_its_config_to_its_summary(finished):
    recorder = Recorder()
    write_json(finished / "summary.json", {"verdict": "so"})
    with tracked([lambda: recorder], Console(file=io.StringIO())) as following:
        following.catch_up(finished, EXTENT)
    (_, study), *logged, (_, summary) = recorder.calls
    assert (study["name"], study["directory"]) == ("tiny", str(finished))
    assert study["config"] == read_study(finished)["config"]
    assert summary == {"verdict": "so"}
    runs = {run for _, run, _, _ in logged}
    assert runs == {TrackedRun(m, a, s) for m in ("transformer", "gru") for a in (1e-3, 3e-3) for s in (0, 1, None)}
    names = {name for *_, scalars in logged for name in scalars}
    assert {name.partition("/")[0] for name in names} == {"train", "eval", "optim", "perf"}
    assert all(math.isfinite(value) for *_, scalars in logged for value in scalars.values())


def test_numbers_are_those_of_the_rows(finished):
    recorder = Recorder()
    told(finished, lambda: recorder)
    steps = list(range(10, 201, 10))
    # the runs of written_study: an accuracy of .5 + .1 * run, of which chance is .5; the third diverged
    scores = [[0.0, 0.2], [None, 0.6]]  # [seed][rate]
    for seed, rate in np.ndindex(2, 2):
        run = TrackedRun("gru", (1e-3, 3e-3)[rate], seed)
        score = scores[seed][rate]
        assert recorder.of(run, "optim/diverged") == dict.fromkeys(steps, float(score is None))
        assert recorder.of(run, "eval/score") == pytest.approx({} if score is None else dict.fromkeys(steps, score))
        assert [*recorder.of(run, "eval/test/score")] == [200]
    assert recorder.of(run, "optim/learning_rate") == pytest.approx(dict.fromkeys(steps, 3e-3))
    width = read_study(finished)["width"]
    assert recorder.of(run, "perf/seconds_per_step") == pytest.approx(dict.fromkeys(steps, 1 / 10 / width))
    low = mean_interval([0.2, 0.6], (-1, 1)).low
    several = TrackedRun("gru", 3e-3, None)
    assert recorder.of(several, "eval/score/mean") == pytest.approx(dict.fromkeys(steps, 0.4))
    assert recorder.of(several, "eval/score/low") == pytest.approx(dict.fromkeys(steps, low))
    assert recorder.of(several, "eval/score/high") == pytest.approx(dict.fromkeys(steps, 1.0))
    assert recorder.of(TrackedRun("gru", 1e-3, None), "eval/score/mean") == pytest.approx(dict.fromkeys(steps, 0.0))


def test_of_one_seed_a_bound_that_is_infinite_is_not_told(finished):
    facts = read_study(finished)
    facts["config"]["train"]["seeds"] = 1
    facts["task"]["metric"] = "mse"  # an error has no largest value
    row = next(row for row in read_rows(finished / "blocks" / "gru-0" / "metrics.jsonl") if "step" in row)
    told = [numbers for run, _, numbers in Scalars(facts).of("gru", 0, row) if run.seed is None]
    assert told
    assert all(math.isfinite(value) for numbers in told for value in numbers.values())
    assert min(map(len, told)) < 3


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_rate_is_that_of_training(schedule):
    wanted = learning_rate_schedule(schedule, warmup_steps=3, steps=20)
    train = {"warmup_steps": 3, "schedule": schedule, "steps": 20}
    assert [rate_factor(train, step) for step in range(20)] == pytest.approx([float(wanted(i)) for i in range(20)])


def test_what_a_resumption_writes_again_is_told_once(finished):
    facts = read_study(finished)
    rows = read_rows(finished / "blocks" / "gru-0" / "metrics.jsonl")
    scalars = Scalars(facts)
    first = [logged for row in rows[:5] for logged in scalars.of("gru", 0, row)]
    again = [{"start": 20, "compile_seconds": 1.0}, *rows[2:5], {"compiling": True}, {"step": "torn"}, {"test": {}}]
    assert [logged for row in again for logged in scalars.of("gru", 0, row)] == []
    later = [{"start": 50, "compile_seconds": 1.0}, rows[5]]
    later = [logged for row in later for logged in scalars.of("gru", 0, row)]
    assert {(step, "perf/compile_seconds" in scalars) for _, step, scalars in later} == {(50, True), (60, False)}
    assert len(first) > 5


def test_what_probes_say_in_one_number_is_told(finished):
    facts = read_study(finished)
    scalars = Scalars(facts)
    values = {"all": [None, 1.5, None, 2], "rows": [[1.0], [2.0], [3.0], [4.0]]}
    row = {"probe": "gradient_norms", "at": 10, "config": {}, "values": values}
    said = [(run.seed, step, numbers) for run, step, numbers in scalars.of("gru", 0, row)]
    norm = lambda value: {"optim/gradient_norms/all": value}  # noqa: E731
    assert said == [(0, 10, {}), (0, 10, norm(1.5)), (1, 10, {}), (1, 10, norm(2.0))]


def module(monkeypatch, **names):
    made = ModuleType("my_trackers")
    vars(made).update(names)
    monkeypatch.setitem(sys.modules, "my_trackers", made)


def _raises():
    raise MachineError("no key in key.txt")


FAILING = {
    "start": (lambda: Recorder("start"), "RuntimeError: the server is gone; the"),
    "log": (lambda: Recorder("log"), "RuntimeError: the server is gone; the"),
    "finish": (lambda: Recorder("finish"), "RuntimeError: the server is gone; the"),
    "making it": (_raises, "no key in key.txt; the"),
    "no object": (lambda: None, "gave a NoneType without start(); the"),
    "exits": (lambda: sys.exit("enough"), "SystemExit: enough; the"),
}


@pytest.mark.parametrize("how", FAILING)
def test_a_tracker_that_fails_ends_itself_with_one_sentence(how, finished, monkeypatch):
    make, said = FAILING[how]
    module(monkeypatch, make=make)
    screen, other = io.StringIO(), Recorder()
    told(finished, "my_trackers:make", lambda: other, screen=screen)
    assert screen.getvalue().count("--track") == screen.getvalue().count("\n") == 1
    assert screen.getvalue().startswith("--track=my_trackers:make: ")
    assert screen.getvalue().endswith(f"{said} study goes on without it\n")
    assert other.calls[-1][0] == "finish"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tensorbord", "no such tracker, did you mean tensorboard?"),
        ("nowhere.at_all:f", "got 'nowhere.at_all:f', and python finds no module nowhere here"),
        ("my_trackers:g", "got 'my_trackers:g', and my_trackers has no g"),
        ("my_trackers:", "no such tracker"),
    ],
)
def test_a_wrong_name_is_a_sentence(name, said, finished, monkeypatch):
    module(monkeypatch)
    screen = io.StringIO()
    told(finished, name, screen=screen)
    assert screen.getvalue().startswith(f"--track={name}: {said}")
    assert screen.getvalue().count("\n") == 1


@pytest.mark.parametrize("waiting", [10_000, 2])
def test_a_tracker_that_stands_still_holds_nothing_up(finished, monkeypatch, waiting):
    for name, value in {"_PATIENCE": 0.05, "_SHORT_PATIENCE": 0.05, "_WAITING": waiting}.items():
        monkeypatch.setattr(tracking, name, value)
    ended, screen = threading.Event(), io.StringIO()
    told(finished, lambda: ended.wait(60), screen=screen)
    ended.set()
    assert screen.getvalue().count("\n") == 1
    assert ("behind" if waiting == 2 else "has not answered for") in screen.getvalue()


def test_a_study_that_fails_has_no_summary(finished):
    recorder = Recorder()

    def interrupted():
        with tracked([lambda: recorder], Console(file=io.StringIO())) as following:
            following.catch_up(finished, EXTENT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert recorder.calls[-1] == ("finish", None)


def test_rows_are_told_as_they_come(tmp_path):
    folder, heard = tmp_path / "blocks" / "gru-0", []
    folder.mkdir(parents=True)
    pace = Pace(tmp_path, EXTENT, lambda *what: heard.append(what))
    append_row(folder / "metrics.jsonl", {"start": 0, "compile_seconds": 1.0})
    pace.update()
    pace.update()
    assert heard == [("gru", 0, {"start": 0, "compile_seconds": 1.0})]
