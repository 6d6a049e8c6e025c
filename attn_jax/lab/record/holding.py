"""Who works on a block, and for whom: files that other machines can judge by, where flock is for one machine alone.

owner           in a command's folder: its token, written anew by each command; a worker of another one stops
holder-<n>      in a block's folder: who trains it, and a number that grows; whoever finds that it has stood still for a
                minute writes the next one, and the highest n holds the block
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from attn_jax.errors import InUseError
from attn_jax.files import naming, write_whole
from attn_jax.lab.record.directory import in_use, locked, table_in

_BEAT_SECONDS = 10.0
_DEAD_SECONDS = 60.0  # without a beat
_LOOK_SECONDS = 0.2
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def take_over(directory: Path) -> str:
    """Makes the folder this command's, with a token that its workers are given."""
    token = uuid.uuid4().hex
    write_whole(directory / "owner", f"{token}\n")
    return token


def is_owner(directory: Path, token: str) -> bool:
    """Whether the folder still is the command's of this token; "" = whoever's."""
    try:
        return not token or (directory / "owner").read_text().strip() == token
    except OSError:  # it is being replaced on another machine, or gone: then is the study
        return directory.is_dir()


@contextlib.contextmanager
def held(
    folder: Path, *, give_up: Callable[[], bool] = lambda: False, wait_seconds: float = float("inf")
) -> Iterator[Callable[[], bool] | None]:
    """Holds a block's folder against every other process on every machine; kill -9 costs others a minute at most.

    Args:
      folder: of the block.
      give_up: asked while another process holds it.
      wait_seconds: how long to wait for that.

    Yields:
      A function that says whether another process has taken the folder, thinking this one dead; None if given up.

    Raises:
      InUseError: another process holds it for longer; names the holder.
    """
    deadline = time.monotonic() + wait_seconds
    with contextlib.ExitStack() as stack:
        if not _lock(stack, folder, give_up, deadline) or (mine := _take(folder, give_up, deadline)) is None:
            yield None
            return
        over = threading.Event()
        beats = threading.Thread(target=_beat, args=(mine, over), daemon=True)
        beats.start()
        try:
            yield lambda: _newest(folder) != mine
        finally:
            over.set()
            beats.join()
            with contextlib.suppress(OSError):
                mine.unlink(missing_ok=True)


def holder_elsewhere(folder: Path) -> str | None:
    """Who of another machine trains a block, in words; None where nobody does. Of this machine `holder_of` knows."""
    newest = _newest(folder)
    content = {} if newest is None else _read(newest)
    if newest is None or content.get("machine") == _machine() or _age(newest) > _DEAD_SECONDS:
        return None
    return content.get("holder", "another process")


def heard_of_elsewhere(folder: Path) -> tuple[str, float, bool] | None:
    """Who of another machine was last at a block, seconds since it was heard of, and whether it counts as alive.

    Nothing is written, so that the clock is this machine's, and the answer as good as the two clocks agree.
    """
    newest = _newest(folder)
    content = {} if newest is None else _read(newest)
    if newest is None or content.get("machine") == _machine():
        return None
    with contextlib.suppress(OSError):  # it is gone by now
        seconds = max(0.0, time.time() - newest.stat().st_mtime)
        return content.get("holder", "another process"), seconds, seconds <= _DEAD_SECONDS
    return None


def _lock(stack: contextlib.ExitStack, folder: Path, give_up: Callable[[], bool], deadline: float) -> bool:
    """Holds the folder against processes of this machine; False if given up."""
    while not give_up():
        try:
            stack.enter_context(locked(folder))
            return True
        except InUseError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_LOOK_SECONDS)
    return False


def _take(folder: Path, give_up: Callable[[], bool], deadline: float) -> Path | None:
    """Writes this process down as the holder, once there is none that lives; None if given up."""
    while True:
        newest = _newest(folder)
        content = {} if newest is None else _read(newest)
        # of this machine: it held the lock that is ours now
        if newest is None or content.get("machine") == _machine() or _age(newest) > _DEAD_SECONDS:
            number = 1 if newest is None else _number(newest) + 1
            if (mine := _create(folder, number)) is not None:
                return mine
        elif give_up():
            return None
        elif time.monotonic() >= deadline:
            holder = content.get("holder", "another process")
            raise InUseError(in_use(folder, holder))
        else:
            time.sleep(_LOOK_SECONDS)


def _create(folder: Path, number: int) -> Path | None:
    """The holder's file of this number, this process's; None where another was faster."""
    path = folder / f"holder-{number}"
    with naming(path):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            return None
    try:
        _write(path, 0)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    for older in _holders(folder):
        if _number(older) < number:
            older.unlink(missing_ok=True)
    return path


def _beat(path: Path, over: threading.Event) -> None:
    """Writes a higher number now and then; a file that is gone is not written again."""
    count = 0
    while not over.wait(_BEAT_SECONDS):
        count += 1
        with contextlib.suppress(OSError):  # a full disk, a server that is away: the next beat may come through
            if path.exists():
                _write(path, count)


def _write(path: Path, count: int) -> None:
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    with path.open("r+b", buffering=0) as file, naming(path):
        file.write((json.dumps({"machine": _machine(), "holder": holder, "beat": count}) + "\n").encode())


def _read(path: Path) -> dict[str, Any]:
    """What a holder says; nothing where it is gone or not written yet. Opening a file asks its server anew."""
    with contextlib.suppress(OSError):
        return table_in(path.read_bytes()) or {}
    return {}


def _age(path: Path) -> float:
    """Seconds since the file was written, both by the clock of the file system: machines' own may differ."""
    with contextlib.suppress(OSError):
        now = path.parent / "lock"
        os.utime(now)
        return now.stat().st_mtime - path.stat().st_mtime
    return 0.0


def _newest(folder: Path) -> Path | None:
    return max(_holders(folder), key=_number, default=None)


def _holders(folder: Path) -> list[Path]:
    return [path for path in folder.glob("holder-*") if path.name.removeprefix("holder-").isdecimal()]


def _number(path: Path) -> int:
    return int(path.name.removeprefix("holder-"))


def _machine() -> str:
    """This machine since it was started: names may be shared."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text().strip()
    return socket.gethostname()
