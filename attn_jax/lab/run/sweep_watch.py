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
from attn_jax.lab.run.remaining import Countdown
from attn_jax.names import counted

_MOST_SHOWN, _MOST_NAMED = 16, 4  # points that have a line each, or are named in one
Point: TypeAlias = tuple[Path, Extent, Heard | None]  # where it lives, what there is to train, who is told of rows


class SweepPace:
    """All blocks of all points, as `Pace` has those of a study; a point stands for what is a model there."""

    def __init__(self, points: Mapping[str, Point], workers: int):
        self._workers, self._countdown = workers, Countdown(time.monotonic())
        self._extents = {point: extent for point, (_, extent, _) in points.items()}
        # by one worker each: what is left of all is shared out here
        self._paces = {
            point: Pace(at, extent._replace(workers=1), heard) for point, (at, extent, heard) in points.items()
        }

    def update(self) -> None:
        """Reads what the workers wrote since the last time."""
        for pace in self._paces.values():
            pace.update()

    def standing(self, point: str) -> Standing:
        """How the models of a point are doing together."""
        return sum_of({name: self._paces[point].standing(name) for name in self._extents[point].models})

    def seconds_left(self) -> float | None:
        """How long the rest will take; a point that has not begun takes as long a step as the others. None at first."""
        left = {point: pace.guessed_seconds_left() for point, pace in self._paces.items()}
        stand = {point: self.standing(point) for point in left}
        steps = {point: standing.total - standing.steps for point, standing in stand.items()}
        known = {point: seconds for point, seconds in left.items() if seconds is not None and steps[point]}
        if not known:
            return None if any(steps.values()) else 0.0
        a_step = sum(known.values()) / sum(steps[point] for point in known)
        whole = sum(known.get(point, steps[point] * a_step) for point in steps if steps[point]) / self._workers
        return self._countdown.show(whole, time.monotonic())


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
