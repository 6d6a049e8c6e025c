"""Where arrays are, and what a program is meant for, as far as that is known while it is traced."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import jax
from jax import lax

from attn_jax.types import Array

Tree = TypeVar("Tree")


_MEANT: ContextVar[str | None] = ContextVar("meant_for", default=None)


@contextmanager
def meant_for(backend: str) -> Iterator[None]:
    """What is traced within is for "cpu", "gpu" or "tpu" alone, as `jax.default_backend()` names them.

    JAX knows nothing of it: a function that it has traced before, it does not trace again.
    """
    token = _MEANT.set(backend)
    try:
        yield
    finally:
        _MEANT.reset(token)


def is_meant() -> bool:
    """Whether `meant_for` says what this is for."""
    return _MEANT.get() is not None


def platform() -> str:
    """What is traced is meant for this one, as `jax.default_backend()` names it: that one, unless `meant_for` says."""
    return _MEANT.get() or jax.default_backend()


def on_cpu() -> bool:
    """Whether what is traced is meant for a CPU, where loops over tiles keep the cache warm.

    An accelerator computes all tiles at once: a loop over them would be slow there, and gather what is sharded.
    """
    return platform() == "cpu"


def is_split(*arrays: Array | None) -> bool:
    """Whether an array's type says that it is split over devices (a mesh with explicit axes): it cannot be cut then."""
    return any(part is not None for x in arrays if x is not None for part in jax.typeof(x).sharding.spec)


def vary_with(carry: Tree, *others: Any) -> Tree:
    """What a loop carries, varying over devices where anything does that its body mixes into it.

    Under `jax.shard_map` the types say which arrays differ between devices, and a carry has one type from the first
    step to the last: a state of zeros, alike everywhere, is refused beside inputs that are not. Elsewhere, nothing.
    """
    axes = frozenset[str]().union(*map(_varies_over, jax.tree.leaves((carry, others))))
    return jax.tree.map(partial(_vary, axes), carry) if axes else carry


def _varies_over(x: Any) -> frozenset[str]:
    return jax.typeof(x).manual_axis_type.varying if isinstance(x, jax.Array) else frozenset()


def _vary(axes: frozenset[str], x: Array) -> Array:
    missing = axes - _varies_over(x)
    return lax.pcast(x, tuple(missing), to="varying") if missing else x
