"""The contract of a task: a stream of batches, exact floors, and an oracle that solves it independently."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from attn_jax.types import IO, Batch, Pairs

Metric: TypeAlias = Literal["accuracy", "exact_match", "cross_entropy", "bits_per_token", "mse"]
LossPlaces: TypeAlias = Literal["scored", "all"]
Split: TypeAlias = Literal["train", "validation", "test"]


class Floor(NamedTuple):
    """What a trivial predictor scores, exactly, and that predictor, so that the claim can be measured."""

    metric: float  # the expected score of answers drawn from its probabilities, in the task's metric
    loss: float | None  # its expected loss per unit of weight; None where it puts no mass on some answer
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (inputs, valid) -> probabilities [B, T, V] or values


@dataclass(frozen=True)
class TaskSpec:
    """What a study must know of a task.

    Args:
      io: what a model reads and says.
      metric: what is scored. "accuracy": the share of scored places answered right; "exact_match": the share of
        sequences with every scored place right. Better when lower: "cross_entropy", nats per unit of weight;
        "bits_per_token", the same over ln 2; "mse", the mean squared error of real answers.
      chance: the name of the floor whose metric is normalised score 0.
      best: the metric that is normalised score 1, or, where that depends on the length, the floor it is taken from.
      threshold: the normalised score that counts as solved; None where no score does.
      train_lengths: the shortest and the longest length trained on by default, in `length_unit`s.
      test_lengths: the lengths of the length curve by default.
      length_unit: what length counts ("pairs", "bits" ...).
      lengths: (low, high) -> the allowed lengths between them, both included, ascending.
      num_tokens: length -> T, the number of places of a sequence of that length.
      source: where the definition comes from.
      finite: whether the examples are a finite set, of which each split holds its own part; False: fresh by key.
      loss_places: where weights are above 0: at the "scored" places only, or at others too, "all".
      pairs_vocab_size: the ids of `Task.pairs`, BOS and EOS included; None where there are none.
    """

    io: IO
    metric: Metric
    chance: str
    best: float | str
    threshold: float | None
    train_lengths: tuple[int, int]
    test_lengths: tuple[int, ...]
    length_unit: str
    lengths: Callable[[int, int], tuple[int, ...]]
    num_tokens: Callable[[int], int]
    source: str
    finite: bool = False
    loss_places: LossPlaces = "scored"
    pairs_vocab_size: int | None = None

    def best_metric(self, floors: dict[str, Floor]) -> float:
        """The metric that is normalised score 1 at the length of these floors."""
        return floors[self.best].metric if isinstance(self.best, str) else self.best


class Task(NamedTuple):
    """Pure functions and a description; `attn_jax.testing.check_task` proves what is promised here.

    One length per batch. `length` may be traced and is then trusted; `max_length` and `split` are static.
    """

    sample: Callable[..., Batch]  # (key, batch_size, length, max_length, *, split="train") -> Batch
    floors: Callable[[int], dict[str, Floor]]  # (length) -> floors by name
    solve: Callable[[np.ndarray, np.ndarray], np.ndarray] | None  # (inputs, valid) -> targets, if they decide them
    spec: TaskSpec
    pairs: Callable[..., Pairs] | None = (
        None  # (key, batch_size, length, max_length, *, split) where answers are strings
    )


@dataclass(frozen=True)
class TaskConfig(ABC):
    """The base of every task's configuration."""

    @abstractmethod
    def make(self) -> Task:
        """Binds this configuration to the task's pure functions."""
