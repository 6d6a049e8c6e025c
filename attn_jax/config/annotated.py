"""Values held against the annotations of a config's fields, which python does not do by itself.

A value is of JSON, or an object already; what it is not is a ConfigError that names its path.
"""

import dataclasses
import numbers
import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any, Literal, NamedTuple

from attn_jax.errors import ConfigError
from attn_jax.mixers import MIXERS, MixerConfig
from attn_jax.models import MODELS, AnyModelConfig
from attn_jax.names import nearest_names
from attn_jax.tasks import TASKS, TaskConfig
from attn_jax.training.probes import PROBES, ProbeConfig


class Registered(NamedTuple):
    """What a field of a base class may be: the registered rows, and what one of them is called."""

    kind: Literal["task", "model", "mixer", "probe"]
    rows: dict[str, Any]


REGISTERED: dict[type, Registered] = {
    MixerConfig: Registered("mixer", MIXERS),
    AnyModelConfig: Registered("model", MODELS),
    TaskConfig: Registered("task", TASKS),
    ProbeConfig: Registered("probe", PROBES),
}


def arguments_of(wanted: Any) -> list[dataclasses.Field]:
    """The fields that are arguments."""
    return [f for f in fields(wanted) if f.init]


def decode(wanted: Any, data: Any, path: str) -> Any:
    """`data`, a JSON value or an object already, as the annotated type `wanted`."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(wanted, type) and wanted in REGISTERED:
        return decode_registered(wanted, data, path)
    if is_dataclass(wanted):
        return decode_fields(wanted, data, path)
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
        return {key: decode(args[1], item, f"{path}.{key}") for key, item in data.items()}
    return _decode_plain(wanted, data, path)


def decode_registered(base: type, data: Any, path: str) -> Any:
    """A task, model, mixer or probe, by its registered name where it is no object yet."""
    if isinstance(data, base):
        return decode_fields(type(data), data, path)
    _check(isinstance(data, dict), path, data, "a table")
    if "class" in data:
        raise ConfigError(f"{path}: {data['class']} is not the package's own; give the python config that defines it")
    rows = REGISTERED[base].rows
    name = data.get("name")
    if not isinstance(name, str) or name not in rows:
        raise ConfigError(f"{path}.name: got {name!r}, {nearest_names(str(name), rows)}")
    rest = {key: item for key, item in data.items() if key != "name"}
    return decode_fields(type(rows[name]), rest, path)


def decode_fields(wanted: Any, data: Any, path: str) -> Any:
    """A dataclass from its fields, JSON values or objects already, each held against its annotation."""
    if isinstance(data, wanted):
        wanted = type(data)  # a subclass stays what it is
        data = {f.name: getattr(data, f.name) for f in arguments_of(wanted)}
    _check(isinstance(data, dict), path, data, "a table")
    hints = _hints(wanted, path)
    known = [f.name for f in arguments_of(wanted)]
    at = f"{path}." if path else ""
    for key in data:
        if key not in known:
            raise ConfigError(f"{at}{key}: no such field, {nearest_names(str(key), known)}")
    for f in arguments_of(wanted):
        if f.name not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{at}{f.name}: missing")
    values = {key: decode(hints[key], item, f"{at}{key}") for key, item in data.items()}
    try:
        return wanted(**values)
    except ConfigError:
        raise  # it knows its path
    except ValueError as error:
        raise ConfigError(f"{at}{error}") from error


def _hints(wanted: Any, path: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(wanted)
    except NameError as error:  # a name that only a type checker imports
        raise ConfigError(f"{path}: the annotations of {wanted.__name__} cannot be read: {error}") from error


def _decode_union(args: tuple, data: Any, path: str) -> Any:
    """`data` as the first member of the union that takes it; the first one's complaint if none does."""
    if data is None and type(None) in args:
        return None
    complaint = None
    for arg in args:
        try:
            if arg is not type(None):
                return decode(arg, data, path)
        except ConfigError as error:
            complaint = complaint or error
    raise complaint or ConfigError(f"{path}: got {data!r}, wanted None")


def _decode_tuple(args: tuple, data: Any, path: str) -> tuple:
    _check(isinstance(data, list | tuple), path, data, "a list")
    if args[-1] is Ellipsis:
        args = args[:1] * len(data)
    _check(len(args) == len(data), path, data, f"{len(args)} values")
    return tuple(decode(arg, item, f"{path}.{i}") for i, (arg, item) in enumerate(zip(args, data, strict=True)))


def _decode_plain(wanted: type, data: Any, path: str) -> Any:
    if wanted is Any or not isinstance(wanted, type):
        return _tuples(data)  # an annotation of the user's own that says nothing checkable
    data = _tuples(data) if wanted is tuple else data
    if wanted in (int, float) and isinstance(data, _NUMBER[wanted]) and not isinstance(data, bool):
        return wanted(data)  # NumPy's too
    _check(isinstance(data, wanted) and not (wanted is int and isinstance(data, bool)), path, data, wanted.__name__)
    return data


_NUMBER = {int: numbers.Integral, float: numbers.Real}


def _tuples(data: Any) -> Any:
    """Lists, of JSON, as tuples: a config's fields are frozen."""
    return tuple(map(_tuples, data)) if type(data) in (list, tuple) else data


def _check(right: bool, path: str, data: Any, wanted: str) -> None:
    if not right:
        raise ConfigError(f"{path or 'config'}: got {data!r} ({type(data).__name__}), wanted {wanted}")
