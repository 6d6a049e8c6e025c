"""A sweep's directory: sweep.json first, a study a point; it may gain values and loses none; one command at a time."""

import json
from dataclasses import replace

import pytest
from rich.console import Console
from tiny_study import get_config
from written_sweep import AXIS, AtOnce, begin_sweep, tiny_sweep, write_sweep

from attn_jax.config import Sweep
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab.plan.alike import alike
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.record.sweep_record import read_sweep
from attn_jax.lab.run import sweep_session
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.sweep_session import plan_points, sweep_jobs
from attn_jax.lab.sweeping import trained_sweep
from attn_jax.lab.track.tracking import Tracking

RATES = "train.learning_rates"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sweep") / "s"
    write_sweep(directory)
    return directory


def test_every_point_is_a_study(finished):
    assert list(read_sweep(finished)["points"]) == ["d_model=4", "d_model=8", "d_model=16"]
    for point, values in read_sweep(finished)["points"].items():
        facts = read_study(finished / "points" / point)
        assert facts["config"]["models"]["transformer"]["d_model"] == values[AXIS]
        assert facts["config"]["name"] == f"tiny-{point}".replace("=", "-")
    assert not (finished / "points" / "lock").exists()


STUDY = get_config()
REFUSED = {
    r"axes.models.transformer.d_model: 4 is gone\)": {"axes": {AXIS: (8, 16)}},
    rf"axes: {AXIS} -> {RATES}": {"axes": {RATES: ((1e-3,),)}},
    r"name: tiny -> other": {"study": replace(STUDY, name="other")},
    r"d_model=4: belongs to another config .*train.batch_size: 4 -> 8": {
        "study": replace(STUDY, train=replace(STUDY.train, batch_size=8))
    },
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("said", REFUSED)
def test_another_sweep_is_refused_with_the_difference(finished, said):
    before = (finished / "sweep.json").read_bytes()
    sweep = Sweep(**({"study": STUDY, "axes": {AXIS: (4, 8, 16, 64)}} | REFUSED[said]))
    _, opening = begin_sweep(finished, sweep)
    with pytest.raises(ConfigError, match=said), opening:
        pass
    assert (finished / "sweep.json").read_bytes() == before
    assert not (finished / "points" / "d_model=64").exists()


@pytest.mark.exhaustive
def test_a_second_command_stops(finished):
    _, opening = begin_sweep(finished, tiny_sweep())
    _, second = begin_sweep(finished, tiny_sweep())
    with opening, pytest.raises(MachineError, match="is in use by process"), second:
        pass


@pytest.mark.parametrize("name", ["study.json", "notes.txt"])
def test_a_folder_of_something_else_is_left_alone_before_anything_is_said(tmp_path, name, capsys):
    (tmp_path / name).write_text("{}")
    console = Console()
    options = {"platform": "cpu", "place": "processes", "yes": True, "console": console}
    training = trained_sweep(tiny_sweep(), tmp_path, **options, tracking=Tracking((), console))
    with pytest.raises(ConfigError, match=rf"holds {name} and no sweep"), training:
        pass
    assert not capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_sweep_json_is_there_before_any_point(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep_session, "opened_point", lambda *given, **options: 1 / 0)
    _, opening = begin_sweep(tmp_path / "s", tiny_sweep(**{AXIS: (4,)}))
    with pytest.raises(ZeroDivisionError), opening:
        pass
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"sweep.json", "lock"}


def test_alike_points_are_planned_once_and_share_programs(tmp_path):
    axes = {RATES: ((1e-3,), (3e-3, 1e-2)), "train.seeds": (1, 2), "train.batch_size": (4, 8)}
    executor = AtOnce()
    points, opening = begin_sweep(tmp_path / "s", tiny_sweep(**axes), executor)
    assert len(points) == 8
    assert len(executor.calls) == 2
    for point in points.values():
        assert point.facts["config"]["train"]["learning_rates"] == list(point.plan.study.train.learning_rates)
        assert all(
            json.loads(study)["train"]["seeds"] == point.plan.study.train.seeds for study in point.studies.values()
        )
    with opening as layouts:
        jobs = sweep_jobs(tmp_path / "s", points, layouts)
    kinds = [(alike(job.study), job.width) for job in jobs]
    first = len(set(kinds))
    assert len(set(kinds[:first])) == first < len(kinds)
    assert {job.root for job in jobs} == {str(tmp_path / "s")}


def test_the_facts_of_a_point_are_those_of_its_study_alone(finished, tmp_path):
    _, opening = begin_sweep(tmp_path / "s", tiny_sweep(**{AXIS: (8,)}))
    with opening:
        assert read_study(tmp_path / "s" / "points" / "d_model=8") == read_study(finished / "points" / "d_model=8")


def test_a_point_that_cannot_be_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"models\.transformer: .*num_heads"):
        plan_points(tiny_sweep(**{AXIS: (4, 5)}), tmp_path, AtOnce(), Terms())
    assert not list(tmp_path.iterdir())


def test_it_gains_values_and_what_is_there_stays(finished):
    before = {path: path.read_bytes() for path in finished.rglob("*.json*")}
    points, opening = begin_sweep(finished, tiny_sweep(**{AXIS: (4, 32, 8, 16)}))
    with opening as layouts:
        jobs = sweep_jobs(finished, points, layouts)
    assert {job.directory for job in jobs} == {str(finished / "points" / "d_model=32")}
    assert {job.root for job in jobs} == {str(finished)}
    assert list(read_sweep(finished)["points"]) == ["d_model=4", "d_model=32", "d_model=8", "d_model=16"]
    assert all(path.read_bytes() == old for path, old in before.items() if path.name != "sweep.json")


@pytest.mark.exhaustive
def test_it_grows_as_its_studies_do(finished, capsys):
    grown = Sweep(replace(STUDY, train=replace(STUDY.train, seeds=3)), {AXIS: (4, 32, 8, 16)})
    points, opening = begin_sweep(finished, grown)
    with opening as layouts:
        jobs = [job for job in sweep_jobs(finished, points, layouts) if "d_model=32" not in job.directory]
    assert {job.runs for job in jobs} == {((2, 1e-3), (2, 3e-3))}
    assert len(jobs) == 6
    assert "study tiny-d_model-4 in" in (said := capsys.readouterr().out)
    assert "grows by 1 seed, 2 -> 3" in said
    assert read_sweep(finished)["study"]["train"]["seeds"] == 3
