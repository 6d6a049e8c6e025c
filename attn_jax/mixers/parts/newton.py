"""A cell over a sequence by Newton's method: what `scan_cell` computes, parallel over time."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from attn_jax.ops.norms import accumulator
from attn_jax.ops.recurrence.cells import scan_cell
from attn_jax.ops.recurrence.newton_scan import NewtonResult, newton_scan
from attn_jax.types import Array, Params, State


def newton_cell(
    step: Callable, params: Params, x: Array, state: State, valid: Array | None = None
) -> tuple[Array, State]:
    """As `scan_cell`, for a cell that says the first leaf of its state; one step, or none, is not solved for.

    >>> def double(params, h, x): return (2 * h + x,) * 2
    >>> newton_cell(double, None, jnp.ones((1, 3, 1)), jnp.zeros((1, 1)))[0].tolist()
    [[[1.0], [3.0], [7.0]]]
    """
    if x.shape[1] < 2:
        return scan_cell(step, params, x, state, valid)
    states, _ = solve_cell(step, params, x, state, valid)
    last = jax.tree.map(lambda leaves, leaf: leaves[:, -1].astype(leaf.dtype), states, state)
    return jax.tree.leaves(states)[0], last


def solve_cell(
    step: Callable, params: Params, x: Array, state: State, valid: Array | None = None
) -> tuple[State, NewtonResult]:
    """All states, leaves [B, T, P], and how they were found: iterations, residual, converged, [B] each.

    The whole state of a sequence, an LSTM's (h, c), is one vector here. Computed in at least float32 whatever x is:
    rounded to bfloat16 a step is a staircase, on which Newton's method stalls.
    """
    wide = accumulator(x.dtype)
    state = jax.tree.map(lambda leaf: leaf.astype(wide), state)
    unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.zeros(leaf.shape[1:], wide), state))[1]
    solve = partial(
        newton_scan,
        partial(_flat_step, step, unravel),
        params,
        tolerance=1e-6 if wide == jnp.float32 else 1e-12,
    )
    result = jax.vmap(solve)(jax.vmap(lambda row: ravel_pytree(row)[0])(state), (x.astype(wide), valid))
    return jax.vmap(jax.vmap(unravel))(result.states), result


def _flat_step(step: Callable, unravel: Callable, params: Params, flat: Array, inputs: tuple) -> Array:
    """One step of one sequence, its state a vector; held where the place is padding."""
    x, valid = inputs
    state = jax.tree.map(lambda leaf: leaf[None], unravel(flat))
    new = ravel_pytree(step(params, state, x[None])[0])[0]
    return new if valid is None else jnp.where(valid, new, flat)
