"""The contract of a task: a stream of batches, exact floors, and an oracle that solves it independently."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np

from attn_jax.types import IO, Array, Batch, Key, StringBatch

Metric: TypeAlias = Literal["accuracy", "exact_match", "cross_entropy", "bits_per_token", "mse"]
LossPlaces: TypeAlias = Literal["scored", "all"]
Split: TypeAlias = Literal["train", "validation", "test"]


class Floor(NamedTuple):
    """What a trivial predictor scores, exactly, and that predictor, so that the claim can be measured."""

    value: float  # the expected score of answers drawn from its probabilities, in the task's metric
    loss: float | None  # its expected loss per unit of weight; None where it puts no mass on some answer
    predict: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (inputs, valid) -> probabilities [B, T, V] or values


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """What a study must know of a task.

    Args:
      io: what a model reads and says.
      metric: what is scored. "accuracy": the share of scored places answered right; "exact_match": the share of
        sequences with every scored place right. Better when lower: "cross_entropy", nats per unit of weight;
        "bits_per_token", the same over ln 2; "mse", the mean squared error of real answers.
      chance: the name of the floor whose value is normalised score 0.
      best: the score in the metric that is normalised score 1.
      best_floor: the floor whose value stands for `best` where that depends on the length; None: it does not.
      threshold: the normalised score that counts as solved; None where no score does.
      train_lengths: the shortest and the longest length trained on by default, in `length_unit`s.
      test_lengths: the lengths of the length curve by default.
      length_unit: what length counts ("pairs", "bits" ...).
      lengths: (low, high) -> the allowed lengths between them, both included, ascending.
      num_tokens: length -> T, the number of places of a sequence of that length.
      source: where the definition comes from.
      finite: whether the examples are a finite set, of which each split holds its own part; False: fresh by key.
      loss_places: where weights are above 0: at the "scored" places only, or at others too, "all".
      num_answered: T -> of a batch of T places, how many of a row's last valid ones hold all its weights: models are
        asked for no others, which is faster and moves results by rounding; a batch with weights elsewhere has a loss of
        NaN. None: any place may have a weight.
      strings_vocab_size: the ids of `Task.strings`, BOS and EOS included; None where there are none.
    """

    io: IO
    metric: Metric = "accuracy"
    chance: str
    best: float = 1.0
    best_floor: str | None = None
    threshold: float | None = 0.95
    train_lengths: tuple[int, int]
    test_lengths: tuple[int, ...]
    length_unit: str
    lengths: Callable[[int, int], tuple[int, ...]]
    num_tokens: Callable[[int], int]
    source: str
    finite: bool = False
    loss_places: LossPlaces = "scored"
    num_answered: Callable[[int], int] | None = None
    strings_vocab_size: int | None = None

    def best_value(self, floors: dict[str, Floor]) -> float:
        """The score that is normalised score 1 at the length of these floors."""
        return self.best if self.best_floor is None else floors[self.best_floor].value


class Sample(Protocol):
    """`Task.sample`."""

    def __call__(
        self, key: Key, batch_size: int, length: int | Array, max_length: int, *, split: Split = "train"
    ) -> Batch:
        """Draws a batch of sequences of one length.

        Args:
          key: a typed key; the stream of a split is made from it.
          batch_size: B, static.
          length: one for the whole batch, in the units of the spec; may be traced, and is then trusted.
          max_length: static, an allowed length, at least `length`: the batch has its T = num_tokens(max_length) places.
          split: static; picks the stream, or of a finite set the part.

        Returns:
          A batch, of the sizes that `spec.io` says.

        Raises:
          ValueError: `max_length` is no allowed length, or `split` is unknown.
        """
        ...


class SampleStrings(Protocol):
    """`Task.strings`."""

    def __call__(
        self, key: Key, batch_size: int, length: int | Array, max_length: int, *, split: Split = "train"
    ) -> StringBatch:
        """Draws the strings of `Sample`, with the same arguments, as a source and a target.

        Returns:
          StringBatch of ids below `spec.strings_vocab_size`, of which the last two are BOS and EOS.

        Raises:
          ValueError: as `Sample`.
        """
        ...


class Solve(Protocol):
    """`Task.solve`, the oracle."""

    def __call__(self, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Says what is asked, and shares no code with what drew it.

        Args:
          inputs: [B, T] int tokens or [B, T, C] float channels, whole sequences or prefixes.
          valid: [B, T] bool.

        Returns:
          [B, T] int32 classes, or [B, T, C] float32 values; right wherever an answer is scored or trained.
        """
        ...


class Floors(Protocol):
    """`Task.floors`."""

    def __call__(self, length: int) -> dict[str, Floor]:
        """What is reached without learning the task.

        Args:
          length: in the units of the spec.

        Returns:
          The floors by name; those of a finite set hold for its test split.

        Raises:
          ValueError: `length` is no allowed length.
        """
        ...


class Task(NamedTuple):
    """Pure functions and a description; `attn_jax.testing.check_task` proves what is promised here.

    What their arguments are is said once for all tasks: at `Sample`, `SampleStrings`, `Solve` and `Floors`.
    """

    sample: Sample
    floors: Floors
    solve: Solve | None  # None where the inputs do not decide the targets
    spec: TaskSpec
    strings: SampleStrings | None = None  # where answers are strings


@dataclass(frozen=True)
class TaskConfig(ABC):
    """The base of every task's configuration."""

    @abstractmethod
    def make(self) -> Task:
        """Binds this configuration to the task's pure functions."""


def token_names(config: TaskConfig) -> Sequence[str] | None:
    """What a task calls its tokens and classes, if it does: a method `token_names()` is optional."""
    names = getattr(config, "token_names", None)
    return None if names is None else names()
