"""A sweep: one study again and again with some of its fields changed, every value of each axis with every other's."""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from attn_jax.config.annotated import REGISTERED
from attn_jax.config.codec import choice_from_dict, from_dict, to_dict
from attn_jax.config.help import written
from attn_jax.config.overrides import with_values
from attn_jax.config.study import Study
from attn_jax.errors import ConfigError

_PLAIN = re.compile(r"[A-Za-z0-9._+-]{1,60}")  # what names a folder as it is
_MOST = 1000  # points


@dataclass(frozen=True)
class Sweep:
    """A study of studies: a point is the study with one value of each axis, and a study of its own.

    Args:
      study: what is varied; its name is the sweep's, and names the default directory, results/<name>.
      axes: the path of a field, as `--config.` takes it, to its values: numbers, text and tuples as on the command
        line, or tasks, models and mixers themselves.

    Raises:
      ConfigError: no axis or value, one value twice, or a point that is no study; an unknown path is answered with the
        nearest.

    >>> from attn_jax import TASKS, ModelConfig
    >>> study = Study("s", TASKS["parity"], {"m": ModelConfig(32)})
    >>> sweep = Sweep(study, axes={"models.m.d_model": (16, 32), "train.lengths": ((2, 8),)})
    >>> list(sweep.points), sweep.points["d_model=16,lengths=2-8"].models["m"].d_model
    (['d_model=16,lengths=2-8', 'd_model=32,lengths=2-8'], 16)
    """

    study: Study
    axes: Mapping[str, tuple[Any, ...]]

    def __post_init__(self):
        if not isinstance(self.study, Study):
            raise ConfigError(f"study: got a {type(self.study).__name__}, wanted a Study")
        if not isinstance(self.axes, Mapping) or not self.axes:
            raise ConfigError(f"axes: got {self.axes!r}, wanted the path of a field and its values, at least one")
        for path, values in self.axes.items():
            if path == "name":
                raise ConfigError("axes: got name, wanted what a study does; a point is named after its values")
            if not isinstance(values, tuple | list) or not values:
                raise ConfigError(f"axes.{path}: got {values!r}, wanted a tuple of values, at least one")
            texts = [json.dumps(to_dict(value), sort_keys=True) for value in values]
            if twice := next((value for value, text in zip(values, texts, strict=True) if texts.count(text) > 1), None):
                raise ConfigError(f"axes.{path}: got {twice!r} twice, wanted each value once")
        if (number := len(list(itertools.product(*self.axes.values())))) > _MOST:
            raise ConfigError(f"axes: got {number} points, wanted at most {_MOST}")
        _ = self.points  # what is wrong with one is said now

    @property
    def name(self) -> str:
        """The study's."""
        return self.study.name

    @cached_property
    def values(self) -> dict[str, dict[str, Any]]:
        """The values of every point, by its name and the axis; the last axis varies first."""
        labels = _labels(list(self.axes))
        found: dict[str, dict[str, Any]] = {}
        for several in itertools.product(*self.axes.values()):
            values = dict(zip(self.axes, several, strict=True))
            name = ",".join(f"{labels[path]}={_folded(value)}" for path, value in values.items())
            if name in found:
                raise ConfigError(f"axes: two points are called {name}, wanted values that can be told apart")
            found[name] = values
        return found

    @cached_property
    def points(self) -> dict[str, Study]:
        """The study of every point, by the point's name."""
        return {point: self._study(point, values) for point, values in self.values.items()}

    def _study(self, point: str, values: dict[str, Any]) -> Study:
        named = {"name": f"{self.name}-{re.sub('[=,]', '-', point)}"}
        try:
            return with_values(self.study, values | named)
        except ConfigError as error:
            raise ConfigError(f"axes, at {point}: {error}") from error


def axis_value(value: Any) -> int | float | str:
    """A value of an axis as a cell of a table: a number, or the text that the command line takes.

    >>> axis_value(16), axis_value((2, 4)), axis_value(None)
    (16, '2,4', 'None')
    """
    return value if isinstance(value, int | float) and not isinstance(value, bool) else _text(value)


def sweep_to_dict(sweep: Sweep) -> dict[str, Any]:
    """The sweep as JSON types."""
    return {"study": to_dict(sweep.study), "axes": {path: to_dict(list(values)) for path, values in sweep.axes.items()}}


def sweep_from_dict(data: dict[str, Any], own: Mapping[str, type] = MappingProxyType({})) -> Sweep:
    """The sweep that `sweep_to_dict` wrote.

    Raises:
      ConfigError: a field is missing or wrong, or a class of the user's own that is not among `own`.
    """
    axes = data.get("axes")
    if not isinstance(axes, dict) or not isinstance(data.get("study"), dict):
        raise ConfigError("wanted a study and its axes")
    return Sweep(from_dict(data["study"], own), {path: _value(values, own) for path, values in axes.items()})


def _value(value: Any, own: Mapping[str, type]) -> Any:
    """A value of an axis from JSON: rows are tuples, tables are tasks, models and mixers."""
    if isinstance(value, list):
        return tuple(_value(item, own) for item in value)
    return choice_from_dict(value, own) if isinstance(value, dict) else value


def _labels(paths: list[str]) -> dict[str, str]:
    """The end of each path that no other has, from a dot on."""
    labels = {}
    for path in paths:
        parts = path.split(".")
        ends = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        others = [f".{other}" for other in paths if other != path]
        labels[path] = next((end for end in ends if not any(other.endswith(f".{end}") for other in others)), path)
    return labels


def _folded(value: Any) -> str:
    """A value as a part of a folder's name; where letters were lost, a hash tells it from others."""
    text = _text(value)
    plain = re.sub("[^A-Za-z0-9._+-]+", "-", text)
    if _PLAIN.fullmatch(plain) and text.replace(",", "-") == plain:
        return plain
    return f"{plain[:40].strip('-')}-{_hash(text)}"


def _text(value: Any) -> str:
    """A value in a word; a task, model or mixer that is not as it is registered is told by a hash of its fields."""
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    text, fields = written(value), to_dict(value)
    if not isinstance(fields, dict) or any(choice.rows.get(text) == value for choice in REGISTERED.values()):
        return text
    return f"{text}-{_hash(json.dumps(fields, sort_keys=True))}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
