"""Many runs in one compiled program: `vmap` over runs, `scan` over steps, the runs split over local devices.

On a CPU a few runs go through all steps of a chunk before the next ones do: what they keep stays in the cache.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, PartitionSpec

from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.evaluate import evaluate
from attn_jax.training.objective import Evaluation
from attn_jax.training.state import RunState, init_run
from attn_jax.training.step import train_step, train_step_by_length
from attn_jax.types import Array

Tree = TypeVar("Tree")


def init_runs(plan: BlockPlan, seeds: Array, learning_rates: Array) -> RunState:
    """Runs before their first step, leaves [R, ...]."""
    return jax.vmap(partial(init_run, plan.objective, plan.optimizer))(seeds, learning_rates)


def advance_runs(plan: BlockPlan, state: RunState, start: Array) -> tuple[RunState, Array, Evaluation]:
    """A chunk: `every` steps from `start`, then validation. The mean training loss is [R], tallies are [R, M]."""
    state, loss = train_runs(plan, state, start)
    return state, loss, validation_scores(plan, state)


def train_runs(plan: BlockPlan, state: RunState, start: Array) -> tuple[RunState, Array]:
    """`every` steps from `start`, and the mean training loss [R]."""

    def train(state: RunState) -> tuple[RunState, Array]:
        if plan.short is not None and len(state.seed) == 1:
            step = _alone(partial(train_step_by_length, plan))
        else:
            step = jax.vmap(partial(train_step, plan), in_axes=(0, None))
        state, losses = lax.scan(step, state, start + jnp.arange(plan.every))
        return state, jnp.mean(losses, 0)

    return by_groups(plan.group, train, state)


def _alone(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step of one run, leaves [1, ...], without `vmap`."""

    def stepped(state: RunState, number: Array) -> Any:
        after = step(jax.tree.map(lambda leaf: leaf[0], state), number)
        return jax.tree.map(lambda leaf: leaf[None], after)

    return stepped


def validation_scores(plan: BlockPlan, state: RunState) -> Evaluation:
    """Tallies [R, M] on validation data."""
    return _evaluate_runs(plan, state, plan.validation_lengths, "validation")


def final_scores(plan: BlockPlan, state: RunState) -> Evaluation:
    """Tallies [R, M] on test data."""
    return _evaluate_runs(plan, state, plan.test_lengths, "test")


def _evaluate_runs(plan: BlockPlan, state: RunState, lengths: tuple[int, ...], split) -> Evaluation:
    score = partial(evaluate, plan.objective, lengths=lengths, split=split, batch_size=plan.eval_batch_size)
    return by_groups(plan.group, lambda state: jax.vmap(score)(state.params, state.seed), state)


def by_groups(group: int | None, program: Callable[[Tree], Any], runs: Tree) -> Any:
    """A program over the run axis, so many runs at a time, one group after another; None: all at once.

    >>> by_groups(2, lambda run: run - run.sum(), jnp.arange(4)).tolist()
    [-1, 0, -3, -2]
    """
    number = len(jax.tree.leaves(runs)[0])
    if group is None or group == number:
        return program(runs)
    split = jax.tree.map(lambda leaf: leaf.reshape(number // group, group, *leaf.shape[1:]), runs)
    done = lax.map(program, split)
    return jax.tree.map(lambda leaf: leaf.reshape(number, *leaf.shape[2:]), done)


def over_devices(program: Callable, num_devices: int, num_shared: int = 0) -> Callable:
    """A program over the run axis, split over local devices; its last `num_shared` arguments go to all of them."""
    if num_devices == 1:
        return program
    # explicit axes would refuse arrays that are not yet placed on the mesh
    devices = jax.local_devices()[:num_devices]
    mesh = jax.make_mesh((num_devices,), ("run",), axis_types=(AxisType.Auto,), devices=devices)

    def split(*args):
        runs = len(args) - num_shared
        specs = (PartitionSpec("run"),) * runs + (PartitionSpec(),) * num_shared
        # Unchecked: runs share nothing, so that no device needs to know what the others hold, and a state that begins
        # as plain zeros, in a mixer of the user's too, would be refused beside inputs that differ between devices.
        return jax.shard_map(program, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("run"), check_vma=False)(*args)

    return split
