"""A study's directory: who writes what, and nothing half-written that is ever read as whole.

study.json        what the study is: config, fingerprint, matched models, task; the parent writes it
environment.json  on what it ran
confirmed.json    the models that were asked for, be it with --yes: a resumption does not ask again
sources/          the user's own code that decides the numbers, as it was when the study began; the parent
blocks/<model>-<k>/metrics.jsonl, checkpoints/, holder-<n>      one worker writes them
summary.json, report.html                           the parent, at the end
lock              held by the running command; gone with it, however it ends
owner             the token of the command that trained last; its workers stop where it is another's
stop              asks the workers to save and stop
"""

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError, InUseError
from attn_jax.files import append_whole, naming, parse_json, write_whole
from attn_jax.lab.record.schema import is_row

_A_GLANCE = 0.1  # seconds for which somebody who only asks who holds a folder may hold it
TRAIN_ANEW = "delete the folder {} and run attn-jax compare again: it trains this block anew"


def block_directory(directory: Path, model: str, block: int) -> Path:
    """Where one block's worker writes."""
    return directory / "blocks" / f"{model}-{block}"


def refuse_strangers(directory: Path) -> None:
    """Refuses a folder that holds something and no study.

    Raises:
      ConfigError: names what it holds.
    """
    if directory.is_dir() and any(directory.iterdir()) and not (directory / "study.json").exists():
        begun = {"lock", "study.json.part"}  # what was cut off before it was one: study.json is written last
        begun |= {"sources"} if (directory / "lock").exists() else set()
        strangers = sorted(path.name for path in directory.iterdir() if path.name not in begun)
        if strangers:
            raise ConfigError(f"{directory}: holds {strangers[0]} and no study; give an empty or new --workdir")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON whole or not at all; NaN is refused."""
    write_whole(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Appends a line of JSON; after a torn line, on one of its own."""
    append_whole(path, (json.dumps(row, allow_nan=False) + "\n").encode())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines; none where it is not there.

    A line that a sudden death tore is dropped: no row follows, or that of a resumption, {"start": ...} or a probe's,
    which writes again what was lost.

    Raises:
      ConfigError: another line is not a row; it is named.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is no file; {TRAIN_ANEW.format(path.parent)}")
    with naming(path):
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    rows: list[dict[str, Any]] = []
    for number, line, row in reversed(list(zip(range(1, len(lines) + 1), lines, _tables(lines), strict=True))):
        if row is not None and is_row(row):
            rows.append(row)
        elif line.strip() and rows and not {"start", "probe"} & rows[-1].keys():
            raise ConfigError(f"{path}, line {number}: is damaged; {TRAIN_ANEW.format(path.parent)}")
    return rows[::-1]


def is_torn(path: Path) -> bool:
    """Whether the last line of a file was cut off."""
    return path.is_file() and path.read_bytes()[-1:] not in (b"", b"\n")


def _tables(lines: list[bytes]) -> list[dict[str, Any] | None]:
    """`table_in` of each line; where every line is one, as nearly always, they are read at once, which is faster."""
    whole = [line for line in lines if line]
    if all(line[:1] == b"{" and line[-1:] == b"}" for line in whole):
        with contextlib.suppress(ValueError):
            tables = parse_json(b"[" + b",".join(whole) + b"]")
            if len(tables) == len(whole) and all(isinstance(table, dict) for table in tables):
                left = iter(tables)
                return [next(left) if line else None for line in lines]
    return [table_in(line) for line in lines]


def table_in(line: bytes) -> dict[str, Any] | None:
    """A line of JSON as a table, None where it is none."""
    try:
        table = parse_json(line)
    except ValueError:
        return None
    return table if isinstance(table, dict) else None


@contextlib.contextmanager
def locked(directory: Path, *, wait_seconds: float = _A_GLANCE) -> Iterator[None]:
    """Holds a directory against every other process, on this machine; kill -9 leaves no trace of it.

    Raises:
      InUseError: another process holds it; names the holder.
    """
    path = directory / "lock"
    with path.open("a+b", buffering=0) as file:  # nothing is left to be written, and to fail, when it is closed
        deadline = time.monotonic() + wait_seconds
        while not _try_lock(file):
            if time.monotonic() >= deadline:
                raise InUseError(in_use(directory, _holder(file)))
            time.sleep(0.05)
        file.truncate(0)
        holder = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
        with naming(path, len(holder)):
            file.write(holder.encode())
        yield


def holder_of(directory: Path) -> str | None:
    """The process that holds a directory, in words; None where none does. Holds it for no longer than a glance."""
    path = directory / "lock"
    if not path.is_file():
        return None
    with path.open("rb", buffering=0) as file:
        return None if _try_lock(file, fcntl.LOCK_SH) else _holder(file)


def in_use(directory: Path, holder: str) -> str:
    """What is said to whoever comes second."""
    return f"{directory} is in use by {holder}. Wait for it, or give another --workdir."


def _holder(file: Any) -> str:
    file.seek(0)
    return file.read().decode(errors="replace").strip() or "another process"


def _try_lock(file: Any, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a network's file system may know no locks: then `record/holding.py` alone keeps order
        return error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
    return True
