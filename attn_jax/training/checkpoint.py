"""Checkpoints of a block of runs, through orbax, behind this one module.

Beside each checkpoint lies a digest of its files, written last: without one a checkpoint was never finished, and where
the digest differs orbax is not asked to read it. It would answer with pages from its threads.
"""

import hashlib
import logging
import os
import re
import shutil
import sys
from pathlib import Path

import jax
import numpy as np

from attn_jax.errors import MachineError
from attn_jax.files import write_whole
from attn_jax.types import Params

_KEPT = 2  # the newest, and the one before it should the newest turn out damaged
_DIGEST = "digest"
_LOGGERS = ("absl", "asyncio")  # what orbax and its event loops tell, in pages, of an error that is raised as well


class Checkpoints:
    """The checkpoints in one directory, newest last. Only one process may hold a directory at a time."""

    def __init__(self, directory: Path):
        import orbax.checkpoint as ocp  # a third of a second to import, and only training needs it

        self._args = ocp.args
        self._directory = directory
        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        _set_levels(dict.fromkeys(_LOGGERS, logging.CRITICAL + 1))
        _hear_no_closed_loops()
        _remove_unfinished(directory)
        options = ocp.CheckpointManagerOptions(max_to_keep=_KEPT, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)

    def save(self, step: int, state: Params) -> None:
        """Writes the state whole, or not at all.

        Raises:
          OSError: it cannot be written: a full disk, a limit.
        """
        folder = self._directory / str(step)
        failure = None
        try:
            self._manager.save(step, args=self._args.Composite(state=self._args.StandardSave(state)))
            write_whole(folder / _DIGEST, _digest(folder))
        except Exception as error:  # tensorstore has its own kinds, and names what it was told in their text
            failure = _of_the_system(error, folder)
        if failure is not None:  # outside of the handler: a cause would keep orbax's threads, and they would speak
            _remove_unfinished(self._directory)
            raise failure

    def restore(self, like: Params) -> tuple[int, Params] | None:
        """The newest (step, state) that is as it was written, None where nothing was saved; others are set aside.

        Raises:
          MachineError: checkpoints are there and none can be read; starting anew is the user's choice.
        """
        damaged: list[int] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            state = self._read(step, like)
            if state is not None:
                self._set_aside(damaged)
                return step, jax.device_get(state)  # bound to no device: the program decides where it runs
            damaged.append(step)
        if damaged:
            raise MachineError(
                f"{self._directory}: no checkpoint can be read, their files were changed; delete the folder "
                f"{self._directory.parent} to train this block anew"
            )
        return None

    def _read(self, step: int, like: Params) -> Params | None:
        """The state saved at a step, None where it is damaged or of another structure.

        Raises:
          OSError, MemoryError: its bytes are whole, but the machine lacks what it takes to read them.
        """
        folder = self._directory / str(step)
        if (folder / _DIGEST).read_text(errors="replace") != _digest(folder):
            return None
        try:
            args = self._args.Composite(state=self._args.StandardRestore(like))
            return self._manager.restore(step, args=args)["state"]
        except (KeyError, TypeError, ValueError) as error:  # so orbax says that it is not of these shapes
            failure = _of_the_system(error, folder)
        if isinstance(failure, OSError) or "RESOURCE_EXHAUSTED" in str(failure):  # so tensorstore's ValueErrors say
            raise failure
        return None

    def _set_aside(self, damaged: list[int]) -> None:
        """Moves damaged checkpoints out of the way, once an older one has been read, so that they can be saved anew."""
        for step in damaged:
            aside = self._directory / f"unreadable-{step}"
            shutil.rmtree(aside, ignore_errors=True)
            (self._directory / str(step)).rename(aside)
            print(f"{aside}: checkpoint {step} is damaged, set aside; the one before it is used", flush=True)
        if damaged:
            self._manager.reload()

    def close(self) -> None:
        """Ends orbax's threads; what others log is heard again."""
        self._manager.close()
        _set_levels(self._levels)


def _hear_no_closed_loops() -> None:
    """After a write has failed, tensorstore ends the others on a loop that is gone, with a traceback each: no news."""
    told = sys.excepthook
    if told.__module__ == __name__:  # once a process
        return

    def hook(kind, error, trace):
        if kind is not RuntimeError or str(error) != "Event loop is closed":
            told(kind, error, trace)

    sys.excepthook = hook


def read_checkpoint(folder: Path, like: Params) -> Params | None:
    """The state in the folder of one step, as NumPy arrays; None where it is damaged or of another structure.

    Nothing is written, and nothing held: for what is finished.

    Args:
      folder: of a step, that is there.
      like: its structure, shapes and dtypes.

    Raises:
      OSError, MemoryError: its bytes are whole, but the machine lacks what it takes to read them.
    """
    import orbax.checkpoint as ocp

    if not (folder / _DIGEST).is_file() or (folder / _DIGEST).read_text(errors="replace") != _digest(folder):
        return None
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    _set_levels(dict.fromkeys(_LOGGERS, logging.CRITICAL + 1))
    try:
        with ocp.StandardCheckpointer() as reader:
            empty = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
            return reader.restore((folder / "state").absolute(), empty)
    except (KeyError, TypeError, ValueError) as error:
        failure = _of_the_system(error, folder)
    finally:
        _set_levels(levels)
    if isinstance(failure, OSError) or "RESOURCE_EXHAUSTED" in str(failure):
        raise failure
    return None


def _set_levels(levels: dict[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _digest(folder: Path) -> str:
    """A hash of the names and bytes of all files below a folder."""
    whole = hashlib.blake2b(digest_size=16)
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _DIGEST):
        whole.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "blake2b").digest())
    return whole.hexdigest()


def _remove_unfinished(directory: Path) -> None:
    """Checkpoints whose saving was cut off, orbax's temporary folders among them."""
    for folder in directory.glob("[0-9]*"):
        if not (folder / _DIGEST).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _of_the_system(error: Exception, path: Path) -> Exception:
    """The error of the operating system that tensorstore tells in its text; the error itself where it tells of none."""
    found = re.search(r"os_error_code='(\d+)'|Errno (\d+)", str(error))
    if isinstance(error, OSError) or not found:
        return error
    number = int(found[1] or found[2])
    return OSError(number, os.strerror(number), str(path))
