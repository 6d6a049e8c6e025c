"""Places for jobs: what `--place` takes, and what a worker refuses before it computes."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from attn_jax import cli
from attn_jax.cli import main
from attn_jax.errors import ConfigError, InterruptedStudyError, InUseError, MachineError
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.record.holding import is_owner, take_over
from attn_jax.lab.run import by_hand
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.job_file import read_job, write_job
from attn_jax.lab.run.places import prepare, there
from attn_jax.lab.run.places.base import Terms, terms_here
from attn_jax.lab.run.places.opening import open_place
from attn_jax.lab.run.places.prepare import prepare as prepared
from attn_jax.platforms import cpu_cores

WRONG = {
    "nowhere": "--place: got 'nowhere', wanted one of processes",
    "processes:4": "--place: got 'processes:4', wanted one of processes",
    "dask": "--place: got 'dask:', wanted dask:tcp://HOST:PORT or dask:local:4",
    "dask:local:0": "--place: got 'dask:local:0', wanted",
    "dask:http://host:80": "--place: got 'dask:http://host:80', wanted",
    "slurm": "--place: got 'slurm:', wanted slurm:array or slurm:array:64",
    "nowhere:made": "--place: got 'nowhere:made', and python finds no module nowhere here",
    "attn_jax.names:made": "--place: got 'attn_jax.names:made', and attn_jax.names has no made",
    "os:getpid": "--place: os:getpid() gives a int, wanted a concurrent.futures.Executor or a Place",
    "os:name": "--place: os:name is a str, wanted a function that returns an executor",
    "shutil:move": "--place: shutil:move() cannot be called: move() missing 2 required positional arguments: 'src' and",
    "thread": "--place=thread: got a CPU, wanted an accelerator; on a CPU it is processes",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_place_that_is_none(name):
    with pytest.raises(ConfigError) as caught:
        open_place(name, "cpu", Path())
    assert WRONG[name] in str(caught.value)


def test_this_machine_is_the_default():
    place = open_place("auto", "cpu", Path())
    place.executor.shutdown()
    assert (place.workers, place.num_devices) == (len(cpu_cores()), 1)
    with pytest.raises(ConfigError, match="--place=processes: got a gpu, wanted a CPU"):
        open_place("processes", "gpu", Path())
    beside = open_place("auto", "gpu", Path())
    beside.executor.shutdown()
    assert (beside.workers, beside.num_devices) == (1, 1)


def test_a_worker_is_what_the_command_is(monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    prepared(terms_here("cpu"))
    prepared(Terms())


def test_a_worker_with_several_threads_is_refused(monkeypatch):
    monkeypatch.delenv("NPROC", raising=False)
    monkeypatch.setattr(prepare, "_started", lambda: True)
    with pytest.raises(MachineError, match="had started jax with several threads before its first job"):
        prepared(terms_here("cpu"))
    with pytest.raises(MachineError, match="runs jax on cpu, wanted gpu"):
        prepared(terms_here("gpu"))


def test_a_worker_with_another_jaxlib_is_refused(monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    numbers = recorded()
    numbers["versions"]["jaxlib"] = "0.0.1"
    with pytest.raises(MachineError, match=r"gives other numbers than the command \(versions.jaxlib: 0.0.1 -> "):
        prepared(Terms("cpu", json.dumps(numbers)))


@pytest.mark.parametrize(("platform", "seen", "wanted"), [("gpu", 4, 1), ("gpu", 1, 4), ("cpu", 1, 2)])
def test_a_worker_that_does_not_see_the_devices_of_its_job_is_refused(platform, seen, wanted, monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    monkeypatch.setattr(prepare, "_started", lambda: True)
    monkeypatch.setattr(prepare.jax, "default_backend", lambda: platform)
    monkeypatch.setattr(prepare.jax, "local_device_count", lambda: seen)
    prepared(Terms(platform), seen)
    prepared(Terms(platform))  # it has no job
    with pytest.raises(MachineError) as caught:
        prepared(Terms(platform), wanted)
    assert f" sees {seen} {platform} device{'s' * (seen > 1)}, wanted {wanted} for its job" in str(caught.value)
    assert ("; CUDA_VISIBLE_DEVICES gives each worker its own" in str(caught.value)) == (platform == "gpu")


def test_a_cpu_worker_may_see_more_devices_than_its_job_takes(monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    monkeypatch.setattr(prepare.jax, "local_device_count", lambda: 4)
    prepared(Terms("cpu"), 1)


def test_a_worker_that_has_not_started_jax_is_given_what_it_needs(monkeypatch):
    monkeypatch.setenv("NPROC", "7")
    monkeypatch.setenv("LIBTPU_INIT_ARGS", "")
    monkeypatch.setattr(prepare, "_started", lambda: False)
    numbers = recorded()
    numbers["flags"]["LIBTPU_INIT_ARGS"] = "--a --b"
    prepared(Terms("cpu", json.dumps(numbers)))
    assert prepare.os.environ["NPROC"] == "1"
    assert prepare.os.environ["LIBTPU_INIT_ARGS"] == "--a --b"


def test_a_place_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "places_of_mine.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from attn_jax.lab.run.places.base import Place\n"
        "def three(): return ThreadPoolExecutor(3)\n"
        "def eight(): return Place(ThreadPoolExecutor(1), 8, died=lambda error: True)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    for name, workers in {"places_of_mine:three": 3, "places_of_mine:eight": 8}.items():
        place = open_place(name, "cpu", tmp_path / "study")
        place.executor.shutdown()
        assert (place.workers, place.words) == (workers, name)
    monkeypatch.setattr(there.os.path, "exists", lambda path: False)
    with pytest.raises(MachineError, match=f"does not see {tmp_path}/study; give a --workdir on a file system"):
        open_place("places_of_mine:three", "cpu", tmp_path / "study")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == ["places_of_mine.py"]


@pytest.mark.parametrize(
    ("made", "said"),
    {
        "Place(None, 2)": "gives a Place of a NoneType, wanted one of a concurrent.futures.Executor",
        "Place(pool, 0)": "gives a Place with workers=0, wanted a whole number from 1",
        "Place(pool, 1.5)": "gives a Place with workers=1.5, wanted",
        "Place(pool, 1, 0)": "gives a Place with num_devices=0, wanted",
    }.items(),
)
def test_a_place_of_ones_own_that_is_none(made, said, tmp_path, monkeypatch):
    (tmp_path / "places_of_mine.py").write_text(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from attn_jax.lab.run.places.base import Place\n"
        "pool = ThreadPoolExecutor(1)\n"
        f"def made(): return {made}\n"
        "def fails(): return len(3)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    with pytest.raises(ConfigError) as caught:
        open_place("places_of_mine:made", "cpu", tmp_path / "study")
    assert f"--place: places_of_mine:made() {said}" in str(caught.value)
    with pytest.raises(TypeError, match="object of type 'int' has no len"):  # with its line, in blame.py's words
        open_place("places_of_mine:fails", "cpu", tmp_path / "study")


def test_workers_that_would_not_do(tmp_path):
    with there.marked(tmp_path / "not" / "there") as marker:
        fit = there.report(marker)
    assert fit["sees"]
    there.refuse_unfit("x", [fit, fit], tmp_path)
    assert not there.report(marker)["sees"]
    other = fit | {"host": "far", "versions": fit["versions"] | {"attn_jax": "0.0.0"}}
    with pytest.raises(MachineError, match="--place=x: the worker on far has other versions than this"):
        there.refuse_unfit("x", [fit, other], tmp_path)
    for lacks in (ModuleNotFoundError("No module named 'attn_jax'"), Exception("ModuleNotFoundError(...)")):
        with pytest.raises(MachineError, match="a worker has no attn_jax as it is here"):
            there.refuse_unfit("x", [lacks], tmp_path)
    with pytest.raises(MachineError, match="a worker cannot say what it is"):
        there.refuse_unfit("x", [OSError("lost")], tmp_path)


JOBS = [Job("{}", "{}", "DIR", "gru", block, ((0, 1e-3), (1, 1e-3, "wide")), 2) for block in range(3)]


def jobs_in(directory):
    directory.mkdir()
    return [Job(**vars(job) | {"directory": str(directory)}) for job in JOBS]


def test_a_batch_system_is_handed_the_jobs_once(tmp_path, monkeypatch):
    """Written, submitted, left alone while it runs, submitted again as it is, and written anew for another command."""
    jobs, study = jobs_in(tmp_path / "s"), tmp_path / "s"
    place = open_place("slurm:array:2", "cpu", study)
    place.executor.shutdown()
    assert place.workers == 2

    def hand_over(jobs=jobs):
        with pytest.raises((InterruptedStudyError, MachineError)) as caught:
            place.hand_over(jobs, Terms("cpu"), study)
        return str(caught.value)

    def system(**tools):
        for name in ("sbatch", "squeue"):
            tool = tmp_path / name
            tool.write_text(f"#!/bin/sh\n{tools.get(name, 'exit 1')}\n")
            tool.chmod(0o755)

    monkeypatch.setenv("PATH", "/nowhere")
    assert "3 blocks of" in (said := hand_over())
    assert f"are not done; there is no sbatch here: sbatch {study}/jobs/array.sh where there is" in said
    job, terms = read_job(study / "jobs" / "2.json")
    assert job == jobs[2]
    assert is_owner(study, terms.token)
    script = (study / "jobs" / "array.sh").read_text()
    assert "#SBATCH --array=0-1\n" in script
    assert f"-m attn_jax work {study}/jobs --first=$(( SLURM_ARRAY_TASK_ID * 3 / 2 ))" in script

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    system(sbatch="echo no such partition >&2; exit 1")
    assert hand_over().endswith("array.sh: no such partition")
    system(sbatch="echo '17;cluster'")
    assert "submitted to Slurm as 17, and the same command gathers" in hand_over(jobs[1:])
    system(squeue="echo 17_[0-1]")
    assert "Slurm's job 17 is at it" in hand_over(jobs[1:])
    assert read_job(study / "jobs" / "2.json") == (job, terms)
    system(sbatch="echo 18")
    take_over(study)
    assert "1 block of" in hand_over(jobs[2:])
    assert read_job(study / "jobs" / "0.json")[0] == jobs[2]
    assert not (study / "jobs" / "1.json").exists()


def test_work_by_hand(tmp_path, monkeypatch):
    """One block after the other, beginning where it is told to; those that others are at are theirs."""
    jobs, study = jobs_in(tmp_path / "s"), tmp_path / "s"
    (study / "study.json").touch()
    terms, done, said = Terms("cpu", "", take_over(study)), [], []
    (study / "jobs").mkdir()
    for job in jobs:
        write_job(study / "jobs" / f"{job.block}.json", job, terms)

    def work(job, terms, *, wait_seconds, asked):
        assert wait_seconds == 0
        if job.block == 0:
            raise InUseError(f"{job} is in use by process 7 on far.")
        if job.block == 2 and done:
            os.kill(os.getpid(), signal.SIGTERM)
            return not asked()
        done.append(job.block)
        return True

    monkeypatch.setattr(by_hand, "work", work)
    by_hand.work_by_hand(study / "jobs", 2, said.append)
    assert done == [2, 1]
    with pytest.raises(InterruptedStudyError, match="block gru-2: stopped and saved"):
        by_hand.work_by_hand(study / "jobs", 1, said.append)
    with pytest.raises(MachineError, match="in use by process 7 on far"):
        by_hand.work_by_hand(study / "jobs" / "0.json", 0, said.append)
    left = "left alone: gru-0 is in use by process 7 on far."
    assert said == [f"block gru-2 of {study}: done", left, *[f"block gru-1 of {study}: done"] * 2]
    take_over(study)
    with pytest.raises(ConfigError, match="another command has taken the study over since"):
        by_hand.work_by_hand(study / "jobs", 0, said.append)


def test_work_that_nobody_listens_to_any_more_can_go_on(monkeypatch):
    def said_to_nobody(path, first):
        raise BrokenPipeError

    monkeypatch.setattr(cli, "work", said_to_nobody)
    assert main(["work", "jobs"]) == 75


def test_what_is_no_job(tmp_path, capsys):
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "empty").mkdir()
    cases = {"list.json": "is no job of this", "none.json": "no such job file", "empty": "holds no job files"}
    for name, words in cases.items():
        assert main(["work", str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err
