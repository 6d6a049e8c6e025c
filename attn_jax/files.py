"""Files that are read whole, refused in words where they are not what was written, and written whole or not at all."""

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_DEEPEST = 100  # levels of JSON; ours has a dozen


def read_json(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
      ConfigError: it is no file, or holds no JSON: cut off, empty, not UTF-8, nested without end, NaN.
      OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path}: is no file, wanted one of JSON")
    with naming(path):
        data = path.read_bytes()
    try:
        value = parse_json(data)
        _refuse_deep(value)
        return value
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error


def parse_json(data: bytes) -> Any:
    """The JSON value in some bytes; all that can be wrong with them is a ValueError.

    >>> parse_json(b"[1")
    Traceback (most recent call last):
    ValueError: Expecting ',' delimiter: line 1 column 3 (char 2)
    """
    if not data.strip():
        raise ValueError("it is empty")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_number, parse_int=_integer)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a text or bytes whole or not at all, through a file beside it that is gone afterwards, however it ends.

    What is no text, such as the bytes of a folder's name, stands as "?".
    """
    temporary = path.with_name(path.name + ".part")
    try:
        data = content.encode(errors="replace") if isinstance(content, str) else content
        with naming(path, len(data)), temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def append_whole(path: Path, data: bytes) -> None:
    """Appends bytes whole or not at all, but for a sudden death; starts a new line after one that is torn."""
    with naming(path, len(data)), path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        left = memoryview(b"\n" * torn + data)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(size)
            raise


@contextlib.contextmanager
def naming(path: Path, size: int | None = None) -> Iterator[None]:
    """Gives an error of the operating system the name of the file, and no room the bytes that were to be written."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename if error.filename is not None else str(path)
        if size is not None and error.errno in _NO_ROOM:
            error.strerror = f"{error.strerror} for {size:,} bytes"
        raise


def _refuse_deep(value: Any) -> None:
    """A ValueError of what whoever reads it, one call a level, could not come back from."""
    level, depth = [value], 0
    while level := [
        item for x in level if isinstance(x, dict | list) for item in (x.values() if isinstance(x, dict) else x)
    ]:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)
