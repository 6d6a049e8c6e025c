"""Registered names, what may have been meant by a wrong one, and things with their number."""

import difflib
from collections.abc import Iterable
from typing import TypeVar

V = TypeVar("V")
_FEW = 12  # names that can all be listed in a sentence


class UnknownNameError(KeyError):
    """A name that no row of a registry has."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(dict[str, V]):
    """Configurations by name; a name that is not there is answered with the nearest ones.

    >>> Registry({"gru": 1, "lstm": 2})["lstn"]
    Traceback (most recent call last):
    attn_jax.names.UnknownNameError: 'lstn', did you mean lstm?
    """

    def __missing__(self, name: str) -> V:
        raise UnknownNameError(f"{name!r}, {nearest_names(str(name), self)}")


def nearest_names(name: str, known: Iterable[str]) -> str:
    """What may have been meant; all names where nothing is near, or the least far ones of many.

    >>> nearest_names("Grru", ["gru", "lstm"])
    'did you mean gru?'
    >>> nearest_names("zebra", ["gru", "lstm"])
    'wanted one of gru, lstm'
    >>> nearest_names("zebra", [f"task_{i}" for i in range(20)])
    'the nearest of 20 names are task_9, task_8, task_7'
    """
    names, name = list(dict.fromkeys(known)), name.lower()
    spellings: dict[str, list[str]] = {}
    for candidate in names:
        spellings.setdefault(candidate.lower(), []).append(candidate)
    near = difflib.get_close_matches(name, spellings) or [lower for lower in spellings if name in lower][:5]
    if near:
        return f"did you mean {' or '.join(found for lower in near for found in spellings[lower])}?"
    if len(names) <= _FEW:
        return f"wanted one of {', '.join(names)}"
    least_far = difflib.get_close_matches(name, spellings, cutoff=0.0)
    return f"the nearest of {len(names)} names are {', '.join(spellings[lower][0] for lower in least_far)}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(1200, "seed"), counted(1, "process", "processes")
    ('1 seed', '1,200 seeds', '1 process')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
