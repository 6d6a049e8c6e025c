"""What a metric counts as: 0 is chance, 1 the best there can be, each length by its own floor in study.json."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def normalised(metric: np.ndarray, lengths: Iterable[int], facts: Mapping[str, Any]) -> np.ndarray:
    """(metric - chance) / (best - chance).

    Args:
      metric: [..., M], one value a length.
      lengths: [M].
      facts: of study.json.
    """
    task = facts["task"]
    chance = np.array([task["floors"][str(length)][task["chance"]]["value"] for length in lengths])
    best = np.array([task["best"][str(length)] for length in lengths])
    return (metric - chance) / (best - chance)


def metric_limits(metric: str) -> tuple[float, float]:
    """The smallest and the largest value of a metric: a share of right answers, or a loss or an error of 0 or more.

    >>> metric_limits("accuracy"), metric_limits("mse")
    ((0.0, 1.0), (0.0, inf))
    """
    return (0.0, 1.0) if metric in ("accuracy", "exact_match") else (0.0, math.inf)
