"""Which path computes a call: the one that was asked for, or the one that is fastest of those that mean the same."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp

from attn_jax.ops.attention import blockwise, cudnn, dense
from attn_jax.ops.attention.dense_tiles import short_attention
from attn_jax.ops.attention.inputs import Inputs
from attn_jax.ops.attention.sinks import Result
from attn_jax.ops.attention.user_functions import captures_traced
from attn_jax.ops.elsewhere import by_platform
from attn_jax.ops.placement import on_cpu, platform

_SHORT = 112 * 112  # T x S up to which dense attention is faster
_FEW = 16  # queries, or keys, for which all scores are linear in length anyway
# Of an accelerator, none of which was at hand: so many scores of all heads and rows, a quarter of a GB of float32, are
# held at once sooner than looped over, a kernel's start a step.
_HELD = 1 << 26


class AttentionPath(NamedTuple):
    """One way to compute attention."""

    run: Callable[[Inputs], Result]
    why_not: Callable[[Inputs], str | None]  # the argument that this path cannot do, what it got and wanted; None: runs
    backend: str | None = None  # the only one it runs on, as `placement.platform()` names it


def _cudnn(x: Inputs) -> Result:
    """cuDNN's kernel: NaN is where the kernel leaves it."""
    out, lse = cudnn.cudnn_attention(x)
    return Result(out, lse, jnp.zeros_like(lse))


def _splash(x: Inputs) -> Result:
    """The splash kernel, likewise; imported where it is asked for: Pallas takes a quarter of a second."""
    from attn_jax.ops.attention.splash import splash_attention

    out, lse = splash_attention(x)
    return Result(out, lse, jnp.zeros_like(lse))


def _splash_why_not(x: Inputs) -> str | None:
    """As `_splash`."""
    from attn_jax.ops.attention.splash import why_not

    return why_not(x)


# A new path is one row here.
PATHS = {
    "dense": AttentionPath(short_attention, dense.why_not),
    "blockwise": AttentionPath(blockwise.blockwise_attention, blockwise.why_not),
    "cudnn": AttentionPath(_cudnn, cudnn.why_not, "gpu"),
    "splash": AttentionPath(_splash, _splash_why_not, "tpu"),
}
IMPLEMENTATIONS = (*PATHS, "xla")  # what `implementation` may name


def run_chosen(x: Inputs, implementation: str | Sequence[str] | None) -> Result:
    """What the chosen path gives: one of ours as it suits the platform that the program is lowered for.

    There None and "xla" choose anew. A function that captured an array that is being traced is called here alone: its
    program is the same everywhere.
    """
    path, free = choose(x, implementation), implementation in (None, "xla")
    if path.backend is not None or captures_traced(x.mask, x.score_mod):
        return path.run(x)
    return by_platform(lambda x: (choose(x, implementation) if free else path).run(x), x)


def choose(x: Inputs, implementation: str | Sequence[str] | None) -> AttentionPath:
    """The path asked for, the first of several that can, or a ValueError that says what hinders each.

    One name alone is not held against this machine's backend: it may be lowered for another, and raises there if not.
    """
    if implementation is None:
        return PATHS[fastest(x)]
    given = implementation if isinstance(implementation, (tuple, list)) else (implementation,)
    if not given or not all(isinstance(name, str) and name in IMPLEMENTATIONS for name in given):
        raise ValueError(
            f"implementation: got {implementation!r}, wanted None, or one or more of {list(IMPLEMENTATIONS)}"
        )
    names = [_path(x, str(name)) for name in given]
    reasons = {name: PATHS[name].why_not(x) if len(names) == 1 else hindrance(x, name) for name in names}
    for name, reason in reasons.items():
        if reason is None:
            return PATHS[name]
    why = "; ".join(reason if len(names) == 1 else f"{name}: {reason}" for name, reason in reasons.items() if reason)
    got = f"implementation: got {implementation!r}"
    raise ValueError(why if why.startswith(got) else f"{got}; {why}")


def _path(x: Inputs, name: str) -> str:
    """The path that a name stands for: "xla", `jax.nn`'s name for no kernel, is the faster of those in XLA."""
    return fastest(x) if name == "xla" else name


def hindrance(x: Inputs, name: str) -> str | None:
    """Why a path cannot run here; None where it can."""
    backend = PATHS[name].backend
    if backend not in (None, platform()):
        return f"implementation: got {name!r} on {platform()!r}, wanted the backend {backend!r}"
    return PATHS[name].why_not(x)


def fastest(x: Inputs) -> str:
    """ "dense" or "blockwise": on a CPU by thresholds measured on one AVX-512 core (scripts/bench_attention.py)."""
    if blockwise.why_not(x) is not None:
        return "dense"
    if x.block_sizes is not None:
        return "blockwise"
    T, S = x.lengths
    held = x.heads * T * S * x.batch_size
    few = T * S <= _SHORT if on_cpu() else isinstance(held, int) and held <= _HELD  # else a symbolic batch
    return "dense" if few or min(T, S) <= _FEW else "blockwise"


def why_not_chosen(x: Inputs, name: str, implementation: str | Sequence[str] | None) -> str:
    """Why a path that does not run does not: it cannot, was not asked for, or another is faster."""
    reason = hindrance(x, name)
    if reason is not None:
        return reason
    if implementation not in (None, "xla"):
        return "another of `implementation` comes first" if name in implementation else "`implementation` leaves it out"
    if name in ("dense", "blockwise"):
        return f"slower for (T, S) = {x.lengths}"
    return "runs only where `implementation` names it"
