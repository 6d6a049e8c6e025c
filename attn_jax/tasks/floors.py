"""The floor that every task has: all classes alike."""

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

    >>> uniform_floor(4).metric
    0.25
    """
    return Floor(1 / num_classes, math.log(num_classes), partial(uniform_probabilities, num_classes))


def uniform_probabilities(num_classes: int, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """1 / V for each class, [B, T, V] float64.

    >>> uniform_probabilities(2, np.zeros((1, 1)), np.ones((1, 1), bool)).tolist()
    [[[0.5, 0.5]]]
    """
    return np.broadcast_to(1 / num_classes, (*valid.shape, num_classes))
