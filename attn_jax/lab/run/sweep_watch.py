"""What is shown while a sweep runs: how all of it and each point is doing, or a plain line now and then."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.text import Text

from attn_jax.lab.run.pace import Extent, Heard, Pace, Standing
from attn_jax.lab.run.progress import Watch
from attn_jax.lab.run.progress_lines import live_lines, plain_line, sum_of
from attn_jax.lab.run.remaining import Around, Countdown, Work, shared_out
from attn_jax.names import counted

_MOST_SHOWN, _MOST_NAMED = 16, 4  # points that have a line each, or are named in one
Point: TypeAlias = tuple[Path, Extent, Heard | None]  # where it lives, what there is to train, who is told of rows


class SweepPace:
    """All blocks of all points, as `Pace` has those of a study; a point stands for what is a model there."""

    def __init__(self, points: Mapping[str, Point], workers: int):
        self._workers, self._countdown, self._around = workers, Countdown(time.monotonic()), Around()
        self._extents = {point: extent for point, (_, extent, _) in points.items()}
        self._paces = {point: Pace(at, extent, heard) for point, (at, extent, heard) in points.items()}

    def update(self) -> None:
        """Reads what the workers wrote since the last time."""
        for pace in self._paces.values():
            pace.update()

    def standing(self, point: str) -> Standing:
        """How the models of a point are doing together."""
        return sum_of({name: self._paces[point].standing(name) for name in self._extents[point].models})

    def seconds_left(self) -> float | None:
        """How long the rest will take; a point that has not begun takes as long a step as the others. None at first."""
        now = time.monotonic()
        works = {point: pace.work(now) for point, pace in self._paces.items()}
        stand = {point: self.standing(point) for point in works}
        steps = {point: standing.total - standing.steps for point, standing in stand.items()}
        known = {point: work for point, work in works.items() if work is not None and steps[point]}
        if not known:
            return None if any(steps.values()) else 0.0
        a_step = sum(sum(work.left) for work in known.values()) / sum(steps[point] for point in known)
        more = sum(steps[point] * a_step for point in steps if point not in known)
        # points take turns: what passed between the blocks of one was spent on the others, and all are looked at as one
        whole = [work for work in works.values() if work is not None]
        work = Work(
            [seconds for work in whole for seconds in work.left],
            taken=sum(work.taken for work in whole),
            first=min(work.first for work in whole),
            done=sum(work.done for work in whole),
        )
        around = self._around.of(work, self._workers, now)
        begun = shared_out(sorted(work.left, reverse=True), self._workers)  # the last block is waited for
        return self._countdown.show((begun + more / self._workers) * around, now)


class SweepWatch(Watch):
    """Shows how far each point is; called several times a second."""

    def __init__(self, console: Console, points: Mapping[str, Point], workers: int):
        self._begin(console, SweepPace(points, workers), [*points], "sweep")

    def _lines(self) -> Text:
        """Of many points, those that have begun and are not done."""
        standings = self._standings()
        shown = standings if len(standings) <= _MOST_SHOWN else dict([*_begun(standings).items()][:_MOST_SHOWN])
        return live_lines(self._whole, shown, self._times(), self._console.width, together=sum_of(standings))

    def _in_a_line(self) -> str:
        """How many points are done, and how far those are that have begun."""
        standings = self._standings()
        done = sum(standing.done == standing.runs for standing in standings.values())
        begun = _begun(standings)
        more = [f"and {len(begun) - _MOST_NAMED} more"] if len(begun) > _MOST_NAMED else []
        named = [plain_line(dict([item])) for item in [*begun.items()][:_MOST_NAMED]]
        return "; ".join([f"{done} of {counted(len(standings), 'point')} done", *named, *more])


def _begun(standings: Mapping[str, Standing]) -> dict[str, Standing]:
    """Those that have begun and are not done."""
    return {
        name: standing
        for name, standing in standings.items()
        if standing.done < standing.runs and (standing.steps or standing.compiling or standing.training)
    }
