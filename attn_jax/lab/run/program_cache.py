"""Compiled programs on disk, of all studies of a user: in the user's cache directory, or where ATTN_JAX_CACHE says.

A program is found by what it computes, how it is compiled and for what, so that no number depends on the cache. Any
file of it may go at any time. Whatever is wrong with it costs time alone: a program that cannot be read is compiled.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import secrets
import sys
from pathlib import Path

import jax

from attn_jax.lab.run.host import instruction_set

VARIABLE = "ATTN_JAX_CACHE"
_SUFFIX, _PART = ".program", ".part"
_MOST_BYTES = 2**30  # of all folders; a model's programs are about one MB
_ROOM = 2**20  # bytes that must fit for keeping any to be worth it
_DIGEST_BYTES = 16  # at the end of a file


class ProgramFiles:
    """What jax asks for compiled programs, by their keys: a file each. Several processes may share a folder."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES):
        self._path = folder  # jax shows it
        self._most_bytes = most_bytes

    def get(self, key: str) -> bytes | None:
        """The program, None where there is none, or none that is whole."""
        path = self._path / f"{key}{_SUFFIX}"
        try:
            data = path.read_bytes()
        except OSError:
            return None
        value, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        whole = digest == _digest(value)
        with contextlib.suppress(OSError):
            os.utime(path) if whole else path.unlink()  # when it was used last
        return value if whole else None

    def put(self, key: str, value: bytes) -> None:
        """Keeps a program, whole or not at all, and lets those go that were not used for longest."""
        path = self._path / f"{key}{_SUFFIX}"
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PART}")
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            part.write_bytes(value + _digest(value))
            part.replace(path)
            _trim(self._path.parent, self._most_bytes)
        except OSError:  # compiled it is, all the same
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def keep_programs() -> None:
    """Lets this process find and keep compiled programs; a cache of jax's own that the user has set is left alone."""
    from jax._src import compilation_cache  # nothing public takes a cache of one's own

    folder = program_folder()
    if folder is None:
        if isinstance(compilation_cache._cache, ProgramFiles):  # of an earlier study, before it was turned off
            compilation_cache.reset_cache()
        return
    if getattr(compilation_cache._cache, "_path", None) == folder:
        return
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    compilation_cache.reset_cache()
    compilation_cache._cache, compilation_cache._cache_initialized = ProgramFiles(folder), True  # pyright: ignore[reportAttributeAccessIssue]


def trouble() -> str | None:
    """Why programs would not be kept here, in a sentence; None where they are, or are not meant to be."""
    folder = program_folder()
    if folder is None:
        return None
    probe = folder / f"room{_SUFFIX}.{secrets.token_hex(4)}{_PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"\0" * _ROOM)
    except OSError as error:
        return f"{folder}: {error.strerror or error}; compiled programs are not kept ({VARIABLE}=DIR moves them)"
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


def cache_root() -> Path | None:
    """Where compiled programs are kept, of every version and machine; None where ATTN_JAX_CACHE is "off"."""
    asked = os.environ.get(VARIABLE, "")
    if asked == "off":
        return None
    own = Path("Library", "Caches") if sys.platform == "darwin" else Path(".cache")
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        if asked:
            return Path(asked).expanduser().absolute()
        return (Path(given) if os.path.isabs(given) else Path.home() / own) / "attn_jax"
    except RuntimeError:  # nobody's home
        return None


def program_folder() -> Path | None:
    """Of programs that run here: one that another CPU, or another jaxlib, compiled may hold what this one lacks.

    None without a cache, and where the user has set jax's own.
    """
    root = cache_root()
    if root is None or jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return None
    here = instruction_set() if jax.default_backend() == "cpu" else jax.default_backend()
    return root / f"{here}-jaxlib-{importlib.metadata.version('jaxlib')}"


def _trim(root: Path, most_bytes: int) -> None:
    """Deletes the programs that were not used for longest until the rest fit, and what writers left that were killed.

    Other processes may do the same, or write: what is gone is gone, and what comes later is the next one's to weigh.
    """
    found = []
    for path in root.glob(f"*/*{_SUFFIX}*"):
        with contextlib.suppress(OSError):
            stat = path.stat()
            found.append((stat.st_mtime, stat.st_size, path))
    size = sum(one for _, one, _ in found)
    if size <= most_bytes:
        return
    for _, one, path in sorted(found):
        with contextlib.suppress(OSError):
            path.unlink()
        size -= one
        if size <= 0.9 * most_bytes:
            return


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()
