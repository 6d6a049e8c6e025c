"""By what two models are compared: numbers of the runs that stand for the seeds, one a seed."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from attn_jax.lab.outcome.intervals import Limits
from attn_jax.lab.outcome.judged import Judged
from attn_jax.lab.outcome.results import Results


class Measure(NamedTuple):
    """A number of each seed's run, by which two models may be compared."""

    of: Callable[[Results, Judged], np.ndarray]  # -> [S]; bool where it is a share
    limits: Callable[[Results], Limits]
    needs_threshold: bool
    more_is_better: bool = True


def final_limits(results: Results) -> Limits:
    """Of a mean of scores at training lengths: those of the lengths whose floors are known."""
    shortest, longest = results.train_lengths
    return results.score_limits([n for n in results.floors if shortest <= n <= longest])


def _steps(results: Results, runs: Judged) -> np.ndarray:
    return np.minimum(runs.chosen(runs.solving.steps_to_solve), results.budget)


MEASURES = {
    "solved": Measure(lambda results, runs: runs.chosen(runs.solving.solved), lambda results: (0.0, 1.0), True),
    "steps": Measure(_steps, lambda results: (0.0, results.budget), True, more_is_better=False),
    "final": Measure(lambda results, runs: runs.chosen(runs.final), final_limits, False),
}


def measures_of(results: Results) -> list[str]:
    """The measures that a study has: without a threshold nothing is solved."""
    return [name for name, measure in MEASURES.items() if results.threshold is not None or not measure.needs_threshold]
