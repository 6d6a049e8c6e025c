"""kill -9, Ctrl-C, a killed worker: the same command goes on and ends with the same numbers, bit for bit."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest
from processes import (
    CLOCK,
    CONFIG,
    alive,
    command_line,
    environment,
    finish,
    kill_group,
    members,
    rows,
    start,
    summary,
    trained_once,
    wait_for,
)

from attn_jax.config.codec import to_json
from attn_jax.config.file import load_study
from attn_jax.lab.doctor import examine


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return trained_once(tmp_path_factory)


@pytest.mark.exhaustive
def test_a_second_run_says_it_is_done_and_changes_nothing(unbroken):
    before = summary(unbroken)
    page = (unbroken / "report.html").read_bytes()
    code, output = finish(start(unbroken))
    assert code == 0
    assert "already trained" in output
    assert summary(unbroken) == before
    assert (unbroken / "report.html").read_bytes() == page


@pytest.mark.exhaustive
def test_one_study_dies_in_every_way(unbroken, tmp_path):
    """In one directory, one after the other, each time gone on with by the next command; the end is the unbroken one's.

    `train` of one model first, so that what dies is the other; then kill -9 of everything, of the command alone (no
    worker is left behind), SIGTERM and Ctrl-C (saved, exit code 75), and a worker's death, which the command outlives.
    """
    directory = tmp_path / "study"
    code, output = finish(start(directory, "--model=gru", command="train"))
    assert code == 0, output
    assert "gru" in output

    process = after_some_rows(directory)
    kill_group(process)
    finish(process)

    process = after_some_rows(directory)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not alive(process.pid), seconds=20, what="the workers' end")
    finish(process)  # closes its pipe

    for kill, number in ((os.kill, signal.SIGTERM), (os.killpg, signal.SIGINT)):
        process = after_some_rows(directory)
        kill(process.pid, number)
        code, output = finish(process)
        assert code == 75, output
        assert "the same command goes on from there" in output

    assert not (directory / "summary.json").exists()
    process = after_some_rows(directory)
    os.kill(workers(process)[0], signal.SIGKILL)
    code, output = finish(process)
    assert code == 0, output
    assert "its worker process was killed" in output
    assert "trying again" in output
    assert summary(directory) == summary(unbroken)


@pytest.mark.exhaustive
def test_a_block_whose_worker_is_killed_twice_ends_the_command_and_nothing_is_lost(unbroken, tmp_path):
    directory = tmp_path / "study"
    process = after_some_rows(directory)
    while process.poll() is None:
        for pid in workers(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        enough = rows(directory) + 2
        wait_for(lambda: rows(directory) > enough or process.poll() is not None, what="the next chunks")  # noqa: B023
    code, output = finish(process)
    assert code == 4, output
    assert re.search(r"block (gru|transformer)-0: its worker process was killed .* Twice", output)
    assert not examine(directory).damaged
    code, output = finish(start(directory))
    assert code == 0, output
    assert summary(directory) == summary(unbroken)


def after_some_rows(directory):
    """The command, started again, when it has trained two chunks more."""
    before = rows(directory)
    process = start(directory)
    wait_for(lambda: rows(directory) >= before + 2, what="the next chunks")
    return process


def workers(process):
    return [pid for pid in members(process.pid) if b"spawn_main" in command_line(pid)]


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_while_workers_start_is_no_death(tmp_path, number):
    """As a terminal's Ctrl-C or a batch system's end comes: to every process, before a worker has imported jax."""
    process = start(tmp_path / "study")
    wait_for(lambda: workers(process), what="a worker")
    os.killpg(process.pid, number)
    code, output = finish(process)
    assert code == 75, output
    assert "killed" not in output


DIE = {
    "inside a row": (
        "write = block.append_row\n"
        "block.append_row = lambda path, row: torn(path, row) if row.get('step') == 20 else write(path, row)\n"
        "def torn(path, row):\n"
        "    with path.open('a') as file: file.write(json.dumps(row)[:40])\n"
        "    die()"
    ),
    "between row and checkpoint": "block.Checkpoints.save = lambda *a: die()",
    "inside a checkpoint": "os.rename = pathlib.Path.rename = os.replace = lambda *a, **k: die()",
    "in the test evaluation": (
        "compile_programs = block.compile_programs\n"
        "block.compile_programs = lambda *a: dataclasses.replace(compile_programs(*a), test=lambda state: die())"
    ),
}


@pytest.mark.exhaustive
def test_dying_at_chosen_points_changes_no_bit(unbroken, tmp_path):
    """One block dies again and again, each time somewhere else, then goes through; its rows equal the unbroken ones."""
    facts = json.loads((unbroken / "study.json").read_text())
    job = {
        "study": to_json(load_study(CONFIG)),
        "sources": "{}",
        "directory": str(tmp_path),
        "model": "gru",
        "block": 0,
        "runs": facts["runs"]["gru"][0],
        "width": facts["width"],
        "group": facts["group"],
    }
    for place, patch in DIE.items():
        assert run_job(job, patch) == 9, place
    assert run_job(job, "") == 0
    assert last_rows(tmp_path) == last_rows(unbroken)


def run_job(job, patch):
    """Runs a block in a process of its own, pinned as a worker is; `die` is as sudden as kill -9."""
    code = f"""
        import dataclasses, json, os, pathlib
        from attn_jax.lab.run import block
        os.sched_setaffinity(0, {{sorted(os.sched_getaffinity(0))[0]}})
        os.environ["NPROC"] = "1"
        def die(): os._exit(9)
        {patch.replace(chr(10), chr(10) + " " * 8)}
        block.run_block(block.Job(**{job!r}), lambda: False)
    """
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment(), check=False).returncode


def last_rows(directory):
    """The last row of every step, and of the test, of the block gru-0, less what a clock decides."""
    found = {}
    for line in (directory / "blocks" / "gru-0" / "metrics.jsonl").read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "step" in row or "test" in row:
            found[row.get("step", "test")] = {key: value for key, value in row.items() if key not in CLOCK}
    return found
