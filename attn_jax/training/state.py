"""The state of one run: a seed and a learning rate, and all that changes while it trains."""

from dataclasses import dataclass

import jax.numpy as jnp
import optax

from attn_jax.pytrees import register_pytree
from attn_jax.training.objective import Objective
from attn_jax.training.streams import stream_key
from attn_jax.types import Array, Params


@register_pytree
@dataclass(frozen=True)
class RunState:
    """One run; under `vmap` every leaf gains the run axis R in front."""

    seed: Array  # int32
    learning_rate: Array  # float32
    params: Params
    opt_state: optax.OptState
    initial_loss: Array  # float32, the loss of the first step
    diverged: Array  # bool; from then on params and opt_state stand still


def init_run(
    objective: Objective, optimizer: optax.GradientTransformation, seed: Array, learning_rate: Array
) -> RunState:
    """A run before its first step; its parameters depend on the seed alone."""
    params = objective.init(stream_key("init", seed))
    return RunState(
        seed=seed,
        learning_rate=learning_rate,
        params=params,
        opt_state=optimizer.init(params),
        initial_loss=jnp.array(jnp.inf, jnp.float32),
        diverged=jnp.array(False),
    )
