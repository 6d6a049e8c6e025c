"""A study as JSON, and back; python does not hold fields against their annotations by itself, `checked` does.

In JSON a choice of mixer, model or task is `{"name": "lstm", ...}` with every field written. A class of the user's own
is written down in two ways. What is kept and compared says which class, `{"class": "Mine", ...}`, and is never loaded.
What travels to a worker says where it lies too, `{"file": ..., "module": ..., "class": ...}`, and `from_json` imports
that file: it is for what `to_json` wrote, never for a file that a user gives.
"""

import dataclasses
import hashlib
import json
import numbers
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from attn_jax.config.own_code import file_of, import_class
from attn_jax.config.study import Study
from attn_jax.errors import ConfigError
from attn_jax.mixers import MIXERS, MixerConfig
from attn_jax.models import MODELS, AnyModelConfig
from attn_jax.names import nearest_names
from attn_jax.tasks import TASKS, TaskConfig
from attn_jax.training.probes import PROBES, ProbeConfig


class Choice(NamedTuple):
    """What a field of a base class may be: the registered rows, and what one of them is called."""

    kind: Literal["task", "model", "mixer", "probe"]
    rows: dict[str, Any]


CHOICES: dict[type, Choice] = {
    MixerConfig: Choice("mixer", MIXERS),
    AnyModelConfig: Choice("model", MODELS),
    TaskConfig: Choice("task", TASKS),
    ProbeConfig: Choice("probe", PROBES),
}


def to_dict(value: Any) -> Any:
    """A configuration as JSON types; a choice of mixer, model, task or probe becomes {"name": ..., every field}.

    >>> from attn_jax.mixers import LSTM
    >>> to_dict(LSTM())["name"]
    'lstm'
    """
    return _encode(value, lambda own, path: {"class": own.__name__}, "")


def from_dict(data: dict[str, Any], own: Mapping[str, type] = MappingProxyType({})) -> Study:
    """The study that `to_dict` wrote; every unknown field or wrong type is a ConfigError that names its path.

    Args:
      data: JSON types.
      own: the classes that a `{"class": ...}` in it may mean, by name; without them it is refused.
    """
    return _decode(Study, _instantiated(data, own), "")


def choice_from_dict(data: dict[str, Any], own: Mapping[str, type] = MappingProxyType({})) -> Any:
    """The task, model or mixer that `to_dict` wrote, as `from_dict` reads a study.

    >>> choice_from_dict(to_dict(TASKS["parity"])) == TASKS["parity"]
    True
    """
    data = _instantiated(data, own)
    bases = [base for base, choice in CHOICES.items() if isinstance(data, dict) and data.get("name") in choice.rows]
    return _decode_choice(bases[0], data, data["name"]) if bases else data


def to_json(study: Study) -> str:
    """The study as a worker in another process reads it, classes of the user's own included.

    Raises:
      ConfigError: a class that does not lie in a file, or a value that does not come back as it was.
    """
    text = json.dumps(_encode(study, _located, ""))
    changed = list(_unlike(study, from_json(text), ""))
    if changed:
        path, value = changed[0]
        raise ConfigError(
            f"{path}: {value!r:.80} cannot travel to a worker; wanted numbers, strings and tuples of them"
        )
    return text


def from_json(text: str) -> Study:
    """The study that `to_json` wrote; imports the files of the user's own classes."""
    return from_dict(json.loads(text, object_hook=_revived))


def checked(study: Study) -> Study:
    """The same study, once every field has been held against its annotation."""
    return _decode(Study, study, "")


def fingerprint(study: Study) -> str:
    """A hash of every field that decides a number; probes decide none.

    The source of classes that are not the package's own is compared apart, model by model.
    """
    fields = {name: value for name, value in to_dict(study).items() if name != "probes"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def own_class(value: Any) -> type | None:
    """The class of a dataclass's instance where it is the user's own, not the package's; registered by them or not."""
    return None if type(value).__module__.startswith("attn_jax.") else type(value)


def _encode(value: Any, describe: Callable[[type, str], dict[str, str]], path: str) -> Any:
    at = f"{path}." if path else ""
    if is_dataclass(value) and not isinstance(value, type):
        own = own_class(value)
        head = _registered(value) if own is None else describe(own, path)
        return head | {f.name: _encode(getattr(value, f.name), describe, f"{at}{f.name}") for f in _given(type(value))}
    if isinstance(value, dict):
        return {key: _encode(item, describe, f"{at}{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item, describe, f"{at}{i}") for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f"{path}: got a {type(value).__name__}, which JSON has not; wanted numbers, strings and tuples")


def _registered(value: Any) -> dict[str, str]:
    """{"name"} of a registered choice, {} of anything else."""
    rows = (row for choice in CHOICES.values() for row in choice.rows.items())
    return next(({"name": name} for name, row in rows if type(row) is type(value)), {})


def _located(own: type, path: str) -> dict[str, str]:
    """Where a worker finds a class of the user's own."""
    file, name = file_of(own), own.__qualname__
    wanted = "wanted classes of your own at the top level of a file that can be imported, where workers find them"
    if "<locals>" in name:
        raise ConfigError(f"{path}: {name.replace('.<locals>', '()')} is defined inside a function; {wanted}")
    if own.__module__ == "__main__" or getattr(sys.modules.get(own.__module__), "__file__", file) is None:
        raise ConfigError(f"{path}: {name} is defined in a notebook or in the script that runs; {wanted}")
    if file is None:
        raise ConfigError(f"{path}: {name} is another class than {own.__module__}.{name}; {wanted}")
    return {"file": file, "module": own.__module__, "class": name}


def _revived(data: dict[str, Any]) -> Any:
    """An instance of a class of the user's own where `_located` wrote one."""
    if not {"file", "module", "class"} <= data.keys():
        return data
    own = import_class(data.pop("file"), data.pop("module"), data.pop("class"))
    return decode_fields(own, data, own.__name__)


def _instantiated(data: Any, own: Mapping[str, type]) -> Any:
    """The same JSON types, with an instance wherever one of these classes is named."""
    if isinstance(data, list):
        return [_instantiated(item, own) for item in data]
    if not isinstance(data, dict):
        return data
    data = {key: _instantiated(item, own) for key, item in data.items()}
    if isinstance(data.get("class"), str) and data["class"] in own:
        name = data.pop("class")
        return decode_fields(own[name], data, name)
    return data


def _unlike(value: Any, other: Any, path: str):
    """(path, value) of what is not alike in two studies, types included."""
    at = f"{path}." if path else ""
    if type(value) is not type(other) and _whose(value) != _whose(other):
        yield path, value
    elif is_dataclass(value):
        for f in _given(type(value)):
            yield from _unlike(getattr(value, f.name), getattr(other, f.name), f"{at}{f.name}")
    elif isinstance(value, dict):
        if list(value) != list(other):
            yield path, value
        for key in value.keys() & other.keys():
            yield from _unlike(value[key], other[key], f"{at}{key}")
    elif isinstance(value, list | tuple) and len(value) == len(other):
        for i, pair in enumerate(zip(value, other, strict=True)):
            yield from _unlike(*pair, f"{at}{i}")
    elif repr(value) != repr(other):  # NaN too is like itself
        yield path, value


def _whose(value: Any) -> tuple[str, str | None]:
    return type(value).__qualname__, file_of(type(value))


def _given(wanted: Any) -> list[dataclasses.Field]:
    """The fields that are arguments."""
    return [f for f in fields(wanted) if f.init]


def _decode(wanted: Any, data: Any, path: str) -> Any:
    """`data`, a JSON value or an object already, as the annotated type `wanted`."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(wanted, type) and wanted in CHOICES:
        return _decode_choice(wanted, data, path)
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
        return {key: _decode(args[1], item, f"{path}.{key}") for key, item in data.items()}
    return _decode_plain(wanted, data, path)


def _decode_choice(base: type, data: Any, path: str) -> Any:
    if isinstance(data, base):
        return decode_fields(type(data), data, path)
    _check(isinstance(data, dict), path, data, "a table")
    if "class" in data:
        raise ConfigError(f"{path}: {data['class']} is not the package's own; give the python config that defines it")
    rows = CHOICES[base].rows
    name = data.get("name")
    if not isinstance(name, str) or name not in rows:
        raise ConfigError(f"{path}.name: got {name!r}, {nearest_names(str(name), rows)}")
    rest = {key: item for key, item in data.items() if key != "name"}
    return decode_fields(type(rows[name]), rest, path)


def decode_fields(wanted: Any, data: Any, path: str) -> Any:
    """A dataclass from its fields, JSON values or objects already, each held against its annotation."""
    if isinstance(data, wanted):
        wanted = type(data)  # a subclass stays what it is
        data = {f.name: getattr(data, f.name) for f in _given(wanted)}
    _check(isinstance(data, dict), path, data, "a table")
    hints = _hints(wanted, path)
    known = [f.name for f in _given(wanted)]
    at = f"{path}." if path else ""
    for key in data:
        if key not in known:
            raise ConfigError(f"{at}{key}: no such field, {nearest_names(str(key), known)}")
    for f in _given(wanted):
        if f.name not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{at}{f.name}: missing")
    values = {key: _decode(hints[key], item, f"{at}{key}") for key, item in data.items()}
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
