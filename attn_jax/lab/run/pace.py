"""How far a study's blocks are, from the rows its workers append, and how long the rest will take."""

import heapq
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from attn_jax.lab.record.directory import block_directory, table_in
from attn_jax.lab.record.runs import is_test_of
from attn_jax.lab.record.schema import row_complaint

Heard: TypeAlias = Callable[[str, int, dict[str, Any]], None]  # who is passed on a row, of a model's block


class Extent(NamedTuple):
    """What a command has to train."""

    blocks: dict[str, int]  # model -> how many
    steps: int
    lengths: list[int]  # of the test at the end
    every: int  # steps a chunk
    workers: int

    @property
    def models(self) -> list[str]:
        """Their names."""
        return [*self.blocks]

    def steps_of(self, model: str) -> int:
        """The steps of a model's blocks together."""
        return self.blocks[model] * self.steps


@dataclass
class BlockPace:
    """One block: what its metrics.jsonl says, read from where the last reading ended."""

    path: Path
    extent: Extent
    heard: Callable[[dict[str, Any]], None] | None = None
    step: int = 0
    chunks: int = 0
    seconds: float = 0.0  # of these chunks
    compile_seconds: float | None = None
    compiling: bool = False
    done: bool = False
    _read: int = field(default=0, repr=False)

    def update(self) -> None:
        """Takes in the whole lines that were appended since."""
        if self._size() <= self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole + newline)
        for line in whole.split(b"\n"):
            self._take(line)

    def _size(self) -> int:
        """Of its file; most have nothing new, and are not opened."""
        try:
            return os.stat(self.path).st_size
        except OSError:  # it has not begun
            return 0

    def _take(self, line: bytes) -> None:
        row = table_in(line)
        if row is None or row_complaint(row):  # torn, or damaged: whoever reads the results says so
            return
        if self.heard is not None:
            self.heard(row)
        self.compiling = "compiling" in row or (self.compiling and "probe" in row)
        self.done |= is_test_of(row, self.extent.steps, self.extent.lengths)
        if "start" in row:
            self.compile_seconds = row["compile_seconds"]
        if "step" in row:
            self.step, self.chunks = max(self.step, row["step"]), self.chunks + 1
            self.seconds += row["seconds"]


class Pace:
    """All blocks of a command."""

    def __init__(self, directory: Path, extent: Extent, heard: Heard | None = None):
        self.extent = extent
        self.blocks = {
            name: [
                BlockPace(
                    block_directory(directory, name, k) / "metrics.jsonl", extent, heard and partial(heard, name, k)
                )
                for k in range(blocks)
            ]
            for name, blocks in extent.blocks.items()
        }
        self.update()
        for block in self._all():
            block.compiling = False  # it was, when the command before this one ended

    def update(self) -> None:
        """Reads what the workers wrote since the last time."""
        for block in self._all():
            block.update()

    def steps_done(self, name: str) -> int:
        """Of one model's blocks together."""
        return sum(block.step for block in self.blocks[name])

    def is_compiling(self, name: str) -> bool:
        """Whether one of a model's blocks is being compiled."""
        return any(block.compiling for block in self.blocks[name])

    def seconds_left(self) -> float | None:
        """How long the rest will take: each model at its own speed, its blocks shared out over the workers in order.

        None before any chunk is over; a model of which none is counts as the mean of the others.
        """
        per_step = {name: self._mean(name) for name in self.blocks}
        known = [value for value in per_step.values() if value is not None]
        if not known:
            return None
        guess = sum(known) / len(known)
        compiling = {name: self._compile_seconds(name) for name in self.blocks}
        left = [
            (compiling[name] if self.blocks[name][k].compile_seconds is None else 0.0)
            + (self.extent.steps - self.blocks[name][k].step) * (per_step[name] or guess)
            for k in range(max(self.extent.blocks.values()))
            for name in sorted(self._having(k), key=lambda name: not self._runs(name, k))
            if not self.blocks[name][k].done
        ]
        return shared_out(left, self.extent.workers)

    def _mean(self, name: str) -> float | None:
        """Seconds a step of one of the model's blocks takes."""
        chunks = sum(block.chunks for block in self.blocks[name])
        return sum(block.seconds for block in self.blocks[name]) / (chunks * self.extent.every) if chunks else None

    def _compile_seconds(self, name: str) -> float:
        """What a block that has not begun will take to compile: as long as the model's last one, which may be none."""
        blocks = reversed(self.blocks[name])
        return next((block.compile_seconds for block in blocks if block.compile_seconds is not None), 0.0)

    def _having(self, k: int) -> list[str]:
        """The models with so many blocks and one more."""
        return [name for name, blocks in self.extent.blocks.items() if k < blocks]

    def _runs(self, name: str, k: int) -> bool:
        block = self.blocks[name][k]
        return block.compiling or block.compile_seconds is not None

    def _all(self) -> list[BlockPace]:
        return [block for blocks in self.blocks.values() for block in blocks]


def shared_out(jobs: list[float], workers: int) -> float:
    """When the last of these jobs ends, each given to the first free worker.

    >>> shared_out([3.0, 1.0, 1.0, 2.0], 2)
    4.0
    """
    ends = [0.0] * workers
    for seconds in jobs:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)
