"""The words of the command line as the values that annotations ask for, and annotations in words."""

import ast
import contextlib
import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal

from attn_jax.config.annotated import REGISTERED
from attn_jax.errors import ConfigError
from attn_jax.names import nearest_names

_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def option(path: str) -> str:
    """How a field is called on the command line.

    >>> option("train.batch_size")
    '--config.train.batch-size'
    """
    return f"--config.{dashed(path)}"


def type_in_words(wanted: Any) -> str:
    """What a field takes.

    >>> type_in_words(tuple[float, ...]), type_in_words(int | None), type_in_words(Literal["pre", "post"])
    ('numbers', 'a whole number or None', 'pre or post')
    """
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted in REGISTERED:
        return f"a {REGISTERED[wanted].kind} by name"
    if origin is tuple:
        row = type_in_words(args[0]).removeprefix("a ").replace("number", "numbers").replace(" by name", "s by name")
        return row if args[-1] is Ellipsis else f"{len(args)} {row}"
    if origin in (types.UnionType, typing.Union):
        return " or ".join("None" if arg is type(None) else type_in_words(arg) for arg in args)
    if origin is Literal:
        return " or ".join(map(str, args))
    return _PLAIN.get(wanted, "a value")


def parsed(wanted: Any, words: list[str], path: str) -> Any:
    """The words given for a field, as what its annotation asks for."""
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple:
        items = re.findall(r"[^\s,()\[\]]+", " ".join(words))
        kinds = args[:1] * len(items) if args[-1] is Ellipsis else args
        if len(kinds) != len(items):
            raise _refusal(path, words, wanted)
        return tuple(parsed(kind, [item], path) for kind, item in zip(kinds, items, strict=True))
    if origin in (types.UnionType, typing.Union):
        return _first_that_takes(args, words, path, wanted)
    if wanted is bool and not words:
        return True
    if len(words) != 1:
        raise _refusal(path, words, wanted)
    return _chosen(wanted, words[0], path) if wanted in REGISTERED else _plain(wanted, words, path)


def _first_that_takes(args: Sequence[Any], words: list[str], path: str, wanted: Any) -> Any:
    """The words as the first member of a union that takes them."""
    if [word.lower() for word in words] == ["none"] and type(None) in args:
        return None
    for arg in args:
        with contextlib.suppress(ConfigError):
            if arg is not type(None):
                return parsed(arg, words, path)
    raise _refusal(path, words, wanted)


def _chosen(base: type, name: str, path: str) -> Any:
    """A registered task, model or mixer, as `TASKS[name]` is."""
    rows = REGISTERED[base].rows
    if name in rows:
        return rows[name]
    other = next((choice.kind for choice in REGISTERED.values() if name in choice.rows), None)
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


def dashed(key: str) -> str:
    """A field's name as the command line has it."""
    return key.replace("_", "-")
