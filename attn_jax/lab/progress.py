"""What is shown while a study runs: bars for it and each model on a terminal, a plain line now and then elsewhere."""

import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from attn_jax.lab.directory import block_directory, read_rows

_BAR_SECONDS = 1.0
_PLAIN_SECONDS = 15.0


class Watch:
    """Reads the workers' metrics and shows how far each model is; called several times a second."""

    def __init__(self, console: Console, directory: Path, models: list[str], blocks: int, steps: int):
        self._console, self._directory = console, directory
        self._models, self._blocks, self._steps = models, blocks, steps
        self._shown = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._study = self._progress.add_task("study", total=len(models) * blocks * steps)
        self._bars = {name: self._progress.add_task(name, total=blocks * steps) for name in models}

    def __enter__(self) -> Callable[[], None]:
        self._progress.start()
        return self.update

    def __exit__(self, *error: object) -> None:
        self._shown = -_PLAIN_SECONDS  # the last numbers are shown in any case
        self.update()
        self._progress.stop()

    def update(self) -> None:
        """Shows the newest numbers."""
        if time.monotonic() - self._shown < (_BAR_SECONDS if self._console.is_terminal else _PLAIN_SECONDS):
            return
        self._shown = time.monotonic()
        done = {name: self._steps_done(name) for name in self._models}
        self._progress.update(self._study, completed=sum(done.values()))
        for name, steps in done.items():
            self._progress.update(self._bars[name], completed=steps)
        if not self._console.is_terminal:
            total = self._blocks * self._steps
            shares = (f"{name} {steps / total:.0%}" for name, steps in done.items())
            self._console.print("  " + ", ".join(shares), markup=False, highlight=False)

    def _steps_done(self, name: str) -> int:
        folders = (block_directory(self._directory, name, k) for k in range(self._blocks))
        rows = (read_rows(folder / "metrics.jsonl") for folder in folders)
        return sum(max((row.get("step", 0) for row in block), default=0) for block in rows)
