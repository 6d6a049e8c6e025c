"""A model's runs and what follows from them: who solved the task, and at which rate each seed is reported."""

from typing import NamedTuple

import numpy as np

from attn_jax.lab.outcome.results import ModelResult, Results
from attn_jax.lab.outcome.selection import ChosenRates, Solving, best_rate, cross_fitted_rates, solved_and_held
from attn_jax.lab.outcome.summary_types import RunSummary


class Judged(NamedTuple):
    """One model's runs and what follows from them."""

    model: ModelResult
    solving: Solving  # [S, A] each
    choice: ChosenRates
    final: np.ndarray  # [S, A], 0 where diverged

    def chosen(self, array: np.ndarray) -> np.ndarray:
        """[S, A, ...] -> [S, ...]: the run that stands for each seed."""
        return array[np.arange(len(self.choice.places)), self.choice.places]


def judge(results: Results, model: ModelResult) -> Judged:
    """Decides who solved the task, and at which rate each seed is reported."""
    score = np.where(model.diverged[..., None], np.nan, model.score)
    threshold = np.inf if results.threshold is None else results.threshold
    solving = solved_and_held(score, threshold, results.evaluated_at)
    choice = cross_fitted_rates(solving.solved, solving.steps_to_solve, last_loss(model), results.budget)
    return Judged(model, solving, choice, zero_where_diverged(model, "final", model.final))


def best_place(results: Results, runs: Judged) -> int:
    """The place of the learning rate that is best over all seeds pooled: no seed may be reported by it."""
    return best_rate(runs.solving.solved, runs.solving.steps_to_solve, last_loss(runs.model), results.budget)


def on_edge(results: Results, runs: Judged) -> bool:
    """Whether the rate that is best over all seeds is the first or the last of three or more."""
    rates = runs.model.learning_rates
    return len(rates) > 2 and best_place(results, runs) in (0, len(rates) - 1)


def last_loss(model: ModelResult) -> np.ndarray:
    """[S, A] of the last validation, inf where diverged."""
    return np.where(model.diverged, np.inf, model.measured["loss"].validation[..., -1])


def zero_where_diverged(model: ModelResult, field: str, scores: np.ndarray) -> np.ndarray:
    """A test score with 0, chance, for diverged runs; any other run must have one."""
    scores = np.asarray(scores, np.float64)
    diverged = model.diverged.reshape(model.diverged.shape + (1,) * (scores.ndim - 2))
    if not np.isfinite(np.where(diverged, 0.0, scores)).all():
        raise ValueError(f"{field}: {model.name!r} has a score that is not finite in a run not marked diverged")
    return np.where(diverged, 0.0, scores)


def run_summaries(results: Results, runs: Judged) -> list[RunSummary]:
    """Every seed x learning rate."""
    steps, known = runs.solving.steps_to_solve, results.threshold is not None
    return [
        {
            "seed": results.first_seed + seed,
            "learning_rate": float(rate),
            "solved": bool(runs.solving.solved[seed, place]) if known else None,
            "steps_to_solve": int(steps[seed, place]) if runs.solving.solved[seed, place] else None,
            "unconfirmed": bool(runs.solving.unconfirmed[seed, place]) if known else None,
            "diverged": bool(runs.model.diverged[seed, place]),
            "final": float(runs.final[seed, place]),
        }
        for seed in range(len(runs.final))
        for place, rate in enumerate(runs.model.learning_rates)
    ]
