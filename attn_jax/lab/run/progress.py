"""What is shown while a study runs: bars for it and each model on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from attn_jax.lab.run.pace import Extent, Heard, Pace

_BAR_SECONDS = 1.0
_PLAIN_SECONDS = 15.0
_SILENT_SECONDS = 300.0  # a plain line is repeated after so long, as a sign of life


class Watch:
    """Reads the workers' metrics and shows how far each model is; called several times a second."""

    def __init__(self, console: Console, directory: Path, extent: Extent, heard: Heard | None = None):
        total = {name: extent.steps_of(name) for name in extent.models}
        self._begin(console, Pace(directory, extent, heard), total, "study")

    def _begin(self, console: Console, pace: Any, totals: dict[str, int], whole: str) -> None:
        """Lays out a bar for all and one each; `pace` knows how far they are, `totals` how many steps they have."""
        self._console, self._pace, self._totals = console, pace, totals
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._looked, self._printed, self._line = time.monotonic(), time.monotonic(), ""
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            disable=not self._live,
        )
        self._whole = self._progress.add_task(whole, total=sum(totals.values()), note="")
        self._bars = {
            name: self._progress.add_task(name, total=total, note="") for name, total in self._shown().items()
        }

    def _shown(self) -> dict[str, int]:
        """What has a bar of its own."""
        return self._totals

    def __enter__(self) -> Callable[[], None]:
        self._progress.start()
        return self.update

    def __exit__(self, *error: object) -> None:
        self._pace.update()  # the last numbers are shown in any case
        self._show()
        self._progress.stop()

    def update(self) -> None:
        """Shows the newest numbers, if the last ones have stood for a while."""
        if time.monotonic() - self._looked < (_BAR_SECONDS if self._live else _PLAIN_SECONDS):
            return
        self._looked = time.monotonic()
        self._pace.update()
        self._show()

    def _show(self) -> None:
        left = self._pace.seconds_left()
        note = "" if left is None or left == 0 else f"{in_minutes(left)} left"
        if not self._live:
            self._print(note)
            return
        done = {name: self._pace.steps_done(name) for name in self._totals}
        self._progress.update(self._whole, completed=sum(done.values()), note=note)
        for name, bar in self._bars.items():
            compiling = "compiling" if self._pace.is_compiling(name) else ""
            self._progress.update(bar, completed=done[name], note=compiling)

    def _print(self, note: str) -> None:
        """A line where a model has moved, or after a long silence."""
        line = self._in_a_line()
        if line == self._line and time.monotonic() - self._printed < _SILENT_SECONDS:
            return
        self._line, self._printed = line, time.monotonic()
        self._console.print(f"  {line}{note and f' ({note})'}", markup=False, highlight=False, soft_wrap=True)

    def _in_a_line(self) -> str:
        return ", ".join(f"{name} {self._share(name)}" for name in self._totals)

    def _share(self, name: str) -> str:
        share = f"{self._pace.steps_done(name) / self._totals[name]:.0%}"
        return f"{share} compiling" if self._pace.is_compiling(name) else share


def in_minutes(seconds: float) -> str:
    """A time that is guessed, no finer than it is known.

    >>> in_minutes(42), in_minutes(100), in_minutes(5400)
    ('40 s', '2 min', '1 h 30 min')
    """
    if seconds < 57:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    minutes = max(round(seconds / 60), 1)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
