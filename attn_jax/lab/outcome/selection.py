"""Which runs solved the task, and at which learning rate each seed is reported."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from attn_jax.config.study import HELD, ROUNDING


class Solving(NamedTuple):
    """What became of each run; the arrays have the scores' shape without the axis of evaluations."""

    solved: np.ndarray  # bool: crossed the threshold and held it
    unconfirmed: np.ndarray  # bool: not solved, but above the threshold since one of the last two evaluations
    steps_to_solve: np.ndarray  # float: the step of the first of the held evaluations, inf where not solved


class ChosenRates(NamedTuple):
    """The learning rate at which each seed is reported."""

    places: np.ndarray  # [S] int, into the ascending rates
    cross_fitted: bool  # False with one seed: it chose its own


def solved_and_held(score: np.ndarray, threshold: float, evaluated_at: np.ndarray) -> Solving:
    """Runs whose score reaches the threshold at an evaluation and holds it at the next two.

    solved = some e with score[e], score[e + 1], score[e + 2] >= threshold; its step is that of the first such e. A
    crossing in the last two evaluations that still holds at the end cannot be confirmed: it is not solved and counted
    apart. A diverged run, NaN from where it diverged, never solves, whatever it did before.

    Args:
      score: [..., E] normalised validation scores.
      threshold: the score that counts as solved.
      evaluated_at: [E] the step of each evaluation, ascending.

    Returns:
      solved, unconfirmed and steps to solve, each [...].

    Raises:
      ValueError: evaluated_at and score that disagree on E, or no evaluation.

    >>> solved_and_held(np.array([[0, 1, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1]]), 0.95, np.arange(50, 350, 50))
    Solving(solved=array([ True, False]), unconfirmed=array([False,  True]), steps_to_solve=array([200.,  inf]))
    """
    score, evaluated_at = np.asarray(score), np.asarray(evaluated_at)
    if evaluated_at.ndim != 1 or not evaluated_at.size or score.shape[-1:] != evaluated_at.shape:
        raise ValueError(
            f"score: got shape {score.shape} with evaluated_at {evaluated_at.shape}, wanted [..., E] and [E], E >= 1"
        )
    alive = np.asarray(np.isfinite(score).all(axis=-1))
    above = np.logical_and(score >= threshold - ROUNDING, alive[..., None])
    count = max(len(evaluated_at) - HELD, 0)
    held = np.ones((*above.shape[:-1], count), bool)
    for shift in range(HELD + 1):
        held &= above[..., shift : shift + count]
    solved = np.asarray(held.any(axis=-1))
    first = evaluated_at[held.argmax(axis=-1)] if count else np.full(solved.shape, np.inf)
    return Solving(solved, above[..., -1] & ~solved, np.where(solved, first, np.inf))


def cross_fitted_rates(solved: np.ndarray, steps_to_solve: np.ndarray, loss: np.ndarray, budget: float) -> ChosenRates:
    """The rate of each seed that is best on the other seeds' validation data: no best-of-N in disguise.

    Best: most seeds solved, then the smallest restricted mean steps, then the smallest mean loss, then the smallest
    rate. A seed's own luck has no part in its choice, so what it shows at that rate is unbiased. One seed has no
    others: it is reported at its own validation best, which flatters it.

    Args:
      solved: [S, A] bool.
      steps_to_solve: [S, A], inf where not solved.
      loss: [S, A] final validation loss; what is not finite counts as inf.
      budget: the horizon of the restricted mean.

    Returns:
      The place of each seed's rate, and whether it was cross-fitted.

    Raises:
      ValueError: unequal shapes, or no runs.

    >>> solved = np.array([[True, True], [True, True], [False, True]])
    >>> cross_fitted_rates(solved, np.where(solved, 100.0, np.inf), np.zeros((3, 2)), 500).places.tolist()
    [1, 1, 0]
    """
    solved, steps, loss = np.asarray(solved), np.asarray(steps_to_solve), np.asarray(loss)
    if solved.ndim != 2 or not solved.size or not solved.shape == steps.shape == loss.shape:
        shapes = f"{solved.shape}, {steps.shape}, {loss.shape}"
        raise ValueError(f"solved, steps_to_solve, loss: got shapes {shapes}, wanted [S, A] thrice")
    restricted, loss = np.minimum(steps, budget), np.where(np.isfinite(loss), loss, np.inf)
    seeds = np.arange(len(solved))
    if len(seeds) == 1:
        return ChosenRates(np.array([_best(solved, restricted, loss)]), False)
    return ChosenRates(
        np.array([_best(solved[seeds != s], restricted[seeds != s], loss[seeds != s]) for s in seeds]),
        True,
    )


def best_rate(solved: np.ndarray, steps_to_solve: np.ndarray, loss: np.ndarray, budget: float) -> int:
    """The place of the rate that is best over all seeds, in the order of `cross_fitted_rates`."""
    return _best(solved, np.minimum(steps_to_solve, budget), np.where(np.isfinite(loss), loss, np.inf))


def _best(solved: np.ndarray, restricted: np.ndarray, loss: np.ndarray) -> int:
    """The best column; lexsort is stable, so that ties go to the smaller rate."""
    return int(np.lexsort((loss.mean(axis=0), restricted.mean(axis=0), -solved.sum(axis=0)))[0])


def chosen_runs(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The run that stands for each seed, of a model's entry in the summary.

    >>> runs = [{"seed": 0, "learning_rate": rate, "final": rate} for rate in (0.1, 0.2)]
    >>> chosen_runs({"runs": runs, "chosen_learning_rates": [0.2]})
    [{'seed': 0, 'learning_rate': 0.2, 'final': 0.2}]
    """
    runs = {(run["seed"], run["learning_rate"]): run for run in model["runs"]}
    seeds = dict.fromkeys(seed for seed, _ in runs)
    return [runs[seed, rate] for seed, rate in zip(seeds, model["chosen_learning_rates"], strict=True)]


def chosen_steps(model: Mapping[str, Any]) -> np.ndarray:
    """[S] steps to solve of `chosen_runs`, inf where not solved.

    >>> run = {"seed": 0, "learning_rate": 0.1, "steps_to_solve": None}
    >>> chosen_steps({"runs": [run], "chosen_learning_rates": [0.1]})
    array([inf])
    """
    steps = [run["steps_to_solve"] for run in chosen_runs(model)]
    return np.array([np.inf if step is None else float(step) for step in steps])
