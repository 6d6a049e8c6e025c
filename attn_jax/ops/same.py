"""Python objects as keys: equal where a program that holds the one does what it would do with the other."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any

from jax.tree_util import PyTreeDef

_ATOMS = (int, str, bytes, complex, PyTreeDef, type(None))


@dataclass(frozen=True, eq=False)
class Same:
    """Equal to the same object only, which it keeps alive."""

    x: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


@dataclass(frozen=True, eq=False)
class Function:
    """A function, equal to one of the same code that reads the same; looked at when compared, as cells change.

    So the function that JAX makes anew around every callback is the one of the trace before.
    """

    x: FunctionType

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Function) or self.x.__code__ != other.x.__code__:
            return False
        try:
            return self.x is other.x or self._reads() == other._reads()
        except (ValueError, RecursionError):  # a cell that is empty, or that holds the function itself
            return False

    def __hash__(self) -> int:
        return hash(self.x.__code__)

    def _reads(self) -> Hashable:
        """All that the code reads."""
        x: Any = self.x
        cells = tuple(self._read(cell.cell_contents) for cell in x.__closure__ or ())
        named = tuple((name, frozen(part)) for by in (x.__kwdefaults__ or {}, vars(x)) for name, part in by.items())
        return id(x.__globals__), frozen(x.__defaults__), named, cells

    def _read(self, x: Any) -> Hashable:
        """What a cell holds; JAX's own functions leave their dicts as they are, a user's may not."""
        own = isinstance(x, dict) and (self.x.__module__ or "").startswith("jax.")
        return tuple((name, frozen(part)) for name, part in x.items()) if own else frozen(x)


def frozen(x: Any) -> Hashable:
    """What cannot change by what it is, anything else by identity."""
    if isinstance(x, FunctionType):
        return Function(x)
    if type(x) is partial:
        return partial, frozen(x.func), frozen(x.args), tuple((name, frozen(part)) for name, part in x.keywords.items())
    if type(x) is tuple:
        return tuple(map(frozen, x))
    if type(x) is float:
        return x.hex()
    return (type(x), x) if type(x) in (*_ATOMS, bool) else Same(x)
