"""The configuration of a study: frozen dataclasses. Their form in JSON is `attn_jax/config/codec.py`'s."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from attn_jax.config.published import Published
from attn_jax.errors import ConfigError
from attn_jax.models import AnyModelConfig, EncoderDecoderConfig
from attn_jax.names import nearest_names
from attn_jax.tasks import TaskConfig
from attn_jax.training.optim import Optimizer, Schedule
from attn_jax.training.probes import ProbeConfig, probe_name

_LARGEST = 2**31 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")  # of folders, too: no file system takes more than 255

HELD = 2  # solved means: the threshold crossed, and held for so many more evaluations
ROUNDING = 1e-9  # of a score that is exactly the threshold; one answer more or less changes a score by far more


@dataclass(frozen=True)
class TrainConfig:
    """How every model of a study is trained.

    Args:
      steps: the budget of optimiser steps, a multiple of `evaluate.every`.
      batch_size: sequences a step.
      lengths: (shortest, longest) length trained on; None = the task's.
      seeds: how many seeds.
      learning_rates: the grid; every seed runs with every rate.
      warmup_steps: steps of linear warm-up.
      schedule: after the warm-up: "constant", so that time to solve does not know the budget, or "cosine" down to 0.
      weight_decay: decoupled, on matrices and tables.
      label_smoothing: the share of each target that the training loss spreads over all classes; published: 0.1
        (Vaswani et al. 2017). Validation is never smoothed.
      clip: the largest global norm a gradient keeps; 1e20 clips nothing, as a run whose norm is larger has diverged.
      matmul_precision: of every matrix product; "float32" makes accelerators agree.
      first_seed: the seeds are this one and those that follow it.
      widen: how many rates the grid may gain by itself: while the rate that is best over all seeds lies on its edge for
        some model, one beyond is added for all. The grid then depends on the data, and the report says so.
      num_examples: N, a finite training set: each seed has N sequences of its own (of each length, where lengths vary),
        all seen once in an order that the seed decides, then again in another one. None: every sequence is fresh.
      optimizer: "adamw", or "sgd", plain stochastic gradient descent.
      momentum: of "sgd", the share of the step before that a step keeps.
    """

    steps: int = 800
    batch_size: int = 32
    lengths: tuple[int, int] | None = None
    seeds: int = 8
    learning_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    warmup_steps: int = 100
    schedule: Schedule = "constant"
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    clip: float = 1.0
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = "float32"
    first_seed: int = 0
    widen: int = 0
    num_examples: int | None = None
    optimizer: Optimizer = "adamw"
    momentum: float = 0.0

    def __post_init__(self):
        for name in ("steps", "batch_size", "seeds"):
            _at_least(f"train.{name}", getattr(self, name), 1)
        _at_least("train.first_seed", self.first_seed, 0)
        _at_least("train.first_seed + train.seeds", self.first_seed + self.seeds, 1)
        _at_least("train.widen", self.widen, 0)
        if self.num_examples is not None:
            _at_least("train.num_examples", self.num_examples, 1)
            if self.steps * self.batch_size > _LARGEST:
                raise ConfigError(
                    f"train.num_examples: got {self.num_examples} beside {self.steps} steps of {self.batch_size} "
                    f"sequences, wanted at most {_LARGEST} of them in all: they are counted in int32; or None"
                )
        _at_least("train.warmup_steps", self.warmup_steps, 0)
        _at_least("train.weight_decay", self.weight_decay, 0)
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"train.label_smoothing: got {self.label_smoothing}, wanted at least 0 and below 1")
        if not 0 < self.clip < math.inf:
            raise ConfigError(f"train.clip: got {self.clip}, wanted a positive norm; 1e20 clips nothing")
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"train.momentum: got {self.momentum}, wanted at least 0 and below 1")
        if self.momentum and self.optimizer != "sgd":
            raise ConfigError(
                f"train.momentum: got {self.momentum} beside train.optimizer={self.optimizer!r}, wanted 0, or 'sgd'"
            )
        rates = self.learning_rates
        if not rates or any(not 0 < rate < math.inf for rate in rates) or list(rates) != sorted(set(rates)):
            raise ConfigError(f"train.learning_rates: got {rates}, wanted positive rates in ascending order")
        if self.widen and len(rates) == 1:
            raise ConfigError(
                f"train.widen: got {self.widen} with one learning rate, wanted two: the step between them is taken on"
            )


@dataclass(frozen=True)
class EvaluateConfig:
    """How every model of a study is scored.

    Args:
      every: steps between validation scores.
      num_examples: sequences a validation score and, at the end, each length of the length curve; rounded up to
        equal batches.
      lengths: of the length curve; None = the task's.
    """

    every: int = 50
    num_examples: int = 128
    lengths: tuple[int, ...] | None = None

    def __post_init__(self):
        _at_least("evaluate.every", self.every, 1)
        _at_least("evaluate.num_examples", self.num_examples, 1)


@dataclass(frozen=True)
class Study:
    """One task, several models, a grid of seeds x learning rates, a budget.

    Args:
      name: names the default directory, results/<name>.
      task: what is learnt.
      models: by name; the names are shown and name folders. Sequence models, and where `strings` is True also
        encoder-decoders.
      train: how.
      evaluate: how it is scored.
      match: "parameters" (without the tables that the task sizes), "state" (bytes of one sequence's at the longest
        training length) or "flops" (of a training step) sizes every model to the reference within 2 %: the reference
        alone has a `d_model`, the others' follow from it. None leaves them as they are: each has its own.
      reference: the model the others are matched to and compared with; None = the first.
      strings: whether the task is to read a question and to write its answer, scored by exact match of greedy decoding;
        a sequence model then reads both as one string.
      starts: by name, how models begin otherwise, {"wide": {"models.rnn.mixers.0.spectral_radius": 1.5}}: every model
        is trained from each start, by one program. What is not named begins as it is.
      probes: what is measured beside the scores, each kind once. They change no number: a study that is done gains
        those of its start and its end by the same command with them.
      published: what others printed of the same, for the page to show beside it. It changes no number, and may be
        added to a study that is done.
    """

    name: str
    task: TaskConfig
    models: dict[str, AnyModelConfig]
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    match: Literal["parameters", "state", "flops"] | None = "parameters"
    reference: str | None = None
    strings: bool = False
    starts: dict[str, dict[str, Any]] = field(default_factory=dict)
    probes: tuple[ProbeConfig, ...] = ()
    published: tuple[Published, ...] = ()

    def __post_init__(self):
        if not self.models:
            raise ConfigError("models: got none, wanted at least one")
        for where, what in (("models", "models"), ("starts", "overrides")):
            if not isinstance(getattr(self, where), dict):
                raise ConfigError(f"{where}: got {getattr(self, where)!r}, wanted a dict, of {what} by name")
        for where, name in [
            ("name", self.name),
            *(("models", name) for name in self.models),
            *(("starts", name) for name in self.starts),
        ]:
            if not (isinstance(name, str) and _NAME.fullmatch(name)):
                raise ConfigError(f"{where}: got {name!r}, wanted letters, digits, '.', '_', '+' and '-', at most 100")
        if self.reference is not None and self.reference not in self.models:
            raise ConfigError(f"reference: got {self.reference!r}, {nearest_names(self.reference, self.models)}")
        for name, model in self.models.items():
            if not self.strings and isinstance(model, EncoderDecoderConfig):
                raise ConfigError(
                    f"models.{name}: got a {type(model).__name__}, which writes strings; wanted a ModelConfig, or "
                    "strings=True"
                )
            self._check_width(name, model)
        if not (isinstance(self.probes, tuple) and all(isinstance(probe, ProbeConfig) for probe in self.probes)):
            raise ConfigError(f"probes: got {self.probes!r}, wanted a tuple of probes, (GradientFlow(),) for instance")
        probes = [probe_name(probe) for probe in self.probes]
        if twice := next((name for name in probes if probes.count(name) > 1), None):
            raise ConfigError(f"probes: got {twice} twice, wanted each once")
        if self.train.steps % self.evaluate.every:
            raise ConfigError(
                f"train.steps: got {self.train.steps}, wanted a multiple of evaluate.every={self.evaluate.every}"
            )

    @property
    def reference_name(self) -> str:
        """The name of the model the others are compared with."""
        return reference_of(self.reference, self.models)

    def _check_width(self, name: str, model: AnyModelConfig) -> None:
        """A width is given by whoever decides it, and by nobody else: what is given is not overruled in silence."""
        if not isinstance(model, AnyModelConfig):
            return  # `codec.checked` says so
        if self.match is None or name == self.reference_name:
            if model.d_model is None:
                why = "match is None" if self.match is None else "the others are matched to it"
                raise ConfigError(f"models.{name}.d_model: got None, wanted a width: {why}")
        elif model.d_model not in (None, _default_width(model)):
            raise ConfigError(
                f'models.{name}.d_model: got {model.d_model} beside match="{self.match}", wanted none: its width is '
                f"matched to {self.reference_name}'s; or match=None"
            )


def reference_of(reference: str | None, models: Iterable[str]) -> str:
    """The name of the model that others are compared with: the first, where none is named.

    >>> reference_of(None, ["gru", "lstm"])
    'gru'
    """
    return next(iter(models)) if reference is None else reference


def _default_width(model: AnyModelConfig) -> Any:
    """The `d_model` that the class has where none is given."""
    return next(f.default for f in fields(model) if f.name == "d_model")


def _at_least(path: str, value: float, low: float) -> None:
    if not (isinstance(value, int | float) and low <= value < math.inf):
        raise ConfigError(f"{path}: got {value!r}, wanted a number of at least {low}")
    if value > _LARGEST:
        raise ConfigError(f"{path}: got {value:.3g}, wanted at most {_LARGEST}: it is counted in int32")
