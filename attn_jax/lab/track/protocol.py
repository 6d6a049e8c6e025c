"""What a tracker is: an object with three methods, made once a study."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias


class TrackedRun(NamedTuple):
    """Whose numbers they are: one run's, or those of all seeds at one learning rate.

    >>> print(TrackedRun("gru", 0.003, 7), TrackedRun("gru", 0.003, None))
    gru/lr=0.003/seed=7 gru/lr=0.003/seeds
    """

    model: str  # "gru", or "gru@wide" where a study has starts
    learning_rate: float
    seed: int | None  # None: over all of them

    def __str__(self) -> str:
        return f"{self.model}/lr={self.learning_rate}/{'seeds' if self.seed is None else f'seed={self.seed}'}"


class Tracker(Protocol):
    """Is told what a study measures, all of it, in a thread of its own; whatever it raises ends it and nothing else.

    Every command tells the whole study from its first step, what earlier ones trained too: a tracker begins anew, or
    passes over the steps that it has.
    """

    def start(self, study: Mapping[str, Any]) -> None:
        """Called first: the study's name, directory, config, task and models, as in study.json."""
        ...

    def log(self, run: TrackedRun, step: int, scalars: Mapping[str, float]) -> None:
        """What was measured of a run after so many steps, finite numbers by names such as "eval/score".

        The steps of a run ascend, but for a probe of the start that was asked for late; one may come again with other
        names, as the test's does.
        """
        ...

    def finish(self, summary: Mapping[str, Any] | None) -> None:
        """Called last: what summary.json holds; None where the command ended before there was one."""
        ...


MakeTracker: TypeAlias = Callable[[], Tracker]
