"""A table of bounded size."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import RLock
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """The entries that were used last, at most `most` of them.

    >>> recent = Recent(2)
    >>> [recent.setdefault(key, at) for at, key in enumerate("abacab")]
    [0, 1, 0, 3, 0, 5]
    """

    def __init__(self, most: int) -> None:
        self._most, self._entries, self._lock = most, OrderedDict[Hashable, _Value](), RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def setdefault(self, key: Hashable, value: _Value) -> _Value:
        """What is held for `key`; `value` where nothing is, from now on."""
        with self._lock:
            found = self._entries.setdefault(key, value)  # under the first of the equal keys, which is the value's own
            self._entries.move_to_end(key)
            if len(self._entries) > self._most:
                self._entries.popitem(last=False)
        return found
