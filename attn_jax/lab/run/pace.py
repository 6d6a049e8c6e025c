"""How far a study's blocks are, from the rows its workers append: how their runs stand, and what they took."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from attn_jax.config.study import HELD, ROUNDING
from attn_jax.lab.record.directory import block_directory, table_in
from attn_jax.lab.record.runs import is_test_of
from attn_jax.lab.record.schema import row_complaint
from attn_jax.lab.record.scores import normalised
from attn_jax.lab.run.remaining import Around, Countdown, Seen, Speed, Work, guessed, shared_out, speed_of

Heard: TypeAlias = Callable[[str, int, dict[str, Any]], None]  # who is passed on a row, of a model's block


class Extent(NamedTuple):
    """What a command has to train."""

    blocks: dict[str, int]  # model -> how many
    steps: int
    lengths: list[int]  # of the test at the end
    every: int  # steps a chunk
    workers: int
    facts: dict[str, Any] | None = None  # of study.json; without them scores have no meaning

    @property
    def models(self) -> list[str]:
        """Their names."""
        return [*self.blocks]

    def steps_of(self, model: str) -> int:
        """The steps of a model's blocks together."""
        return self.blocks[model] * self.steps

    def runs_of(self, model: str, block: int) -> int:
        """How many runs a block has, without those that fill it up."""
        return len(self.facts["runs"][model][block]) if self.facts else 1


class Standing(NamedTuple):
    """How a model, or a point of a sweep, is doing."""

    runs: int
    training: int  # of them, just now
    done: int
    steps: int  # of its blocks together
    total: int
    compiling: bool
    best: float | None  # the highest score that a run has had; None before there is one
    solved: int | None  # runs so far; None where nothing says what that means


@dataclass
class BlockPace:
    """One block: what its metrics.jsonl says, read from where the last reading ended."""

    path: Path
    extent: Extent
    runs: int = 1
    heard: Callable[[dict[str, Any]], None] | None = None
    step: int = 0
    chunks: int = 0
    seconds: float = 0.0  # of these chunks, as they say
    compile_seconds: float | None = None
    compiling: bool = False
    training: bool = False
    done: bool = False
    best: float | None = None
    seen: Seen = field(default_factory=Seen, repr=False)
    _above: Any = field(default=0, repr=False)  # [R] evaluations in a row at the threshold, up to the last
    _held: Any = field(default=False, repr=False)  # [R] whether they have been enough, once
    _alive: Any = field(default=True, repr=False)  # [R]
    _read: int = field(default=0, repr=False)

    @property
    def solved(self) -> int:
        """Runs that have reached the threshold and held it, and have not diverged."""
        return int(np.sum(np.logical_and(self._held, self._alive)))

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

    def begin(self) -> None:
        """What was read so far is of earlier commands: nothing of it goes on now."""
        self.compiling = self.training = False
        self.seen = Seen()

    def _size(self) -> int:
        """Of its file; most have nothing new, and are not opened."""
        try:
            return os.stat(self.path).st_size
        except OSError:  # it has not begun
            return 0

    def _take(self, line: bytes) -> None:
        row = table_in(line)
        if row is None or row_complaint(row, self.extent.facts):  # torn, or damaged: who reads the results says so
            return
        if self.heard is not None:
            self.heard(row)
        self.seen.see(row, time.monotonic())
        self.compiling = "compiling" in row or (self.compiling and "probe" in row)
        self.done |= is_test_of(row, self.extent.steps, self.extent.lengths)
        self.training = not self.done and (self.training or "start" in row or "step" in row)
        if "start" in row:
            self.compile_seconds = row["compile_seconds"]
        if "step" in row:
            self.chunks, self.seconds = self.chunks + 1, self.seconds + row["seconds"]
            if row["step"] > self.step:  # after a resumption one may come again
                self.step = row["step"]
                self._judge(row)

    def _judge(self, row: dict[str, Any]) -> None:
        """Who has solved the task so far, as `solved_and_held` will say in the end."""
        if (facts := self.extent.facts) is None:
            return
        metric = np.array(row["validation"]["metric"][: self.runs], float)
        score = normalised(metric, facts["task"]["validation_lengths"], facts).mean(-1)
        threshold = np.inf if facts["task"]["threshold"] is None else facts["task"]["threshold"] - ROUNDING
        self._alive = ~np.array(row["diverged"][: self.runs]) & np.isfinite(score)
        self._above = np.where(score >= threshold, self._above + 1, 0)
        self._held = np.logical_or(self._held, self._above > HELD)
        if self._alive.any():
            self.best = max(float(score[self._alive].max()), -np.inf if self.best is None else self.best)


class Pace:
    """All blocks of a command."""

    def __init__(self, directory: Path, extent: Extent, heard: Heard | None = None):
        self.extent, self._countdown, self._around = extent, Countdown(time.monotonic()), Around()
        self.blocks = {
            name: [
                BlockPace(
                    block_directory(directory, name, k) / "metrics.jsonl",
                    extent,
                    extent.runs_of(name, k),
                    heard and partial(heard, name, k),
                )
                for k in range(blocks)
            ]
            for name, blocks in extent.blocks.items()
        }
        self.update()
        for block in self._all():
            block.begin()

    def update(self) -> None:
        """Reads what the workers wrote since the last time."""
        for block in self._all():
            block.update()

    def standing(self, name: str) -> Standing:
        """How one model is doing."""
        blocks, facts = self.blocks[name], self.extent.facts
        scores = [block.best for block in blocks if block.best is not None]
        known = facts is not None and facts["task"]["threshold"] is not None
        return Standing(
            runs=sum(block.runs for block in blocks),
            training=sum(block.runs for block in blocks if block.training),
            done=sum(block.runs for block in blocks if block.done),
            steps=sum(block.step for block in blocks),
            total=self.extent.steps_of(name),
            compiling=any(block.compiling for block in blocks),
            best=max(scores, default=None),
            solved=sum(block.solved for block in blocks) if known else None,
        )

    def seconds_left(self) -> float | None:
        """How long the rest will take, as it is shown; None before any chunk is over."""
        return self._countdown.show(self.guessed_seconds_left(), time.monotonic())

    def guessed_seconds_left(self) -> float | None:
        """The same as it is guessed just now."""
        now, workers = time.monotonic(), self.extent.workers
        work = self.work(now)
        return None if work is None else shared_out(work.left, workers) * self._around.of(work, workers, now)

    def work(self, now: float) -> Work | None:
        """What is left and what was done; None before any chunk is over."""
        facts = self.extent.facts
        known = {name: model["train_flops_per_step"] for name, model in (facts["models"] if facts else {}).items()}
        flops = {name: count for name, count in known.items() if count}
        speeds = guessed({name: self._speed(name) for name in self.blocks}, flops)
        if speeds is None:
            return None
        compiling = {name: self._compiling(name, speed) for name, speed in speeds.items()}
        jobs = [(k, name) for k in range(max(self.extent.blocks.values())) for name in self._having(k)]
        jobs.sort(key=lambda job: not self._runs(self.blocks[job[1]][job[0]]))
        left = [self._left(self.blocks[name][k], speeds[name], compiling[name][k], now) for k, name in jobs]
        seen = [(block, speeds[name]) for name in self.blocks for block in self.blocks[name] if block.seen.chunks]
        return Work(
            left,
            taken=sum(self._known_of(block, speed, now) for block, speed in seen),
            first=min((block.seen.first for block, _ in seen if block.seen.first is not None), default=now),
            done=sum(block.done for block, _ in seen),
        )

    def _compiling(self, name: str, speed: Speed) -> list[float]:
        """What each block of a model takes to compile: as many pay the first price as there are workers."""
        assert speed.compile is not None and speed.again is not None  # guessed
        blocks = self.blocks[name]
        firsts = self.extent.workers - sum(block.seen.compile_seconds is not None for block in blocks)
        # those that run compile before those that have not begun
        waiting = [k for k, block in enumerate(blocks) if block.seen.compile_seconds is None and not block.done]
        waiting.sort(key=lambda k: not self._runs(blocks[k]))
        prices = [0.0] * len(blocks)
        for place, k in enumerate(waiting):
            prices[k] = speed.compile if place < firsts else speed.again
        return prices

    def _known_of(self, block: BlockPace, speed: Speed, now: float) -> float:
        """What one block has taken of this command's time, by what is known of its model."""
        assert speed.step is not None and speed.test is not None  # guessed
        trained = (block.seen.compile_seconds or 0.0) + block.seen.chunks * self.extent.every * speed.step
        if block.done:
            return trained + speed.test
        return trained + min(now - (block.seen.last or now), self.extent.every * speed.step)

    def _speed(self, name: str) -> Speed:
        blocks = self.blocks[name]
        said = [block.compile_seconds for block in blocks if block.compile_seconds is not None]
        steps = self.extent.every * sum(block.chunks for block in blocks)
        seconds = sum(block.seconds for block in blocks)
        seen = [block.seen for block in blocks]
        return speed_of(seconds, steps, said[-1] if said else None, seen, self.extent.workers)

    def _left(self, block: BlockPace, speed: Speed, compiling: float, now: float) -> float:
        """What is left of one block, less what it has done of it since its last row came."""
        assert speed.step is not None and speed.test is not None  # guessed
        if block.done:
            return 0.0
        since = now - block.seen.last if block.seen.last is not None and self._runs(block) else 0.0
        steps = self.extent.steps - block.step
        left = steps * speed.step + (speed.test if steps or block.training else 0.0)
        if block.training:
            return left - min(since, self.extent.every * speed.step if steps else speed.test)
        return left + max(compiling - since, 0.0)

    def _having(self, k: int) -> list[str]:
        """The models with so many blocks and one more."""
        return [name for name, blocks in self.extent.blocks.items() if k < blocks]

    def _runs(self, block: BlockPace) -> bool:
        return block.compiling or block.training

    def _all(self) -> list[BlockPace]:
        return [block for blocks in self.blocks.values() for block in blocks]
