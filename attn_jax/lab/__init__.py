"""The comparison: a study is planned, trained in blocks, gathered and judged. `compare` is the command, from Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_jax.lab.comparison import compare as compare
    from attn_jax.lab.estimate import plan_of as plan_of
    from attn_jax.lab.loading import load as load
    from attn_jax.lab.track.protocol import TrackedRun as TrackedRun
    from attn_jax.lab.track.protocol import Tracker as Tracker

__all__ = ["TrackedRun", "Tracker", "compare", "load", "plan_of"]


def __getattr__(name: str) -> Any:
    """What trains is not loaded by what only reads."""
    if name == "compare":
        from attn_jax.lab.comparison import compare

        return compare
    if name == "plan_of":
        from attn_jax.lab.estimate import plan_of

        return plan_of
    if name == "load":
        from attn_jax.lab.loading import load

        return load
    if name in ("TrackedRun", "Tracker"):
        from attn_jax.lab.track import protocol

        return getattr(protocol, name)
    raise AttributeError(f"module 'attn_jax.lab' has no attribute {name!r}")
