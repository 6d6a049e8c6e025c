"""What standard output can take of what is said: other characters are replaced, and a closed pipe is no fault."""

import codecs
import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import IO, Any

from rich.console import Console, ConsoleDimensions

_WIDTH = 80
# one letter for one, so that tables stay straight
_GROUPS = {
    "─━╸╺–—−": "-",
    "│┃": "|",
    "╭╮╰╯┌┐└┘├┤┬┴┼": "+",
    "…·": ".",
    "→": ">",
    "←": "<",
    "×": "x",
    "•": "*",
    "␣": "_",
    "“”": '"',
    "‘’": "'",
}
_PLAIN = {fine: plain for several, plain in _GROUPS.items() for fine in several}


class Terminal(Console):
    """A rich console that leaves a closed pipe to the command, and no blanks behind the lines that go into one."""

    @property
    def file(self) -> IO[str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """What is written to; rich fills lines up to the width of a table."""
        return _Trimming(super().file)  # pyright: ignore[reportReturnType]

    @property
    def size(self) -> ConsoleDimensions:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As rich finds it, but COLUMNS=0, which some shells without a terminal set, is no width."""
        found = super().size
        return found if found.width else ConsoleDimensions(_WIDTH, found.height)

    def on_broken_pipe(self) -> None:
        """Raises what was raised; rich would end the process."""
        raise BrokenPipeError


@contextlib.contextmanager
def sayable() -> Iterator[None]:
    """Within it, print and rich replace what standard output and error cannot encode; it is all out at the end."""
    codecs.register_error("attn_jax.plain", _replace)
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="attn_jax.plain")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            _flush(stream)
            stream.reconfigure(errors=errors)


class _Trimming:
    """A stream that cuts off what lines have behind them, unless it is a terminal: there it may be coloured."""

    def __init__(self, stream: IO[str]):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Whole lines come at once."""
        return self._stream.write(text if self._stream.isatty() else re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE))


def _replace(error: UnicodeError) -> tuple[str, int]:
    """The plain characters for those that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(character, "?") for character in error.object[error.start : error.end]), error.end


def _flush(stream: io.TextIOWrapper) -> None:
    """Sends what is left; where it cannot go it goes nowhere, or python would complain at its end."""
    try:
        stream.flush()
    except OSError:  # nobody reads any more, or the disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        stream.flush()
