"""Dataclasses as pytrees of which no two classes have equal structures.

`jax.tree_util.register_dataclass`, and `flax.struct.dataclass` with it, compares structures by their static fields and
leaves the class out: `jax.tree.structure(Causal(1)) == jax.tree.structure(PrefixLM(1))`. Structures are keys of every
cache of compiled programs, so that one class was answered with the other's program. Nodes that are registered with a
flatten function of their own are told apart by their class.
"""

from dataclasses import fields
from functools import cache, cached_property, partial
from inspect import isabstract
from typing import Any, TypeVar

import jax
from jax.tree_util import GetAttrKey

_Class = TypeVar("_Class", bound=type)


def register_pytree(cls: _Class) -> _Class:
    """A dataclass as a pytree: fields are leaves, but those of `metadata={"static": True}` a part of the structure.

    Fields are looked up when an object is taken apart, so this may come before `@dataclass`, as in `__init_subclass__`.
    JAX puts objects together again without calling `__init__`: it has axes, specs and the like where arrays were.

    Args:
      cls: a class that is, or is going to be, a dataclass; static fields are hashable.

    Returns:
      The class.

    Raises:
      ValueError: JAX's own, that the class is registered already.

    Example:
      >>> from dataclasses import dataclass
      >>> @register_pytree
      ... @dataclass(frozen=True)
      ... class Scale:
      ...     by: float
      >>> jax.tree.map(lambda x: 2 * x, Scale(3.0))
      Scale(by=6.0)
    """
    jax.tree_util.register_pytree_with_keys(cls, _flatten_with_keys, partial(_unflatten, cls), _flatten)
    return cls


def refuse_subclass(cls: type) -> None:
    """Raises a TypeError where a class derives from a finished one of this package.

    Paths of attention, kernels above all, know such a class by its type, and would compute what its base means.
    """
    for base in cls.__mro__[1:]:
        if base.__module__.startswith(f"{__package__}.") and not isabstract(base):
            raise TypeError(
                f"{cls.__name__}: got {base.__name__} as its base, wanted {base.__mro__[1].__name__}; hold a "
                f"{base.__name__} in a field and call it"
            )


@cache
def _names(cls: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields of a dataclass: (leaves and subtrees, static ones)."""
    static = tuple(x.name for x in fields(cls) if x.metadata.get("static", False))
    return tuple(x.name for x in fields(cls) if x.name not in static), static


def _flatten(x: Any) -> tuple[tuple, tuple]:
    """(children, static values)."""
    data, static = _names(type(x))
    if len(getattr(x, "__dict__", ())) > len(data) + len(static):
        _refuse_others(x)
    return tuple(getattr(x, name) for name in data), tuple(getattr(x, name) for name in static)


def _flatten_with_keys(x: Any) -> tuple[tuple, tuple]:
    """The same, each child with its key."""
    children, static = _flatten(x)
    return tuple(zip(map(GetAttrKey, _names(type(x))[0]), children, strict=True)), static


def _unflatten(cls: type, static: tuple, children: Any) -> Any:
    """An object of these values."""
    x = object.__new__(cls)
    for names, values in zip(_names(cls), (children, static), strict=True):
        for name, value in zip(names, values, strict=True):
            object.__setattr__(x, name, value)
    return x


def _refuse_others(x: Any) -> None:
    """Raises a TypeError for an attribute that JAX would lose; what is computed from the fields alone may be lost."""
    cls = type(x)
    for name in vars(x).keys() - {field.name for field in fields(cls)}:
        if not isinstance(getattr(cls, name, None), cached_property):
            raise TypeError(
                f"{cls.__name__}.{name}: got an attribute that is no field, wanted {cls.__name__} decorated with "
                "dataclasses.dataclass(frozen=True) and every attribute one of its fields: JAX carries no others"
            )
