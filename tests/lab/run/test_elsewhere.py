"""A study in other places has the same numbers: with workers of Dask, and by hand; whoever is killed meanwhile."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import environment, finish, kill_group, rows, start, summary, trained_once, wait_for

import attn_jax
from attn_jax.version import __version__

missing = find_spec("distributed") is None  # importing it takes a second, which the first tier need not wait for
pytestmark = [pytest.mark.exhaustive, pytest.mark.skipif(missing, reason="needs the extra dask")]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return trained_once(tmp_path_factory, cores=2)  # its blocks are those of two workers


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers of Dask, processes on loopback; its address as --place takes it."""
    with running("scheduler", "--host=127.0.0.1", f"--port={(port := free_port())}", "--no-dashboard"):
        address = f"tcp://127.0.0.1:{port}"
        wait_for(lambda: answers(port), what="the scheduler")
        folder = tmp_path_factory.mktemp("dask")
        many = ("--nthreads=1", "--nworkers=2", "--no-dashboard", f"--local-directory={folder}")
        with running("worker", address, *many):
            yield f"dask:{address}"


@contextlib.contextmanager
def running(*words, **more):
    """A process of Dask's; `more` is in its environment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        env=environment() | more,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_group(process)
        process.wait()


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False


def holders(directory):
    """The processes that train a block."""
    text = [path.read_text() for path in directory.glob("blocks/*/holder-*")]
    return [int(re.findall(r"process (\d+) on", one)[0]) for one in text if one]


def test_workers_of_dask_whoever_is_killed(unbroken, cluster, tmp_path):
    """In one directory: a worker, then the command, at once begun again; then Ctrl-C, and the rest."""
    directory, place = tmp_path / "study", f"--place={cluster}"
    process = start(directory, place)
    wait_for(lambda: rows(directory) >= 3 and holders(directory), what="the first chunks")
    os.kill(holders(directory)[0], signal.SIGKILL)
    wait_for(lambda: rows(directory) >= 8, what="the next chunks")
    kill_group(process)
    finish(process)

    owner = (directory / "owner").read_text()
    process = start(directory, place)
    wait_for(lambda: (directory / "owner").read_text() != owner, what="the next command's token")
    before = rows(directory)
    wait_for(lambda: rows(directory) >= before + 3, what="the next chunks")
    os.kill(process.pid, signal.SIGINT)
    code, output = finish(process)
    assert code == 75, output
    assert not (directory / "summary.json").exists()

    code, output = finish(start(directory, place))
    assert code == 0, output
    assert "2 workers of Dask at tcp://" in output
    assert summary(directory) == summary(unbroken)
    facts, there = (json.loads((folder / "study.json").read_text()) for folder in (unbroken, directory))
    assert facts | {"workers": 2} == there


def test_two_workers_of_dask_on_this_machine(unbroken, tmp_path):
    code, output = finish(start(tmp_path / "study", "--place=dask:local:2"))
    assert code == 0, output
    assert "2 workers of Dask at tcp://127.0.0.1:" in output
    assert summary(tmp_path / "study") == summary(unbroken)


def test_a_worker_with_another_attn_jax_is_refused(tmp_path):
    """Before anything is written, end to end: the worker imports a copy of the package with another version."""
    shutil.copytree(Path(attn_jax.__file__).parent, tmp_path / "other" / "attn_jax")
    (tmp_path / "other" / "attn_jax" / "version.py").write_text('"""Another."""\n\n__version__ = "0.0.9"\n')
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    one = ("--nthreads=1", "--nworkers=1", "--no-dashboard", f"--local-directory={tmp_path}/w")
    with running("scheduler", "--host=127.0.0.1", f"--port={port}", "--no-dashboard"):
        wait_for(lambda: answers(port), what="the scheduler")
        with running("worker", address, *one, PYTHONPATH=str(tmp_path / "other"), PYTHONSAFEPATH="1"):
            outputs = []

            def refused():
                code, output = finish(start(tmp_path / "study", f"--place=dask:{address}"))
                outputs.append((code, output))
                return "has no workers" not in output

            wait_for(refused, what="the worker")
    code, output = outputs[-1]
    assert code == 4, output
    assert f"has other versions than this command (attn_jax: {__version__} -> 0.0.9);" in output
    assert not (tmp_path / "study").exists()


SBATCH = """#!/bin/sh
touch "$FAKE/running"
setsid sh "$FAKE/tasks" "$2" > "$FAKE/log" 2>&1 &
echo 4711
"""
TASKS = """# what Slurm does with an array, here and at once, and not in the command's process group
for k in $(seq 0 $(sed -n 's/^#SBATCH --array=0-//p' "$1")); do
    SLURM_ARRAY_TASK_ID=$k bash "$1" > "$FAKE/$k.log" 2>&1 &
done
wait
rm "$FAKE/running"
"""
SQUEUE = """#!/bin/sh
[ ! -e "$FAKE/running" ] || echo 4711
"""


def test_an_array_of_slurm(unbroken, tmp_path, monkeypatch):
    """The jobs are written and submitted, done by `attn-jax work`, and gathered by the same command."""
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "tasks": TASKS}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    directory, place = tmp_path / "study", "--place=slurm:array:2"
    code, output = finish(start(directory, place))
    assert code == 75, output
    assert "submitted to Slurm as 4711" in output
    wait_for(lambda: not (tmp_path / "running").exists(), what="the array's end")
    code, output = finish(start(directory, place))
    said = [path.read_text() for path in sorted(tmp_path.glob("?.log"))]
    assert code == 0, (output, said)
    assert summary(directory) == summary(unbroken)
    assert "".join(said).count(": done") >= 2


ASK = """
import pathlib, sys, time
from attn_jax.errors import UserError
from attn_jax.lab.run.places.opening import open_place
place, directory, wanted = sys.argv[1:]
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        open_place(place, "cpu", pathlib.Path(directory))
    except UserError as error:
        said = f"{type(error).__name__}: {error}"
        if wanted in said:
            break
    time.sleep(0.2)
print(said)
"""


def test_what_is_wrong_with_a_cluster_is_said_first(tmp_path):
    def ask(place, wanted=""):
        words = [sys.executable, "-c", ASK, place, str(tmp_path / "study"), wanted]
        return subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)

    port = free_port()
    place = f"dask:tcp://127.0.0.1:{port}"
    said = ask(place)
    assert said.stdout == f"MachineError: --place={place}: no scheduler answers there; dask scheduler starts one\n"
    assert not said.stderr
    said = ask(f"dask:tls://127.0.0.1:{port}").stdout
    assert said.startswith(f"MachineError: --place=dask:tls://127.0.0.1:{port}: Dask's own configuration names no cert")
    several = ("--nthreads=2", "--nworkers=1")
    with running("scheduler", "--host=127.0.0.1", f"--port={port}", "--no-dashboard"):
        wait_for(lambda: answers(port), what="the scheduler")
        assert f"--place={place}: has no workers; start some: dask worker tcp://" in ask(place).stdout
        with running("worker", place[5:], *several, "--no-dashboard", f"--local-directory={tmp_path}/w"):
            assert "has 2 threads, wanted one each: dask worker tcp://" in ask(place, "has 2 threads").stdout
        (tmp_path / "empty").mkdir()
        (tmp_path / "empty" / "attn_jax.py").touch()  # no package: of one, an editable installation finds the rest
        one = ("--nthreads=1", "--nworkers=1", "--no-dashboard", f"--local-directory={tmp_path}/w")
        with running("worker", place[5:], *one, PYTHONPATH=str(tmp_path / "empty"), PYTHONSAFEPATH="1"):
            said = ask(place, "has no attn_jax").stdout
            assert f"--place={place}: a worker has no attn_jax as it is here (" in said
    assert not (tmp_path / "study").exists()
