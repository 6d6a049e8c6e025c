"""The comparison: a study is planned, trained in blocks, gathered and judged. `compare` is the command, from Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_jax.lab.comparison import compare as compare


def __getattr__(name: str) -> Any:
    if name != "compare":
        raise AttributeError(f"module 'attn_jax.lab' has no attribute {name!r}")
    from attn_jax.lab.comparison import compare  # what trains is not loaded by what only reads

    return compare
