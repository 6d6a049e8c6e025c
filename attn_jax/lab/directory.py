"""A study's directory: who writes what, and nothing half-written that is ever read as whole.

study.json        what the study is: config, fingerprint, matched models, task; the parent writes it
environment.json  on what it ran
sources/          the user's own code that decides the numbers, as it was when the study began; the parent
blocks/<model>-<k>/metrics.jsonl, checkpoints/      one worker writes them
summary.json, report.html                           the parent, at the end
compiled/         jax's cache of compiled programs; can be deleted
lock              held by the running command; gone with it, however it ends
stop              asks the workers to save and stop
"""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attn_jax.errors import MachineError


def block_directory(directory: Path, model: str, block: int) -> Path:
    """Where one block's worker writes."""
    return directory / "blocks" / f"{model}-{block}"


def write_json(path: Path, value: Any) -> None:
    """Writes JSON whole or not at all; NaN is refused."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """The JSON value in a file."""
    return json.loads(path.read_text(encoding="utf-8"))


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Appends a line of JSON, in one write."""
    line = json.dumps(row, allow_nan=False) + "\n"
    with path.open("a", encoding="utf-8") as file:
        if file.tell() and not _ends_whole(path):
            file.write("\n")  # a torn line stays alone, where the reader drops it
        file.write(line)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a file of JSON lines; a torn line is dropped."""
    rows = []
    if path.exists():
        for line in path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict)]


@contextlib.contextmanager
def locked(directory: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds a directory against every other process, on this machine; kill -9 leaves no trace of it.

    Raises:
      MachineError: another process holds it; names the holder.
    """
    with (directory / "lock").open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(file):
            if time.monotonic() >= deadline:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise MachineError(f"{directory} is in use by {holder}. Wait for it, or give another --workdir.")
            time.sleep(0.05)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
        file.flush()
        yield


def _try_lock(file: Any) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
