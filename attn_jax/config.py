"""The configuration of a study: frozen dataclasses, and their form in JSON.

In JSON a choice of mixer, model or task is `{"name": "lstm", ...}` with every field written. A class of the user's own
is recorded by its file and the hash of its source; it is loaded from a python config only, never from JSON.
"""

import dataclasses
import difflib
import hashlib
import inspect
import json
import math
import re
import types
import typing
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from attn_jax.errors import ConfigError
from attn_jax.mixers import MIXERS, MixerConfig
from attn_jax.models import MODELS, AnyModelConfig, EncoderDecoderConfig
from attn_jax.tasks import TASKS, TaskConfig
from attn_jax.training.optim import Schedule

_CHOICES: dict[type, dict[str, Any]] = {MixerConfig: MIXERS, AnyModelConfig: MODELS, TaskConfig: TASKS}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class TrainConfig:
    """How every model of a study is trained.

    Args:
      steps: the budget of optimiser steps, a multiple of `evaluate.every`.
      batch_size: sequences a step.
      lengths: (shortest, longest) length trained on; None = the task's.
      seeds: how many seeds, counted from 0.
      learning_rates: the grid; every seed runs with every rate.
      warmup_steps: steps of linear warm-up.
      schedule: after the warm-up: "constant", so that time to solve does not know the budget, or "cosine" down to 0.
      weight_decay: AdamW's, on matrices and tables.
      label_smoothing: the share of each target that the training loss spreads over all classes; published: 0.1
        (Vaswani et al. 2017). Validation is never smoothed.
      clip: the largest global norm a gradient keeps.
      matmul_precision: of every matrix product; "float32" makes accelerators agree.
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

    def __post_init__(self):
        for name in ("steps", "batch_size", "seeds"):
            _at_least(f"train.{name}", getattr(self, name), 1)
        _at_least("train.warmup_steps", self.warmup_steps, 0)
        _at_least("train.weight_decay", self.weight_decay, 0)
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"train.label_smoothing: got {self.label_smoothing}, wanted at least 0 and below 1")
        if not 0 < self.clip < math.inf:
            raise ConfigError(f"train.clip: got {self.clip}, wanted a positive norm; a large one clips nothing")
        rates = self.learning_rates
        if not rates or any(not 0 < rate < math.inf for rate in rates) or list(rates) != sorted(set(rates)):
            raise ConfigError(f"train.learning_rates: got {rates}, wanted positive rates in ascending order")


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
      models: by name; the names are shown and name folders. Sequence models, and where `pairs` is True also
        encoder-decoders.
      train: how.
      evaluate: how it is scored.
      match: "parameters" sizes every model to the reference within 2 %; None leaves them as they are.
      reference: the model the others are matched to and compared with; None = the first.
      pairs: whether the task is to read a question and to write its answer, scored by exact match of greedy decoding;
        a sequence model then reads both as one string.
    """

    name: str
    task: TaskConfig
    models: dict[str, AnyModelConfig]
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    match: Literal["parameters"] | None = "parameters"
    reference: str | None = None
    pairs: bool = False

    def __post_init__(self):
        if not self.models:
            raise ConfigError("models: got none, wanted at least one")
        for where, name in [("name", self.name), *(("models", name) for name in self.models)]:
            if not _NAME.fullmatch(name):
                raise ConfigError(f"{where}: got {name!r}, wanted letters, digits, '.', '_', '+' and '-'")
        if self.reference is not None and self.reference not in self.models:
            raise ConfigError(f"reference: got {self.reference!r}, wanted one of {', '.join(self.models)}")
        for name, model in self.models.items():
            if not self.pairs and isinstance(model, EncoderDecoderConfig):
                raise ConfigError(
                    f"models.{name}: got a {type(model).__name__}, which writes strings; wanted a ModelConfig, or "
                    "pairs=True"
                )
        if self.train.steps % self.evaluate.every:
            raise ConfigError(
                f"train.steps: got {self.train.steps}, wanted a multiple of evaluate.every={self.evaluate.every}"
            )

    @property
    def reference_name(self) -> str:
        """The name of the model the others are compared with."""
        return self.reference if self.reference is not None else next(iter(self.models))


def to_dict(value: Any) -> Any:
    """A configuration as JSON types; a choice of mixer, model or task becomes {"name": ..., every field}.

    >>> from attn_jax.mixers import LSTM
    >>> to_dict(LSTM())["name"]
    'lstm'
    """
    if is_dataclass(value) and not isinstance(value, type):
        return _head(value) | {f.name: to_dict(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {key: to_dict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_dict(item) for item in value]
    return value


def from_dict(data: dict[str, Any]) -> Study:
    """The study that `to_dict` wrote; every unknown field or wrong type is a ConfigError that names its path."""
    return _decode(Study, data, "")


def checked(study: Study) -> Study:
    """The same study, once every field has been held against its annotation; python does not do that by itself."""
    return _decode(Study, study, "")


def fingerprint(study: Study) -> str:
    """A hash of all that decides the numbers: every field, and the source of classes that are not the package's own."""
    return hashlib.sha256(json.dumps(to_dict(study), sort_keys=True).encode()).hexdigest()[:16]


def _head(value: Any) -> dict[str, str]:
    """{"name"} of a registered choice, {"file", "sha256"} of the user's own, {} of what is no choice."""
    for base, rows in _CHOICES.items():
        if isinstance(value, base):
            for name, row in rows.items():
                if type(row) is type(value):
                    return {"name": name}
            file = Path(inspect.getfile(type(value)))
            source = hashlib.sha256(file.read_bytes()).hexdigest()
            return {"file": f"{file.name}:{type(value).__name__}", "sha256": source}
    return {}


def _decode(wanted: Any, data: Any, path: str) -> Any:
    """`data`, a JSON value or an object already, as the annotated type `wanted`."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(wanted, type) and wanted in _CHOICES:
        return _decode_choice(wanted, data, path)
    if is_dataclass(wanted):
        return _decode_fields(wanted, data, path)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(args, data, path)
    if origin is Literal:
        if data not in args:
            raise ConfigError(f"{path}: got {data!r}, wanted one of {', '.join(map(repr, args))}")
        return data
    if origin is tuple:
        return _decode_tuple(args, data, path)
    if origin is dict:
        _check(isinstance(data, dict), path, data, "a table")
        return {key: _decode(args[1], item, f"{path}.{key}") for key, item in data.items()}
    return _decode_plain(wanted, data, path)


def _decode_choice(base: type, data: Any, path: str) -> Any:
    if isinstance(data, base):
        return _decode_fields(type(data), data, path)
    _check(isinstance(data, dict), path, data, "a table")
    if "file" in data:
        raise ConfigError(f"{path}: {data['file']} is not the package's own; give the python config that defines it")
    rows = _CHOICES[base]
    name = data.get("name")
    if name not in rows:
        raise ConfigError(f"{path}.name: got {name!r}{_nearest(str(name), rows)}, wanted one of {', '.join(rows)}")
    rest = {key: item for key, item in data.items() if key != "name"}
    return _decode_fields(type(rows[name]), rest, path)


def _decode_fields(wanted: Any, data: Any, path: str) -> Any:
    if isinstance(data, wanted):
        data = {f.name: getattr(data, f.name) for f in fields(wanted)}
    _check(isinstance(data, dict), path, data, "a table")
    hints = typing.get_type_hints(wanted)
    known = [f.name for f in fields(wanted)]
    at = f"{path}." if path else ""
    for key in data:
        if key not in known:
            raise ConfigError(f"{at}{key}: no such field{_nearest(key, known)}; known: {', '.join(known)}")
    for f in fields(wanted):
        if f.name not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{at}{f.name}: missing")
    values = {key: _decode(hints[key], item, f"{at}{key}") for key, item in data.items()}
    try:
        return wanted(**values)
    except ConfigError:
        raise  # it knows its path
    except ValueError as error:
        raise ConfigError(f"{at}{error}") from error


def _decode_union(args: tuple, data: Any, path: str) -> Any:
    """`data` as the first member of the union that takes it; the first one's complaint if none does."""
    if data is None and type(None) in args:
        return None
    complaint = None
    for arg in args:
        try:
            if arg is not type(None):
                return _decode(arg, data, path)
        except ConfigError as error:
            complaint = complaint or error
    raise complaint or ConfigError(f"{path}: got {data!r}, wanted None")


def _decode_tuple(args: tuple, data: Any, path: str) -> tuple:
    _check(isinstance(data, list | tuple), path, data, "a list")
    if args[-1] is Ellipsis:
        args = args[:1] * len(data)
    _check(len(args) == len(data), path, data, f"{len(args)} values")
    return tuple(_decode(arg, item, f"{path}.{i}") for i, (arg, item) in enumerate(zip(args, data, strict=True)))


def _decode_plain(wanted: type, data: Any, path: str) -> Any:
    if not isinstance(wanted, type) or wanted is Any:
        return data  # an annotation of the user's own that says nothing checkable
    if wanted is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    _check(isinstance(data, wanted) and not (wanted is int and isinstance(data, bool)), path, data, wanted.__name__)
    return data


def _check(right: bool, path: str, data: Any, wanted: str) -> None:
    if not right:
        raise ConfigError(f"{path or 'config'}: got {data!r} ({type(data).__name__}), wanted {wanted}")


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _at_least(path: str, value: float, low: float) -> None:
    if not (isinstance(value, int | float) and low <= value < math.inf):
        raise ConfigError(f"{path}: got {value!r}, wanted a number of at least {low}")
