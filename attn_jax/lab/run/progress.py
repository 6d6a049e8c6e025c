"""What is shown while a study runs: how each model is on a terminal or in a notebook, elsewhere a line now and then."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from attn_jax.lab.run.cell import cell_here
from attn_jax.lab.run.pace import Extent, Heard, Pace, Standing
from attn_jax.lab.run.progress_lines import live_lines, plain_line

_LOOK_SECONDS = 1.0
_PLAIN_SECONDS, _PLAIN_SHARE = 15.0, 0.05  # at least so long between two plain lines, and this share of what has passed
_SILENT_SECONDS = 300.0  # a line that says nothing new but the time comes after so long, as a sign of life


class Watch:
    """Reads the workers' metrics and shows how far each model is; called several times a second."""

    def __init__(self, console: Console, directory: Path, extent: Extent, heard: Heard | None = None):
        self._begin(console, Pace(directory, extent, heard), extent.models, "study")

    def _begin(self, console: Console, pace: Any, names: Sequence[str], whole: str) -> None:
        """`pace` knows how far each of these is, and how long the rest takes; `whole` is what they are together."""
        self._console, self._pace, self._names, self._whole = console, pace, names, whole
        self._shows_live = console.is_terminal and not console.is_dumb_terminal
        self._cell = cell_here()
        self._began = self._looked = self._printed = time.monotonic()
        self._line = ""
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._lines, vertical_overflow="ellipsis")

    def __enter__(self) -> Callable[[], None]:
        if self._cell is None and self._shows_live:
            self._live.start(refresh=True)
        return self.update

    def __exit__(self, *error: object) -> None:
        self._pace.update()  # the last numbers are shown in any case
        self._show(last=True)
        self._live.stop()

    def update(self) -> None:
        """Shows the newest numbers, if the last ones have stood for a while."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        self._pace.update()
        self._show()

    def _show(self, *, last: bool = False) -> None:
        if self._cell is not None:
            self._cell.show(self._lines(), self._console.width)
            return
        if self._shows_live:
            self._live.refresh()
            return
        since = time.monotonic() - self._printed
        if not last and since < max(_PLAIN_SECONDS, min(_PLAIN_SHARE * (self._printed - self._began), _SILENT_SECONDS)):
            return
        line = self._in_a_line()
        if line != self._line or (since >= _SILENT_SECONDS and not last):
            self._line, self._printed = line, time.monotonic()
            self._console.print(f"  {self._times()}: {line}", markup=False, highlight=False, soft_wrap=True)

    def _standings(self) -> dict[str, Standing]:
        return {name: self._pace.standing(name) for name in self._names}

    def _lines(self) -> Text:
        return live_lines(self._whole, self._standings(), self._times(), self._console.width)

    def _in_a_line(self) -> str:
        return plain_line(self._standings())

    def _times(self) -> str:
        """What has passed, and what is left."""
        left = self._pace.seconds_left()
        passed = in_minutes(time.monotonic() - self._began)
        return passed if not left else f"{passed}, about {in_minutes(left)} left"


def in_minutes(seconds: float) -> str:
    """A time that is guessed, no finer than it is known.

    >>> in_minutes(42), in_minutes(100), in_minutes(5400)
    ('40 s', '2 min', '1 h 30 min')
    """
    if seconds < 57:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    minutes = max(round(seconds / 60), 1)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
