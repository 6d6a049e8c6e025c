"""One training step of one run, pure: draw a batch, descend, and freeze the run if it diverged."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from attn_jax.mixers.base import Places, cut
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.examples import example_indices
from attn_jax.training.state import RunState
from attn_jax.training.streams import stream_key
from attn_jax.types import Array, Key, Params

DIVERGED_AT = 10.0  # a loss so many times its start, or one that is not finite, ends a run


def batch_loss(plan: BlockPlan, params: Params, batch: Any, key: Key | None) -> Array:
    """The mean loss of a batch per counted place: nats, or squared error of real answers."""
    return plan.objective.loss(params, batch, padded=len(plan.train_lengths) > 1, key=key).mean


def train_batch(plan: BlockPlan, seed: Array, step: Array) -> Any:
    """The batch that every model sees at this step of this seed."""
    key_length, key_data = jax.random.split(stream_key("train", seed, step))
    lengths = plan.train_lengths
    # the draw is left out where there is nothing to choose: it would only cost compile time
    length = lengths[0] if len(lengths) == 1 else jax.random.choice(key_length, jnp.array(lengths))
    if plan.num_examples is None:
        return plan.objective.sample(key_data, plan.train_batch_size, length, max(lengths), split="train")
    indices = example_indices(seed, step, plan.train_batch_size, plan.num_examples)
    return jax.vmap(partial(_example, plan, seed, length))(indices)


def _example(plan: BlockPlan, seed: Array, length: int | Array, index: Array) -> Any:
    """One of a seed's finite set of sequences of a length: a batch of one, drawn with a key of its own."""
    _, key = jax.random.split(stream_key("train", seed, index))
    batch = plan.objective.sample(key, 1, length, max(plan.train_lengths), split="train")
    return jax.tree.map(lambda leaf: leaf[0], batch)


def train_step(plan: BlockPlan, state: RunState, step: Array) -> tuple[RunState, Array]:
    """The run after one step, and the loss before it; NaN once diverged.

    params <- params - learning_rate * schedule(step) * (optimizer(clip(gradient)) + weight_decay * params)
    """
    return _descend(plan, state, step, *_slope(plan, state, step, train_batch(plan, state.seed, step)))


def train_step_by_length(plan: BlockPlan, state: RunState, step: Array) -> tuple[RunState, Array]:
    """`train_step` that leaves out the places after `plan.short` where all rows end before.

    For one run alone: under `vmap` both sides of the choice are computed.
    """
    assert plan.short is not None  # `train_runs` asked
    batch, short = train_batch(plan, state.seed, step), Places(0, plan.short)
    fits = jnp.max(jnp.sum(batch.valid, 1)) <= plan.short
    slope = partial(_slope, plan, state, step)
    return _descend(plan, state, step, *lax.cond(fits, lambda: slope(cut(batch, short)), lambda: slope(batch)))


def _slope(plan: BlockPlan, state: RunState, step: Array, batch: Any) -> tuple[Array, Params]:
    """The loss and its gradient."""
    key = stream_key("dropout", state.seed, step)
    return jax.value_and_grad(batch_loss, argnums=1)(plan, state.params, batch, key)


def _descend(plan: BlockPlan, state: RunState, step: Array, value: Array, gradient: Params) -> tuple[RunState, Array]:
    update, opt_state = plan.optimizer.update(gradient, state.opt_state, state.params)
    params = jax.tree.map(lambda p, u: p - state.learning_rate * u, state.params, update)
    initial_loss = jnp.where(step == 0, value, state.initial_loss)
    sound = jnp.isfinite(value) & jnp.isfinite(optax.tree.norm(gradient)) & (value <= DIVERGED_AT * initial_loss)
    diverged = state.diverged | ~sound
    params, opt_state = jax.tree.map(
        lambda new, old: jnp.where(diverged, old, new), (params, opt_state), (state.params, state.opt_state)
    )
    state = replace(state, params=params, opt_state=opt_state, initial_loss=initial_loss, diverged=diverged)
    return state, jnp.where(diverged, jnp.nan, value)
