"""What a finished study knows, as arrays: the one thing that statistics and the report read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from attn_jax.lab.record.scores import metric_limits

Probed: TypeAlias = dict[str, dict[int, dict[str, np.ndarray]]]  # probe -> step -> name -> [S, A, ...]


class Measured(NamedTuple):
    """One measure of a model's runs, as it is: the loss per unit of weight, say, or the share of whole sequences."""

    validation: np.ndarray  # [S, A, E]
    test: np.ndarray  # [S, A] at the training lengths
    by_length: np.ndarray  # [S, A, M]


@dataclass(frozen=True)
class ModelResult:
    """All runs of one model. Axes: S seeds, A learning rates, E evaluations, M lengths of the length curve.

    Scores are normalised: (metric - chance) / (best - chance). A diverged run's numbers are NaN from where it diverged.
    """

    name: str
    description: str  # one line: form, width, layers, mixer
    parameters: int
    parameters_matched: int  # without token embedding, position and readout tables
    match_note: str | None  # set where the reference's size could not be reached within 2 %
    state_bytes: int
    train_flops_per_step: float | None  # one run; None where the program cannot be counted
    depth: str  # growth of the sequential depth with T: "constant", "log T", "linear" or "unknown"
    learning_rates: tuple[float, ...]  # [A], ascending
    score: np.ndarray  # [S, A, E] normalised validation score
    diverged: np.ndarray  # [S, A] bool
    final: np.ndarray  # [S, A] normalised test score at the training lengths
    length_score: np.ndarray  # [S, A, M] normalised test score of single answers
    measured: dict[str, Measured]  # all that was measured, as it is: "loss", "metric", "whole" ...
    seconds: float  # device seconds of training and evaluation, all runs, compiling left out
    compile_seconds: float
    cpu_seconds: float | None = None  # as `seconds`, of the workers' own time; None where a device computed
    load: float | None = None  # of the machine, in the mean over its evaluations
    cores: int | None = None  # of the machine
    final_batches: np.ndarray | None = None  # [S, A, N] what `final` is the mean of: N batches of fresh data a run
    start: str | None = None  # where a study has several, a model's runs of each have a result of their own
    train_loss: np.ndarray | None = None  # [S, A, E] the mean since the evaluation before
    probes: Probed = field(default_factory=dict)  # what was measured beside the scores

    @property
    def model(self) -> str:
        """The name of the model, without its start."""
        return self.name if self.start is None else self.name.removesuffix(f"@{self.start}")


@dataclass(frozen=True)
class Results:
    """A study's outcome together with what is needed to read it."""

    study: str
    task: str
    reference: str
    metric: str  # "accuracy" ...
    loss_places: str  # "scored" or "all": where the loss was taken
    chance: str  # the floor that is normalised score 0
    best: dict[int, float]  # length -> the score that is normalised score 1
    threshold: float | None
    length_unit: str
    train_lengths: tuple[int, int]
    curve_lengths: tuple[int, ...]  # [M] of the length curve
    floors: dict[
        int, dict[str, dict[str, float | None]]
    ]  # length -> name -> {"value", "loss"}; every length of the curve and the longest training length
    evaluated_at: np.ndarray  # [E] the step of each evaluation
    budget: int  # train.steps
    schedule: str  # "constant" or "cosine"
    workers: int  # processes (or devices) that shared the blocks
    models: dict[str, ModelResult]
    config: dict[str, Any]  # the whole study, as config.to_dict writes it
    environment: dict[str, Any]
    tokens_per_step: float | None = None  # in the mean over the lengths drawn
    strings: bool = False  # whether answers are strings that were written, scored as a whole
    token_names: tuple[str, ...] = ()  # of each token, and of the class of the same number, where the task gives them
    first_seed: int = 0  # of the S seeds, which follow each other
    looks: tuple[int, ...] = ()  # seeds at each time that the study was decided, this one included
    widened: tuple[float, ...] = ()  # learning rates that were added because a best one was on the edge of the grid

    def reference_of(self, name: str) -> str:
        """What a model is compared with: the reference, of the same start."""
        start = self.models[name].start
        return self.reference if start is None else f"{self.reference}@{start}"

    @property
    def look(self) -> int:
        """The how many-th look this is."""
        return max(len(self.looks), 1)

    @property
    def loss_unit(self) -> str:
        """What the loss is counted in."""
        return "squared error" if self.metric == "mse" else "nats"

    def score_limits(self, lengths: Iterable[int]) -> tuple[float, float]:
        """The smallest and the largest normalised score that the metric allows at any of these lengths."""
        scores = [self._normalised(end, length) for length in lengths for end in metric_limits(self.metric)]
        return min(scores), max(scores)

    def _normalised(self, value: float, length: int) -> float:
        """(metric - chance) / (best - chance)."""
        chance = self.floors[length][self.chance]["value"]
        assert chance is not None  # the floor that is score 0 has one
        return (value - chance) / (self.best[length] - chance)
