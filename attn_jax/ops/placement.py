"""Where arrays are, and what a program is meant for, as far as that is known while it is traced."""

import jax

from attn_jax.types import Array


def on_cpu() -> bool:
    """Whether what is traced is meant for a CPU, where loops over tiles keep the cache warm.

    An accelerator computes all tiles at once: a loop over them would be slow there, and gather what is sharded.
    """
    return jax.default_backend() == "cpu"


def is_split(*arrays: Array | None) -> bool:
    """Whether an array's type says that it is split over devices (a mesh with explicit axes): it cannot be cut then."""
    return any(part is not None for x in arrays if x is not None for part in jax.typeof(x).sharding.spec)
