"""The comparison: a study is planned, trained in blocks, gathered and judged. `compare` is the command, from Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attn_jax.lab.comparison import compare as compare
    from attn_jax.lab.estimate import plan_of as plan_of
    from attn_jax.lab.loading import StudyResults as StudyResults
    from attn_jax.lab.loading import SweepResults as SweepResults
    from attn_jax.lab.loading import load as load
    from attn_jax.lab.taken import StudyEstimate as StudyEstimate
    from attn_jax.lab.taken import SweepEstimate as SweepEstimate
    from attn_jax.lab.track.protocol import TrackedRun as TrackedRun
    from attn_jax.lab.track.protocol import Tracker as Tracker

__all__ = [
    "StudyEstimate",
    "StudyResults",
    "SweepEstimate",
    "SweepResults",
    "TrackedRun",
    "Tracker",
    "compare",
    "load",
    "plan_of",
]


def __getattr__(name: str) -> Any:
    """What trains is not loaded by what only reads."""
    if name == "compare":
        from attn_jax.lab import comparison as home
    elif name == "plan_of":
        from attn_jax.lab import estimate as home
    elif name in ("StudyEstimate", "SweepEstimate"):
        from attn_jax.lab import taken as home
    elif name in ("StudyResults", "SweepResults", "load"):
        from attn_jax.lab import loading as home
    elif name in ("TrackedRun", "Tracker"):
        from attn_jax.lab.track import protocol as home
    else:
        raise AttributeError(f"module 'attn_jax.lab' has no attribute {name!r}")
    return getattr(home, name)
