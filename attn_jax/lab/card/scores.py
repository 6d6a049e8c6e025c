"""What a finished study of one model comes to on a card: a score a seed, at the training lengths and at each length."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from attn_jax.lab.card.relabelled import Runs, told_runs
from attn_jax.lab.loading import StudyResults
from attn_jax.lab.outcome.intervals import Limits
from attn_jax.lab.outcome.judged import judge, last_loss, zero_where_diverged
from attn_jax.lab.outcome.statistics import mean_interval

_DIGITS = 6


def scores_of(results: StudyResults) -> dict[str, Any]:
    """Scores, 0 at the floor and 1 at the best possible, of each seed at the rate that was best on the other seeds.

    Args:
      results: of a study of one model.
    """
    (model,) = results.models.values()
    runs = judge(results, model)
    final, lengths = runs.chosen(runs.final), runs.chosen(zero_where_diverged(model, "lengths", model.length_score))
    limits = results.score_limits(results.train_lengths)
    rates = [model.learning_rates[place] for place in runs.choice.places]
    ends = {"smallest": min(model.learning_rates), "largest": max(model.learning_rates)}
    return {
        "scores": _listed(final),
        "every_run": told_runs(Runs(runs.final, runs.solving.steps_to_solve, last_loss(model))),
        "score": interval_of(final, limits),
        "limits": list(limits),
        "lengths": {str(length): _listed(lengths[:, i]) for i, length in enumerate(results.curve_lengths)},
        "by_length": {
            str(length): interval_of(lengths[:, i], results.score_limits([length]))
            for i, length in enumerate(results.curve_lengths)
        },
        "floor": {"name": results.chance, "value": _floor(results)},
        "metric": results.metric,
        "rates": rates,
        "edge": [end for end, rate in ends.items() if {*rates} == {rate}],  # a better one may lie beyond
        "diverged": int(model.diverged.sum()),
        "runs": int(model.diverged.size),
    }


def interval_of(scores: ArrayLike, limits: Limits) -> dict[str, Any]:
    """The mean over seeds, and its 95 % interval.

    >>> interval_of([0.5, 0.7, 0.9], (0.0, 1.0))["value"]
    0.7
    """
    found = mean_interval(scores, limits)
    bounds = [None if not np.isfinite(bound) else round(bound, _DIGITS) for bound in (found.low, found.high)]
    return {"value": round(found.value, _DIGITS), "low": bounds[0], "high": bounds[1], "method": found.method}


def _floor(results: StudyResults) -> float | None:
    return results.floors[max(results.train_lengths)][results.chance]["value"]


def _listed(values: np.ndarray) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]
