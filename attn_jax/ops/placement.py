"""Where arrays are, and what a program is meant for, as far as that is known while it is traced."""

from functools import partial
from typing import Any, TypeVar

import jax
from jax import lax

from attn_jax.types import Array

Tree = TypeVar("Tree")


def on_cpu() -> bool:
    """Whether what is traced is meant for a CPU, where loops over tiles keep the cache warm.

    An accelerator computes all tiles at once: a loop over them would be slow there, and gather what is sharded.
    """
    return jax.default_backend() == "cpu"


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
