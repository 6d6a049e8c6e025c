"""Training watched step by step: the gradient before anything is done to it, the update, and the loss.

A study's probes look at its evaluations; what blows up does so in one step. Here a study's own step is taken, and each
is looked at.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from attn_jax.config import Study
from attn_jax.lab.plan.starts import started
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.compiling import compiled
from attn_jax.training.state import RunState, init_run
from attn_jax.training.step import batch_loss, train_batch, train_step
from attn_jax.types import Array


class Watched(NamedTuple):
    """Of runs of one start and rate, by seed and step; NaN from where a run has diverged."""

    start: str
    learning_rate: float
    loss: np.ndarray  # [S, T] before the step
    gradient: np.ndarray  # [S, T] its norm, before it is clipped
    update: np.ndarray  # [S, T] the norm of the parameters' change
    diverged: np.ndarray  # [S] bool


def watched(study: Study, model: str, seeds: Sequence[int]) -> list[Watched]:
    """Trains a model of a study from each of its starts with each rate, in one program, and looks at every step.

    Diverged is what the lab calls so: a loss that is no finite number or ten times its start.

    Args:
      study: gives the task, the starts, how is trained, and the rates; its own seeds are not asked.
      model: which of its models.
      seeds: the runs' own.

    Returns:
      One entry a start and rate, in their order; of a study without starts the start is "".
    """
    plan = StudyPlan(replace(study, probes=()))
    block, steps = plan.block_plan(model), study.train.steps
    cells = [(start, rate) for start in study.starts or {"": {}} for rate in study.train.learning_rates]
    runs = [_begun(started(plan, start).block_plan(model), rate, seeds) for start, rate in cells]
    state = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *runs)
    program = jax.vmap(partial(_run, block, steps))
    found = [np.asarray(x).reshape(len(cells), len(seeds), *x.shape[1:]) for x in compiled(program, state)(state)]
    return [Watched(start, rate, *(x[i] for x in found)) for i, (start, rate) in enumerate(cells)]


def _begun(block: BlockPlan, rate: float, seeds: Sequence[int]) -> RunState:
    """One run a seed, before its first step."""
    init = jax.vmap(lambda seed: init_run(block.objective, block.optimizer, seed, jnp.float32(rate)))
    numbers = jnp.asarray(seeds, jnp.int32)
    return compiled(init, numbers, quickly=True)(numbers)


def _run(block: BlockPlan, steps: int, state: RunState) -> tuple[Array, Array, Array, Array]:
    """(loss, gradient, update) [T] each of one run, and whether it diverged."""

    def step(state: RunState, index: Array) -> tuple[RunState, tuple[Array, Array, Array]]:
        batch = train_batch(block, state.seed, index)
        gradient = jax.grad(batch_loss, argnums=1)(block, state.params, batch, None)
        after, loss = train_step(block, state, index)
        moved = jax.tree.map(jnp.subtract, after.params, state.params)
        gone = after.diverged
        return after, (
            loss,
            jnp.where(gone, jnp.nan, optax.tree.norm(gradient)),
            jnp.where(gone, jnp.nan, optax.tree.norm(moved)),
        )

    last, seen = jax.lax.scan(step, state, jnp.arange(steps))
    return *seen, last.diverged


def watched_rows(entries: Sequence[Watched], seeds: Sequence[int], **said: Any) -> list[dict[str, Any]]:
    """A row an entry and seed: whether it diverged, its first and last loss, its first and largest gradient and update.

    A diverged run's largest gradient and update are those before it did; its last loss is the first one's tenfold, at
    which it was stopped.
    """
    rows = []
    for one in entries:
        for place, seed in enumerate(seeds):
            loss, gradient, update = (x[place] for x in (one.loss, one.gradient, one.update))
            row = {"start": one.start, "learning rate": one.learning_rate, "seed": seed}
            rows.append(
                said
                | row
                | {
                    "diverged": bool(one.diverged[place]),
                    "first loss": float(loss[0]),
                    "last loss": float(loss[-10:].mean() if not one.diverged[place] else 10 * loss[0]),
                    "first gradient": float(gradient[0]),
                    "largest gradient": _largest(gradient),
                    "largest update": _largest(update),
                }
            )
    return rows


def _largest(norms: np.ndarray) -> float:
    """The largest of those that are numbers; 0 where none is."""
    return float(np.max(norms, where=np.isfinite(norms), initial=0.0))
