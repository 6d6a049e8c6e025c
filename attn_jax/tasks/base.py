"""The contract of a task: a stream of batches, exact floors, and an oracle that solves it independently."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from attn_jax.types import IO, Batch

Metric: TypeAlias = Literal["accuracy"]
Split: TypeAlias = Literal["train", "validation", "test"]


class Floor(NamedTuple):
    """What a trivial predictor scores, exactly, and that predictor, so that the claim can be measured."""

    metric: float  # the expected score of answers drawn from its probabilities, in the task's metric
    loss: float | None  # its expected loss, nats per unit of weight; None where it puts no mass on some answer
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (inputs, valid) -> class probabilities [B, T, V]


@dataclass(frozen=True)
class TaskSpec:
    """What a study must know of a task.

    Args:
      io: what a model reads and says.
      metric: the name of the metric, "accuracy": the share of scored places answered right.
      chance: the name of the floor whose metric is normalised score 0.
      best: the metric that is normalised score 1.
      threshold: the normalised score that counts as solved; None where no score does.
      train_lengths: the shortest and the longest length trained on by default, in `length_unit`s.
      test_lengths: the lengths of the length curve by default.
      length_unit: what length counts ("pairs", "bits" ...).
      lengths: (low, high) -> the allowed lengths between them, both included, ascending.
      num_tokens: length -> T, the number of places of a sequence of that length.
      source: where the definition comes from.
    """

    io: IO
    metric: Metric
    chance: str
    best: float
    threshold: float | None
    train_lengths: tuple[int, int]
    test_lengths: tuple[int, ...]
    length_unit: str
    lengths: Callable[[int, int], tuple[int, ...]]
    num_tokens: Callable[[int], int]
    source: str


class Task(NamedTuple):
    """Pure functions and a description; `attn_jax.testing.check_task` proves what is promised here.

    One length per batch. `length` may be traced and is then trusted; `max_length` and `split` are static.
    """

    sample: Callable[..., Batch]  # (key, batch_size, length, max_length, *, split="train") -> Batch
    floors: Callable[[int], dict[str, Floor]]  # (length) -> floors by name
    solve: Callable[[np.ndarray, np.ndarray], np.ndarray] | None  # (inputs, valid) -> targets, if they decide them
    spec: TaskSpec


@dataclass(frozen=True)
class TaskConfig(ABC):
    """The base of every task's configuration."""

    @abstractmethod
    def make(self) -> Task:
        """Binds this configuration to the task's pure functions."""
