"""`--config.field=value`: a study with some of its fields changed.

    --config.train.steps=500                      a field
    --config.train.learning-rates=1e-3,3e-3       a row of values; spaces do as well as commas
    --config.task=dyck --config.task.depth=4      a task, model or mixer by its registered name; then its fields
    --config.models.lstm.mixers=lstm,attention    a row of names
    --config.strings, --config.no-strings         a switch

The order of the words is free: a name is chosen before its fields are set, and a group of fields is checked once all of
it is set.
"""

import ast
import contextlib
import dataclasses
import numbers
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from attn_jax.config.codec import CHOICES, decode_fields
from attn_jax.config.study import Study
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names

_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


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
    axes = {_dashed(path): path for path in paths}
    for option_given, _ in _given(words):
        if path := axes.get(_dashed(option_given)):
            raise ConfigError(f"{option(path)}: is an axis of the sweep, its values stand in the config")


def fields_of(value: Any, wanted: Any = Study, path: str = "", owner: type = Study, name: str = "") -> Iterator[Field]:
    """Every place of a study that takes a value from the command line, in the order of the config."""
    inside = _parts(value, wanted)
    if (not inside and typing.get_origin(wanted) is not dict) or _takes_a_name(wanted):
        yield Field(path, wanted, value, owner, name)
    for key, (item, kind) in inside.items():
        at = (type(value), key) if dataclasses.is_dataclass(value) else (owner, name)
        yield from fields_of(item, kind, _joined(path, key), *at)


def option(path: str) -> str:
    """How a field is called on the command line.

    >>> option("train.batch_size")
    '--config.train.batch-size'
    """
    return f"--config.{_dashed(path)}"


def type_in_words(wanted: Any) -> str:
    """What a field takes.

    >>> type_in_words(tuple[float, ...]), type_in_words(int | None), type_in_words(Literal["pre", "post"])
    ('numbers', 'a whole number or None', 'pre or post')
    """
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted in CHOICES:
        return f"a {CHOICES[wanted].kind} by name"
    if origin is tuple:
        row = type_in_words(args[0]).removeprefix("a ").replace("number", "numbers").replace(" by name", "s by name")
        return row if args[-1] is Ellipsis else f"{len(args)} {row}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join("None" if arg is type(None) else type_in_words(arg) for arg in args)
    if origin is Literal:
        return " or ".join(map(str, args))
    return _PLAIN.get(wanted, "a value")


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
            value = own.words.value if isinstance(own.words, _Whole) else _parsed(wanted, own.words, path)
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
    if isinstance(value, tuple) and args and args[0] in CHOICES:
        return {str(place): (item, args[0]) for place, item in enumerate(value)}
    return {}


def _step(parts: dict[str, Any], given: _Given, path: str) -> tuple[str, _Given]:
    """The part that an option leads to, and the option from there on; names of models may hold dots and dashes."""
    for key in sorted(parts, key=lambda key: (given.rest.startswith(key), len(key)), reverse=True):
        if f"{_dashed(given.rest)}.".startswith(f"{_dashed(key)}."):
            return key, _Given(given.rest[len(key) + 1 :], given.words)
        if _dashed(given.rest) == f"no-{_dashed(key)}" and not given.words:
            return key, _Given("", ["false"])
    raise ConfigError(f"{option(_joined(path, given.rest))}: no such field, {_meant(parts, given.rest, path)}")


def _meant(parts: dict[str, Any], rest: str, path: str) -> str:
    """The field of that name further inside, or the names that are near."""
    below = [field.path for key, (item, kind) in parts.items() for field in fields_of(item, kind, _joined(path, key))]
    right = [option(there) for there in below if _dashed(there).endswith(f".{_dashed(rest)}")]
    return (
        f"did you mean {' or '.join(right[:3])}?" if right else nearest_names(rest.split(".")[0], map(_dashed, parts))
    )


def _parsed(wanted: Any, words: list[str], path: str) -> Any:
    """The words given for a field, as what its annotation asks for."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        items = re.findall(r"[^\s,()\[\]]+", " ".join(words))
        kinds = args[:1] * len(items) if args[-1] is Ellipsis else args
        if len(kinds) != len(items):
            raise _refusal(path, words, wanted)
        return tuple(_parsed(kind, [item], path) for kind, item in zip(kinds, items, strict=True))
    if origin in (types.UnionType, typing.Union):
        return _first_that_takes(args, words, path, wanted)
    if wanted is bool and not words:
        return True
    if len(words) != 1:
        raise _refusal(path, words, wanted)
    return _chosen(wanted, words[0], path) if wanted in CHOICES else _plain(wanted, words, path)


def _first_that_takes(args: Sequence[Any], words: list[str], path: str, wanted: Any) -> Any:
    """The words as the first member of a union that takes them."""
    if [word.lower() for word in words] == ["none"] and type(None) in args:
        return None
    for arg in args:
        with contextlib.suppress(ConfigError):
            if arg is not type(None):
                return _parsed(arg, words, path)
    raise _refusal(path, words, wanted)


def _chosen(base: type, name: str, path: str) -> Any:
    """A registered task, model or mixer, as `TASKS[name]` is."""
    rows = CHOICES[base].rows
    if name in rows:
        return rows[name]
    other = next((choice.kind for choice in CHOICES.values() if name in choice.rows), None)
    hint = f"which is a {other}; {nearest_names(name, rows)}" if other else nearest_names(name, rows)
    raise ConfigError(f"{option(path)}: got {name!r}, {hint}")


def _plain(wanted: Any, words: list[str], path: str) -> Any:
    """One word as a number, a switch, a text, or one of a few."""
    (text,) = words
    try:
        if typing.get_origin(wanted) is Literal:
            return {str(choice): choice for choice in typing.get_args(wanted)}[text]
        if wanted is bool:
            return _SWITCH[text.lower()]
        if wanted is int:
            return int(text) if text.lstrip("+-").isdigit() else _whole(float(text))
        if wanted in (float, str):
            return wanted(text)
    except (KeyError, ValueError, OverflowError) as error:
        raise _refusal(path, words, wanted) from error
    if dataclasses.is_dataclass(wanted) or typing.get_origin(wanted) is dict:
        raise ConfigError(f"{option(path)}: got {text!r} for a group of fields; name one of them, {option(path)}....")
    return _literal(text)


def _whole(value: float) -> int:
    """1e3 is 1000; 1.5 is refused."""
    if not value.is_integer():
        raise ValueError(value)
    return int(value)


def _literal(text: str) -> Any:
    """A value whose annotation says nothing checkable: a python literal, or the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _refusal(path: str, words: list[str], wanted: Any) -> ConfigError:
    got = repr(" ".join(words)) if words else "nothing"
    return ConfigError(f"{option(path)}: got {got}, wanted {type_in_words(wanted)}")


def _takes_a_name(wanted: Any) -> bool:
    """Whether it is chosen by name as well as set field by field: a choice, or a row of choices."""
    return wanted in CHOICES or any(arg in CHOICES for arg in typing.get_args(wanted)[:1])


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _dashed(key: str) -> str:
    return key.replace("_", "-")
