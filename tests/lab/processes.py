"""Runs the command as a user does, in a process group of its own that a test can hurt."""

import fcntl
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

CLOCK = ("seconds", "cpu_seconds", "load")  # of a row, what a clock or the other processes decide
CONFIG = Path(__file__).with_name("tiny_study.py")
_GROUP = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "process_group.py"))
members, command_line = _GROUP["members"], _GROUP["command_line"]


def start(directory, *more, command="compare", config=CONFIG):
    words = [sys.executable, "-m", "attn_jax.cli", command, f"--config={config}", f"--workdir={directory}", *more]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=environment()
    )


def environment():
    return os.environ | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache())}


def cache():
    return Path(__file__).parents[2] / ".cache" / "jax"


def trained_once(tmp_path_factory, cores=None):
    """The tiny study, trained without interruption on so many cores at most: once for all files and all workers."""
    own = os.sched_getaffinity(0)
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    directory = folder / f"unbroken-{len(sorted(own)[:cores])}"
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "summary.json").exists():
            os.sched_setaffinity(0, sorted(own)[:cores])
            try:
                code, output = finish(start(directory))
            finally:
                os.sched_setaffinity(0, own)
            assert code == 0, output
    return directory


def finish(process, timeout=120):
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        kill_group(process)
    return process.returncode, output


def kill_group(process):
    if alive(process.pid):
        os.killpg(process.pid, signal.SIGKILL)


def alive(group):
    """Whether any process of the group runs; a zombie does not."""
    return bool(members(group))


def wait_for(condition, seconds=120, what="the condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.02)


def rows(directory):
    return sum(path.read_bytes().count(b"\n") for path in directory.rglob("metrics.jsonl"))


def summary(directory):
    """summary.json less what a clock decides."""
    return {
        key: value for key, value in json.loads((directory / "summary.json").read_text()).items() if key != "timing"
    }
