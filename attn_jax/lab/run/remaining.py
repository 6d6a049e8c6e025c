"""How long the rest of a command will take: from what its blocks took so far, shared out over the workers.

A block compiles, trains chunk by chunk, and is tested. What each of these takes is known of a model once one of its
blocks has done it, and guessed from the others before. Seconds are those that passed between the rows of a block, as
whoever watches saw them come: checkpoints, probes and a busy machine are in them.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

_SETTLING, _SETTLING_SHARE = 2.0, 0.05  # seconds in which a new guess is believed, and that share of what has passed


@dataclass
class Seen:
    """When the rows of one block came, while this command ran."""

    first: float | None = None
    last: float | None = None
    compile_began: float | None = None
    compile_seconds: float | None = None
    began: float = 0.0  # training, and until when
    until: float | None = None
    said: float = 0.0  # the chunks' own seconds in between
    chunks: int = 0
    test_seconds: float | None = None

    def see(self, row: Mapping[str, Any], now: float) -> None:
        """Takes in a row that has just come."""
        self.first, self.last = now if self.first is None else self.first, now
        if "compiling" in row:
            self.compile_began = now
        if "start" in row and self.compile_began is not None:
            self.compile_seconds = now - self.compile_began
        if "test" in row and self.until is not None:
            self.test_seconds = now - self.until
        self.chunks += "step" in row
        if "step" in row or "start" in row:
            self.said += row["seconds"] if "step" in row and self.until is not None else 0.0
            self.began, self.until = now if self.until is None else self.began, now


class Speed(NamedTuple):
    """What a model's blocks take, in seconds; None where nothing has been seen of it."""

    step: float | None
    compile: float | None  # by a worker that has not had the model yet
    again: float | None  # by one that has
    test: float | None


def speed_of(seconds: float, steps: int, said: float | None, seen: Sequence[Seen], workers: int) -> Speed:
    """What one model takes.

    Args:
      seconds: of its chunks, as they say.
      steps: in these chunks.
      said: what the last block compiled said of compiling, be it to an earlier command.
      seen: of its blocks, what came while this command ran.
      workers: each compiles the model once, and finds it compiled from then on.
    """
    chunks = sum(block.said for block in seen)
    passed = sum(block.until - block.began for block in seen if block.until is not None)
    around = max(1.0, passed / chunks) if chunks else 1.0
    compiled = sorted(block.compile_seconds for block in seen if block.compile_seconds is not None)
    firsts = min(workers, len(compiled))
    tested = [block.test_seconds for block in seen if block.test_seconds is not None]
    return Speed(
        seconds / steps * around if steps else None,
        _mean(compiled[-firsts:]) if compiled else said,
        _mean(compiled[:-firsts]) if compiled else None,
        _mean(tested),
    )


def guessed(speeds: Mapping[str, Speed], flops: Mapping[str, float]) -> dict[str, Speed] | None:
    """The same with what is not known as the others have it: steps by their FLOPs, tests by their steps.

    None where no step of any model is known.

    >>> guessed({"a": Speed(2.0, 9.0, 0.1, 4.0), "b": Speed(None, None, None, None)}, {"a": 1e6, "b": 2e6})["b"]
    Speed(step=4.0, compile=9.0, again=0.1, test=8.0)
    """
    cost = {name: flops.get(name, 1.0) if flops.keys() >= speeds.keys() else 1.0 for name in speeds}
    a_flop = _mean(speed.step / cost[name] for name, speed in speeds.items() if speed.step is not None)
    if a_flop is None:
        return None
    steps = {name: cost[name] * a_flop if speed.step is None else speed.step for name, speed in speeds.items()}
    compiling = _mean(speed.compile for speed in speeds.values() if speed.compile is not None) or 0.0
    again = _mean(speed.again for speed in speeds.values() if speed.again is not None) or 0.0
    a_test = _mean(speed.test / steps[name] for name, speed in speeds.items() if speed.test is not None) or 0.0
    return {
        name: Speed(
            steps[name],
            compiling if speed.compile is None else speed.compile,
            again if speed.again is None else speed.again,
            steps[name] * a_test if speed.test is None else speed.test,
        )
        for name, speed in speeds.items()
    }


class Work(NamedTuple):
    """What is left of a command and what it took so far, as its rows say it, in seconds of workers."""

    left: list[float]  # of each block, in the order in which they are begun
    taken: float  # by those that have begun
    first: float  # when the first of them began
    done: int  # blocks that this command has finished


class Around:
    """How much longer workers take than is known of their blocks: between them there is something, too."""

    def __init__(self) -> None:
        self._factor = 1.0

    def of(self, work: Work, workers: int, now: float) -> float:
        """The factor by now.

        >>> around, work = Around(), Work([5.0] * 4, taken=10.0, first=2.0, done=4)
        >>> around.of(work, workers=2, now=8.0)
        1.2
        """
        # else it is not known yet, or some have nothing to do
        if work.done >= 2 * workers and sum(seconds > 0 for seconds in work.left) >= workers:
            self._factor = max(1.0, workers * (now - work.first) / work.taken)
        return self._factor


def shared_out(jobs: Iterable[float], workers: int) -> float:
    """When the last of these jobs ends, each given to the first free worker.

    >>> shared_out([3.0, 1.0, 1.0, 2.0], 2)
    4.0
    """
    ends = [0.0] * workers
    for seconds in jobs:
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


class Countdown:
    """A time left that does not jump: a new guess is believed bit by bit, the sooner the younger the command is."""

    def __init__(self, now: float):
        self._began, self._at, self._end = now, now, math.nan

    def show(self, left: float | None, now: float) -> float | None:
        """What to show of a guess.

        >>> countdown, guesses = Countdown(0.0), [(100.0, 10.0), (99.0, 11.0), (150.0, 12.0), (149.0, 13.0)]
        >>> [round(countdown.show(left, now)) for left, now in guesses]
        [100, 99, 115, 125]
        """
        if left is None or left == 0:
            return left
        if math.isnan(self._end):
            self._end = now + left
        settling = _SETTLING + _SETTLING_SHARE * (now - self._began)
        believed = 1 - math.exp(-(now - self._at) / settling)
        self._end, self._at = self._end + believed * (now + left - self._end), now
        return max(self._end - now, min(left, 1.0))


def _mean(values: Iterable[float]) -> float | None:
    known = [*values]
    return sum(known) / len(known) if known else None
