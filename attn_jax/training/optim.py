"""The optimiser of every comparison, AdamW or SGD, with clipping and warm-up, its rate an array of the run."""

import operator
from functools import partial
from typing import Literal, TypeAlias

import jax
import optax

from attn_jax.layers.decay import SparedFn
from attn_jax.types import Params

Schedule: TypeAlias = Literal["constant", "cosine"]
Optimizer: TypeAlias = Literal["adamw", "sgd"]


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


def make_optimizer(
    schedule: optax.Schedule,
    *,
    optimizer: Optimizer = "adamw",
    momentum: float = 0.0,
    weight_decay: float,
    clip: float,
    spared: SparedFn,
) -> optax.GradientTransformation:
    """AdamW, or SGD with decoupled decay, without the rate: the caller subtracts rate * update.

    Args:
      schedule: step -> factor of the rate, peak 1.
      optimizer: "adamw"; or "sgd", whose step is the clipped gradient g, or m <- momentum m + g where there is any.
      momentum: of "sgd".
      weight_decay: decoupled, on all that is not spared.
      spared: what it leaves alone, the model's own word: params -> a tree of bools.
      clip: the largest global norm a gradient keeps.

    Returns:
      An optax transformation whose updates point uphill.

    Reference: Loshchilov & Hutter 2019, arXiv 1711.05101, algorithms 1 and 2; clipping: Pascanu et al. 2013, arXiv
    1211.5063.
    """
    sgd = optax.trace(momentum) if momentum else optax.identity()
    return optax.chain(
        optax.clip_by_global_norm(clip),
        optax.scale_by_adam() if optimizer == "adamw" else sgd,
        optax.add_decayed_weights(weight_decay, mask=partial(_decayed, spared)),
        optax.scale_by_schedule(schedule),
    )


def _decayed(spared: SparedFn, params: Params) -> Params:
    return jax.tree.map(operator.not_, spared(params))
