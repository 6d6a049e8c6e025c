"""The optimiser of every comparison: AdamW with clipping and warm-up, its rate an array of the run."""

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import optax

from attn_jax.types import Array, Params

Schedule: TypeAlias = Literal["constant", "cosine"]


def learning_rate_schedule(schedule: Schedule, *, warmup_steps: int, steps: int) -> optax.Schedule:
    """Linear warm-up to 1, then constant, or a half cosine down to 0 at `steps`.

    The peak is 1 because the rate is a leaf of each run's state: the update is multiplied by it.

    >>> s = learning_rate_schedule("constant", warmup_steps=1, steps=10)
    >>> [float(s(i)) for i in (0, 1, 9)]
    [0.5, 1.0, 1.0]
    """
    rise = optax.linear_schedule(1 / (warmup_steps + 1), 1.0, warmup_steps)
    if schedule == "constant":
        after = optax.constant_schedule(1.0)
    else:
        after = optax.cosine_decay_schedule(1.0, max(steps - warmup_steps, 1))
    return optax.join_schedules([rise, after], [warmup_steps])


def make_optimizer(schedule: optax.Schedule, *, weight_decay: float, clip: float) -> optax.GradientTransformation:
    """AdamW without the rate: the caller subtracts rate * update.

    Args:
      schedule: step -> factor of the rate, peak 1.
      weight_decay: decoupled, on matrices and tables; biases ("b", "b_q" ...), gains ("g"), skips ("d") and what sets
        decays and frequencies ("log_a", "nu", "theta" ...) are left alone.
      clip: the largest global norm a gradient keeps.

    Returns:
      An optax transformation whose updates point uphill.

    Reference: Loshchilov & Hutter 2019, arXiv 1711.05101; clipping: Pascanu et al. 2013, arXiv 1211.5063.
    """
    return optax.chain(
        optax.clip_by_global_norm(clip),
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay, mask=_decays),
        optax.scale_by_schedule(schedule),
    )


# What the first word of a leaf's name says it is: biases, gains, skips, and what sets a decay or a frequency. Some have
# two axes, and pulling them to 0 would pull a memory to a length of its own.
_SPARED = frozenset(["b", "g", "d", "log", "imaginary", "nu", "theta"])


def _decays(params: Params) -> Params:
    return jax.tree_util.tree_map_with_path(lambda path, leaf: _rank(path, leaf) >= 2 and not _is_spared(path), params)


def _rank(path: tuple, leaf: Array) -> int:
    """The axes of one layer's leaf: layers that are scanned are stacked along the first."""
    return jnp.ndim(leaf) - any(getattr(step, "key", None) == "stacked" for step in path)


def _is_spared(path: tuple) -> bool:
    """Whether the name tells that a leaf is left alone, b_q or log_a, whatever its rank."""
    return str(getattr(path[-1], "key", "")).split("_")[0] in _SPARED
