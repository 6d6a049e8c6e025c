"""Measures each floor of a task by its own predictor."""

import math

import numpy as np

from attn_jax.tasks.base import Floor, TaskSpec
from attn_jax.testing.draws import Arrays, Draws
from attn_jax.testing.require import require

_STANDARD_ERRORS = 4
_ROUNDING = 1e-6


def check_floors(draws: Draws, length: int) -> None:
    """Chance is a floor worse than the best, and each predictor scores what its floor says, on the test split.

    Args:
      draws: of the task.
      length: one of its allowed lengths.

    Raises:
      AssertionError: a floor is more than four standard errors off; exactly off, where all rows score the same.
    """
    floors, spec = draws.task.floors(length), draws.task.spec
    _check_scale(spec, floors, length)
    sums: dict[str, list[np.ndarray]] = {name: [] for name in floors}
    for batch in draws.several(length, "test"):
        used = Arrays(*(values[:, : spec.num_tokens(length)] for values in batch))  # padding only costs time
        for name, floor in floors.items():
            sums[name].append(_row_sums(f"length {length}: floor {name!r}", floor, used, spec))
    for name, floor in floors.items():
        score, scored, loss, weight = np.concatenate(sums[name]).T
        _check_stated(f"length {length}: value of floor {name!r}", floor.value, score, scored)
        if floor.loss is not None:
            _check_stated(f"length {length}: loss of floor {name!r}", floor.loss, loss, weight)


def _check_scale(spec: TaskSpec, floors: dict[str, Floor], length: int) -> None:
    """0 and 1 of the normalised score are two different numbers in the right order."""
    for role, name in (("chance", spec.chance), ("best_floor", spec.best_floor)):
        known = name in floors or (role == "best_floor" and name is None)
        require(known, f"spec.{role} is {name!r}, the floors are {', '.join(floors)}")
    chance, best = floors[spec.chance].value, spec.best_value(floors)
    below = chance < best if spec.metric in ("accuracy", "exact_match") else chance > best
    require(below, f"length {length}: chance {spec.chance!r} is as good as the best, scores cannot be normalised")


def _row_sums(what: str, floor: Floor, batch: Arrays, spec: TaskSpec) -> np.ndarray:
    """[B, 4]: the metric's sum and count, the loss and the weight of each row."""
    said = np.asarray(floor.predict(batch.inputs, batch.valid))
    wanted = (*batch.targets.shape[:2], spec.io.outputs)
    require(said.shape == wanted, f"{what} predicts shape {said.shape}, wanted {wanted}")
    if spec.io.out_channels is not None:
        square = (said - batch.targets) ** 2
        columns = (
            square.mean(axis=-1) * batch.scored,
            batch.scored,
            square.sum(axis=-1) * batch.weights,
            batch.weights,
        )
        return _by_row(*columns)
    is_mass = (said >= 0).all() and np.allclose(said.sum(axis=-1), 1)
    require(is_mass, f"{what} predicts no probabilities: they are below 0 or their sum is not 1")
    right = np.take_along_axis(said, batch.targets[..., None], axis=-1)[..., 0]
    with np.errstate(divide="ignore"):
        loss = -np.log(np.where(batch.weights > 0, right, 1)) * batch.weights
    match spec.metric:
        case "exact_match":
            return _by_row(_whole(right, batch.scored), _first_place(batch.scored), loss, batch.weights)
        case "cross_entropy" | "bits_per_token":
            return _by_row(
                loss / (1 if spec.metric == "cross_entropy" else math.log(2)), batch.weights, loss, batch.weights
            )
        case _:
            return _by_row(right * batch.scored, batch.scored, loss, batch.weights)


def _by_row(*columns: np.ndarray) -> np.ndarray:
    return np.stack([column.sum(axis=1, dtype=np.float64) for column in columns], axis=1)


def _whole(right: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """The probability that all of a row is right, as a column at its first place."""
    return np.where(scored, right, 1).prod(axis=1)[:, None] * _first_place(scored)


def _first_place(scored: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.arange(scored.shape[1]) == 0, scored.shape)


def _check_stated(what: str, stated: float, parts: np.ndarray, wholes: np.ndarray) -> None:
    """`stated` lies within four standard errors of sum(parts) / sum(wholes), rows being independent."""
    require(np.isfinite(parts).all(), f"{what}: {stated:.5f} is stated, but its predictor gives some answer no mass")
    measured = parts.sum() / wholes.sum()
    error = np.std(parts - measured * wholes) / np.sqrt(len(parts)) / wholes.mean()
    require(
        abs(measured - stated) <= _STANDARD_ERRORS * error + _ROUNDING,
        f"{what}: {stated:.5f} is stated, its predictor scores {measured:.5f} (standard error {error:.5f})",
    )
