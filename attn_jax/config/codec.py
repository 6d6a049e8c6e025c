"""A study as JSON, and back; `checked` holds one that is an object already against its annotations.

In JSON a choice of mixer, model or task is `{"name": "lstm", ...}` with every field written. A class of the user's own
is written down in two ways. What is kept and compared says which class, `{"class": "Mine", ...}`, and is never loaded.
What travels to a worker says where it lies too, `{"file": ..., "module": ..., "class": ...}`, and `from_json` imports
that file: it is for what `to_json` wrote, never for a file that a user gives.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import Any

from attn_jax.config.annotated import REGISTERED, arguments_of, decode, decode_fields, decode_registered
from attn_jax.config.own_code import file_of, import_class
from attn_jax.config.study import Study
from attn_jax.errors import ConfigError

_TOLD = ("probes", "published")  # what is measured and shown beside the scores


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
    return decode(Study, _instantiated(data, own), "")


def choice_from_dict(data: dict[str, Any], own: Mapping[str, type] = MappingProxyType({})) -> Any:
    """The task, model or mixer that `to_dict` wrote, as `from_dict` reads a study.

    >>> from attn_jax import TASKS
    >>> choice_from_dict(to_dict(TASKS["parity"])) == TASKS["parity"]
    True
    """
    data = _instantiated(data, own)
    bases = [base for base, choice in REGISTERED.items() if isinstance(data, dict) and data.get("name") in choice.rows]
    return decode_registered(bases[0], data, data["name"]) if bases else data


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
    return decode(Study, study, "")


def fingerprint(study: Study) -> str:
    """A hash of every field that decides a number; probes and what others published decide none.

    The source of classes that are not the package's own is compared apart, model by model.
    """
    fields = {name: value for name, value in to_dict(study).items() if name not in _TOLD}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def own_class(value: Any) -> type | None:
    """The class of a dataclass's instance where it is the user's own, not the package's; registered by them or not."""
    return None if type(value).__module__.startswith("attn_jax.") else type(value)


def _encode(value: Any, describe: Callable[[type, str], dict[str, str]], path: str) -> Any:
    at = f"{path}." if path else ""
    if is_dataclass(value) and not isinstance(value, type):
        own = own_class(value)
        head = _registered(value) if own is None else describe(own, path)
        given = arguments_of(type(value))
        return head | {f.name: _encode(getattr(value, f.name), describe, f"{at}{f.name}") for f in given}
    if isinstance(value, dict):
        return {key: _encode(item, describe, f"{at}{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item, describe, f"{at}{i}") for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(f"{path}: got a {type(value).__name__}, which JSON has not; wanted numbers, strings and tuples")


def _registered(value: Any) -> dict[str, str]:
    """{"name"} of a registered choice, {} of anything else."""
    rows = (row for choice in REGISTERED.values() for row in choice.rows.items())
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
        for f in arguments_of(type(value)):
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
