"""One training step of one run, pure: draw a batch, descend, and freeze the run if it diverged."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import optax

from attn_jax.training.objective import Objective
from attn_jax.training.state import RunState
from attn_jax.training.streams import stream_key
from attn_jax.types import Array, Key, Params

DIVERGED_AT = 10.0  # a loss so many times its start, or one that is not finite, ends a run


@dataclass(frozen=True)
class Setup:
    """What all runs of a model share: static facts of its compiled programs."""

    objective: Objective
    optimizer: optax.GradientTransformation
    batch_size: int
    lengths: tuple[int, ...]  # training draws one a batch, uniformly


def batch_loss(setup: Setup, params: Params, batch: Any, key: Key | None) -> Array:
    """The mean loss of a batch per counted place: nats, or squared error of real answers."""
    return setup.objective.loss(params, batch, padded=len(setup.lengths) > 1, key=key).mean


def train_batch(setup: Setup, seed: Array, step: Array) -> Any:
    """The batch that every model sees at this step of this seed."""
    key_length, key_data = jax.random.split(stream_key("train", seed, step))
    lengths = setup.lengths
    # the draw is left out where there is nothing to choose: it would only cost compile time
    length = lengths[0] if len(lengths) == 1 else jax.random.choice(key_length, jnp.array(lengths))
    return setup.objective.sample(key_data, setup.batch_size, length, max(lengths), split="train")


def train_step(setup: Setup, state: RunState, step: Array) -> tuple[RunState, Array]:
    """The run after one step, and the loss before it; NaN once diverged.

    params <- params - learning_rate * schedule(step) * (adam(clip(gradient)) + weight_decay * params)
    """
    batch = train_batch(setup, state.seed, step)
    key = stream_key("dropout", state.seed, step)
    value, gradient = jax.value_and_grad(batch_loss, argnums=1)(setup, state.params, batch, key)
    update, opt_state = setup.optimizer.update(gradient, state.opt_state, state.params)
    params = jax.tree.map(lambda p, u: p - state.learning_rate * u, state.params, update)
    initial_loss = jnp.where(step == 0, value, state.initial_loss)
    sound = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(gradient)) & (value <= DIVERGED_AT * initial_loss)
    diverged = state.diverged | ~sound
    params, opt_state = jax.tree.map(
        lambda new, old: jnp.where(diverged, old, new), (params, opt_state), (state.params, state.opt_state)
    )
    state = replace(state, params=params, opt_state=opt_state, initial_loss=initial_loss, diverged=diverged)
    return state, jnp.where(diverged, jnp.nan, value)
