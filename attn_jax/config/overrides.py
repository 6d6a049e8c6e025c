"""`--config.field=value`: a study with some of its fields changed.

    --config.train.steps=500                      a field
    --config.train.learning-rates=1e-3,3e-3       a row of values; spaces do as well as commas
    --config.task=dyck --config.task.depth=4      a task, model or mixer by its registered name; then its fields
    --config.models.lstm.mixers=lstm,attention    a row of names
    --config.strings, --config.no-strings         a switch

The order of the words is free: a name is chosen before its fields are set, and a group of fields is checked once all of
it is set.
"""

import dataclasses
import numbers
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from attn_jax.config.annotated import REGISTERED, decode_fields
from attn_jax.config.study import Study
from attn_jax.config.words import dashed, option, parsed
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names


class Field(NamedTuple):
    """One place of a study that can be overridden."""

    path: str  # train.batch_size
    wanted: Any  # its annotation
    value: Any
    owner: type  # the class whose docstring explains it
    name: str


class _Whole(NamedTuple):
    """What is no words: a task, model or mixer itself, or a row of them."""

    value: Any


class _Given(NamedTuple):
    """An option of the command line: where it leads from here, and the words given for it."""

    rest: str
    words: list[str] | _Whole


def override(study: Study, words: Sequence[str]) -> Study:
    """The study that the `--config.` words of a command line ask for.

    Args:
      study: as its config says.
      words: options, each with "=" and a value or followed by its values.

    Raises:
      ConfigError: no such field or name (the nearest is named), a value of another type, or a study that cannot be.

    >>> from attn_jax import TASKS, ModelConfig
    >>> study = Study("s", TASKS["parity"], {"m": ModelConfig(32)})
    >>> override(study, ["--config.task=dyck", "--config.train.learning-rates=1e-3,3e-3"]).train.learning_rates
    (0.001, 0.003)
    """
    return _changed(Study, study, _given(words), "")


def with_values(study: Study, values: Mapping[str, Any]) -> Study:
    """The study with these values of its fields, given by their paths, as `override` reads the same values as words.

    Raises:
      ConfigError: as `override`.

    >>> from attn_jax import TASKS, ModelConfig
    >>> study = Study("s", TASKS["parity"], {"m": ModelConfig(32)})
    >>> with_values(study, {"train.lengths": (2, 8), "models.m.mixers": "gru"}).train.lengths
    (2, 8)
    """
    return _changed(Study, study, [_Given(path, _as_words(value)) for path, value in values.items()], "")


def refuse_given(words: Sequence[str], paths: Iterable[str]) -> None:
    """Refuses words that set one of these fields.

    Raises:
      ConfigError: the field is an axis of a sweep, whose values the config gives.
    """
    axes = {dashed(path): path for path in paths}
    for option_given, _ in _given(words):
        if path := axes.get(dashed(option_given)):
            raise ConfigError(f"{option(path)}: is an axis of the sweep, its values stand in the config")


def fields_of(value: Any, wanted: Any = Study, path: str = "", owner: type = Study, name: str = "") -> Iterator[Field]:
    """Every place of a study that takes a value from the command line, in the order of the config."""
    inside = _parts(value, wanted)
    if (not inside and typing.get_origin(wanted) is not dict) or _takes_a_name(wanted):
        yield Field(path, wanted, value, owner, name)
    for key, (item, kind) in inside.items():
        at = (type(value), key) if dataclasses.is_dataclass(value) else (owner, name)
        yield from fields_of(item, kind, _joined(path, key), *at)


def _given(words: Sequence[str]) -> list[_Given]:
    """The words as options, each with the values that follow it."""
    if isinstance(words, str):
        raise ConfigError(f"overrides: got the text {words!r}, wanted a list of words: ['--config.train.steps=500']")
    given: list[_Given] = []
    values: list[str] = []  # of the last one
    for word in words:
        if isinstance(word, str) and word.startswith("--config."):
            option, equals, text = word.removeprefix("--config.").partition("=")
            values = [text] if equals else []
            given.append(_Given(option, values))
        elif isinstance(word, str) and given and not word.startswith("--"):
            values.append(word)
        else:
            raise ConfigError(f"overrides: got {word!r}, wanted words like --config.train.steps=500")
    return given


def _as_words(value: Any) -> list[str] | _Whole:
    """A value as the command line's words for it, where it has any."""
    items = value if isinstance(value, tuple | list) else (value,)
    plain = all(item is None or isinstance(item, str | numbers.Number) for item in items)
    return [str(item) for item in items] if plain else _Whole(value)


def _changed(wanted: Any, value: Any, given: list[_Given], path: str) -> Any:
    """`value`, replaced where it is named itself, then with what is named inside of it changed."""
    for own in given:
        if not own.rest:
            value = own.words.value if isinstance(own.words, _Whole) else parsed(wanted, own.words, path)
    parts = _parts(value, wanted)
    inside: dict[str, list[_Given]] = {}
    for one in given:
        if one.rest:
            key, rest = _step(parts, one, path)
            inside.setdefault(key, []).append(rest)
    if not inside:
        return value
    items = {key: _changed(kind, item, inside.get(key, []), _joined(path, key)) for key, (item, kind) in parts.items()}
    if dataclasses.is_dataclass(value):
        return decode_fields(type(value), items, path)
    return items if isinstance(value, dict) else tuple(items.values())


def _parts(value: Any, wanted: Any) -> dict[str, tuple[Any, Any]]:
    """What can be named inside of a value: key -> (item, its annotation)."""
    if dataclasses.is_dataclass(value):
        hints = typing.get_type_hints(type(value))
        fields = [field for field in dataclasses.fields(value) if field.init]
        return {field.name: (getattr(value, field.name), hints[field.name]) for field in fields}
    args = typing.get_args(wanted)
    if isinstance(value, dict):
        return {key: (item, args[1]) for key, item in value.items()}
    if isinstance(value, tuple) and args and args[0] in REGISTERED:
        return {str(place): (item, args[0]) for place, item in enumerate(value)}
    return {}


def _step(parts: dict[str, Any], given: _Given, path: str) -> tuple[str, _Given]:
    """The part that an option leads to, and the option from there on; names of models may hold dots and dashes."""
    for key in sorted(parts, key=lambda key: (given.rest.startswith(key), len(key)), reverse=True):
        if f"{dashed(given.rest)}.".startswith(f"{dashed(key)}."):
            return key, _Given(given.rest[len(key) + 1 :], given.words)
        if dashed(given.rest) == f"no-{dashed(key)}" and not given.words:
            return key, _Given("", ["false"])
    raise ConfigError(f"{option(_joined(path, given.rest))}: no such field, {_meant(parts, given.rest, path)}")


def _meant(parts: dict[str, Any], rest: str, path: str) -> str:
    """The field of that name further inside, or the names that are near."""
    below = [field.path for key, (item, kind) in parts.items() for field in fields_of(item, kind, _joined(path, key))]
    right = [option(there) for there in below if dashed(there).endswith(f".{dashed(rest)}")]
    return f"did you mean {' or '.join(right[:3])}?" if right else nearest_names(rest.split(".")[0], map(dashed, parts))


def _takes_a_name(wanted: Any) -> bool:
    """Whether it is chosen by name as well as set field by field: a choice, or a row of choices."""
    return wanted in REGISTERED or any(arg in REGISTERED for arg in typing.get_args(wanted)[:1])


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
