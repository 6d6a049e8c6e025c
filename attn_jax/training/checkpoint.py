"""Checkpoints of a block of runs: one file a step, arrays of NumPy by their path in the state, and a digest of them.

`numpy.load` opens one: `np.load("checkpoints/600.npz")["params/embedding"]`, runs along the first axis.
"""

import hashlib
import io
from pathlib import Path

import jax
import numpy as np

from attn_jax.errors import MachineError
from attn_jax.files import write_whole
from attn_jax.types import Params

_KEPT = 2  # the newest, and the one before it should the newest turn out damaged
SET_ASIDE = "unreadable-"  # what the name of a damaged one begins with from then on
_DIGEST_BYTES = 16  # at the end of a file, where readers of zip archives look for nothing


class Checkpoints:
    """The checkpoints in one directory, newest last. Only one process may hold a directory at a time."""

    def __init__(self, directory: Path):
        self._directory = directory

    def save(self, step: int, state: Params) -> None:
        """Writes the state whole, or not at all.

        Raises:
          OSError: it cannot be written: a full disk, a limit.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        write_whole(checkpoint_file(self._directory, step), _to_bytes(state))
        for old in saved_steps(self._directory)[:-_KEPT]:
            checkpoint_file(self._directory, old).unlink()

    def restore(self, like: Params) -> tuple[int, Params] | None:
        """The newest (step, state) that is as it was written, None where nothing was saved; others are set aside.

        Raises:
          MachineError: checkpoints are there and none can be read; starting anew is the user's choice.
          OSError, MemoryError: a file may be whole, but the machine lacks what it takes to read it.
        """
        damaged: list[int] = []
        for step in reversed(saved_steps(self._directory)):
            state = read_checkpoint(checkpoint_file(self._directory, step), like)
            if state is not None:
                self._set_aside(damaged)
                return step, state
            damaged.append(step)
        if damaged:
            raise MachineError(
                f"{self._directory}: no checkpoint can be read, their files were changed; delete the folder "
                f"{self._directory.parent} to train this block anew"
            )
        return None

    def _set_aside(self, damaged: list[int]) -> None:
        """Moves damaged checkpoints out of the way, once an older one has been read, so that they can be saved anew."""
        for step in damaged:
            aside = self._directory / f"{SET_ASIDE}{step}.npz"
            checkpoint_file(self._directory, step).replace(aside)
            print(f"{aside}: checkpoint {step} is damaged, set aside; the one before it is used", flush=True)


def checkpoint_file(directory: Path, step: int) -> Path:
    """Where the state after so many steps lies."""
    return directory / f"{step}.npz"


def saved_steps(directory: Path) -> list[int]:
    """The steps of the checkpoints in a directory, whole or not, ascending."""
    return sorted(int(path.stem) for path in directory.glob("*.npz") if path.stem.isdecimal())


def is_whole(path: Path) -> bool:
    """Whether a checkpoint's bytes are those that were written; of what structure they are only `like` would tell."""
    return _content(path) is not None


def read_checkpoint(path: Path, like: Params) -> Params | None:
    """The state in a file, as NumPy arrays; None where it is damaged or of another structure.

    Bound to no device: the program decides where it runs.

    Args:
      path: of a checkpoint that is there.
      like: its structure, shapes and dtypes.

    Raises:
      OSError, MemoryError: the file may be whole, but the machine lacks what it takes to read it.
    """
    content = _content(path)
    if content is None:
        return None
    with np.load(io.BytesIO(content)) as saved:
        arrays = dict(saved)
    wanted = _by_path(like)
    if arrays.keys() != wanted.keys() or any(not _fits(arrays[name], leaf) for name, leaf in wanted.items()):
        return None
    leaves = [arrays[name].view(leaf.dtype) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _content(path: Path) -> bytes | None:
    """What is before the digest, None where that is of something else."""
    data = path.read_bytes()
    content, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    return content if digest == _digest(content) else None


def _to_bytes(state: Params) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **_by_path(jax.device_get(state)))  # pyright: ignore[reportArgumentType]
    content = buffer.getvalue()
    return content + _digest(content)


def _by_path(state: Params) -> dict[str, np.ndarray]:
    """The leaves by names like params/embedding."""
    leaves = jax.tree.leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _fits(array: np.ndarray, leaf: np.ndarray) -> bool:
    """Whether an array is of a leaf's shape and dtype; NumPy's files know no bfloat16, and keep its bytes as void."""
    same = array.dtype == leaf.dtype or (array.dtype.kind == "V" and array.dtype.itemsize == leaf.dtype.itemsize)
    return array.shape == leaf.shape and same


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
