"""The floors that tasks share: all classes alike, one fixed guess, the best by place and length, the first token."""

import math
from functools import partial

import numpy as np

from attn_jax.tasks.base import Floor


def uniform_floor(num_classes: int) -> Floor:
    """The predictor that knows nothing: accuracy 1 / V, loss ln V nats.

    Args:
      num_classes: V.

    Returns:
      The floor, with its predictor.

    >>> uniform_floor(4).value
    0.25
    """
    return Floor(1 / num_classes, math.log(num_classes), partial(constant, np.full(num_classes, 1 / num_classes)))


def constant_floor(probabilities: np.ndarray, frequencies: np.ndarray) -> Floor:
    """The predictor that says the same everywhere: accuracy sum_v p_v q_v, loss -sum_v q_v ln p_v.

    Args:
      probabilities: p, [V] float64, what is said.
      frequencies: q, [V] float64, how often each class is the answer.

    Returns:
      The floor; its loss is None where p gives some answer no mass.

    >>> constant_floor(np.array([1.0, 0.0]), np.array([0.75, 0.25]))[:2]
    (0.75, None)
    """
    asked = frequencies > 0
    loss = -float(frequencies[asked] @ np.log(probabilities[asked])) if (probabilities[asked] > 0).all() else None
    return Floor(float(probabilities @ frequencies), loss, partial(constant, probabilities))


def guess_floor(table: np.ndarray, start: int) -> Floor:
    """The best guess of a predictor that sees length and place only: accuracy sum_y max_v table[y, v] / sum table.

    Args:
      table: [Y, V] float64: the probability that answer place y is scored and its class is v.
      start: the place of y = 0 in a sequence.

    Returns:
      The floor; classes that are equally likely are guessed alike, and other places are guessed uniformly. No loss,
      for the other classes get no mass.

    >>> guess_floor(np.array([[0.75, 0.25], [0.5, 0.5]]), 3).value
    0.625
    """
    likeliest = np.isclose(table, table.max(axis=1, keepdims=True), rtol=1e-12, atol=0)
    guesses = likeliest / likeliest.sum(axis=1, keepdims=True)
    metric = float((guesses * table).sum() / table.sum())
    return Floor(metric, None, partial(guess_by_place, guesses, start))


def first_token_floor(num_classes: int, length: int) -> Floor:
    """The first token copied, the rest guessed: accuracy (1 + (L - 1) / V) / L, loss (L - 1) ln(V) / L.

    Args:
      num_classes: V; the class of a token is the token.
      length: L, the number of places, all of which are asked.

    Returns:
      The best floor without memory where answers are running products of uniform elements of a group: the first is the
      first token, every later one is independent of its own.

    >>> first_token_floor(2, 4).value
    0.625
    """
    metric, loss = (1 + (length - 1) / num_classes) / length, (1 - 1 / length) * math.log(num_classes)
    return Floor(metric, loss, partial(copy_first, num_classes))


def constant(probabilities: np.ndarray, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The same class probabilities everywhere, [B, T, V] float64.

    >>> constant(np.array([0.5, 0.5]), np.zeros((1, 1)), np.ones((1, 1), bool)).tolist()
    [[[0.5, 0.5]]]
    """
    return np.broadcast_to(probabilities, (*valid.shape, len(probabilities)))


def guess_by_place(guesses: np.ndarray, start: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """`guesses` [Y, V] from place `start` on, uniform elsewhere, [B, T, V] float64.

    >>> guess_by_place(np.array([[1.0, 0.0]]), 1, np.zeros((1, 2)), np.ones((1, 2), bool)).tolist()
    [[[0.5, 0.5], [1.0, 0.0]]]
    """
    num_guesses, num_classes = guesses.shape
    rows = np.full((max(valid.shape[1], start + num_guesses), num_classes), 1 / num_classes)
    rows[start : start + num_guesses] = guesses
    return np.broadcast_to(rows[: valid.shape[1]], (*valid.shape, num_classes))


def copy_first(num_classes: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The token itself at the first place, all classes alike at every other, [B, T, V] float64.

    >>> copy_first(2, np.array([[1, 1]]), np.ones((1, 2), bool)).tolist()
    [[[0.0, 1.0], [0.5, 0.5]]]
    """
    probabilities = np.full((*valid.shape, num_classes), 1 / num_classes)
    probabilities[:, 0] = np.eye(num_classes)[inputs[:, 0]]
    return probabilities
