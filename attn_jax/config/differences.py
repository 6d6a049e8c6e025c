"""Where two configs, as JSON says them, differ."""

from collections.abc import Iterator
from typing import Any


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """What differs between two configs in JSON, "train.steps: 800 -> 500" each.

    >>> list(differences({"a": {"b": 1}}, {"a": {"b": 2}}))
    ['a.b: 1 -> 2']
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"{path}: {old} -> {new}"
