"""What is shown while a sweep runs: one bar for all of it and one a point, or a plain line now and then."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from attn_jax.lab.run.pace import Extent, Heard, Pace
from attn_jax.lab.run.progress import Watch
from attn_jax.names import counted

_MOST_BARS, _MOST_NAMED = 16, 4  # points that have a bar each, or are named in a line
Point: TypeAlias = tuple[Path, Extent, Heard | None]  # where it lives, what there is to train, who is told of rows


class SweepPace:
    """All blocks of all points, as `Pace` has those of a study; a point stands for what is a model there."""

    def __init__(self, points: Mapping[str, Point], workers: int):
        self._workers = workers
        self._extents = {point: extent for point, (_, extent, _) in points.items()}
        # by one worker each: what is left of all is shared out here
        self._paces = {
            point: Pace(at, extent._replace(workers=1), heard) for point, (at, extent, heard) in points.items()
        }

    def update(self) -> None:
        """Reads what the workers wrote since the last time."""
        for pace in self._paces.values():
            pace.update()

    def total(self, point: str) -> int:
        """Steps of all blocks of a point."""
        extent = self._extents[point]
        return sum(map(extent.steps_of, extent.models))

    def steps_done(self, point: str) -> int:
        """Of them, so far."""
        return sum(self._paces[point].steps_done(name) for name in self._extents[point].models)

    def is_compiling(self, point: str) -> bool:
        """Whether one of its blocks is being compiled."""
        return any(self._paces[point].is_compiling(name) for name in self._extents[point].models)

    def seconds_left(self) -> float | None:
        """How long the rest will take; a point that has not begun takes as long a step as the others. None at first."""
        left = {point: pace.seconds_left() for point, pace in self._paces.items()}
        steps = {point: self.total(point) - self.steps_done(point) for point in left}
        known = {point: seconds for point, seconds in left.items() if seconds is not None and steps[point]}
        if not known:
            return None if any(steps.values()) else 0.0
        a_step = sum(known.values()) / sum(steps[point] for point in known)
        return sum(known.get(point, steps[point] * a_step) for point in steps if steps[point]) / self._workers


class SweepWatch(Watch):
    """Shows how far each point is; called several times a second."""

    def __init__(self, console: Console, points: Mapping[str, Point], workers: int):
        pace = SweepPace(points, workers)
        self._begin(console, pace, {point: pace.total(point) for point in points}, "sweep")

    def _shown(self) -> dict[str, int]:
        return self._totals if len(self._totals) <= _MOST_BARS else {}

    def _in_a_line(self) -> str:
        """How many points are done, and how far those are that have begun."""
        steps = {point: self._pace.steps_done(point) for point in self._totals}
        done = sum(steps[point] == total for point, total in self._totals.items())
        begun = [point for point in steps if steps[point] < self._totals[point]]
        begun = [point for point in begun if steps[point] or self._pace.is_compiling(point)]
        more = [f"and {len(begun) - _MOST_NAMED} more"] if len(begun) > _MOST_NAMED else []
        named = [f"{point} {self._share(point)}" for point in begun[:_MOST_NAMED]]
        return ", ".join([f"{done} of {counted(len(steps), 'point')} done", *named, *more])
