"""Nonlinear recurrences parallel over time: Newton's method on the whole sequence, a linear scan an iteration.

A recurrence is a system of equations h_t - f(h_(t-1), x_t) = 0 in all its states at once. Its Jacobian has one block
below the diagonal, so that a Newton step is a linear recurrence, and that is parallel (`linear_scan`). An iteration has
O(log T) sequential steps and T P^3 operations where the scan over time has T steps of P^2: on a CPU this is never the
faster way. How many iterations it takes is what says how sequential the network really is.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.ops.arguments import floats, takes, whole
from attn_jax.ops.closures import Lifted, lift
from attn_jax.ops.placement import vary_with
from attn_jax.ops.recurrence.linear_scan import linear_scan
from attn_jax.types import Array, Params

Jacobian: TypeAlias = Literal["dense", "elementwise", "diagonal"]
Unconverged: TypeAlias = Literal["finish", "nan"]


class NewtonResult(NamedTuple):
    """The states of a recurrence, and how Newton's method came to them."""

    states: Array  # [T, P]
    iterations: Array  # int32 []: how often the linear recurrence was solved
    residual: Array  # []: max over t and P of |h_t - f(h_(t-1), x_t)| at the last iteration
    converged: Array  # bool []: whether the residual reached the tolerance


@takes(initial=floats, max_iterations=whole)
def newton_scan(
    f: Callable[[Any, Array, Any], Array],
    params: Params,
    initial: Array,
    xs: Any,
    *,
    jacobian: Jacobian = "dense",
    tolerance: float = 1e-6,
    max_iterations: int = 32,
    unconverged: Unconverged = "finish",
) -> NewtonResult:
    """All states of h_t = f(params, h_(t-1), x_t) by Newton's method, one linear recurrence an iteration.

    d_t = J_t d_(t-1) + (f(h_(t-1), x_t) - h_t),    h_t <- h_t + d_t,    J_t = df/dh at (h_(t-1), x_t),    from h = 0

    With the exact Jacobian every iteration makes at least one more state from the front exact, so T of them suffice;
    a contracting network needs a handful whatever T, a chaotic one a number that grows with T. The residual bounds
    |h - f(h)|, not the error of the states, which chaos amplifies. A batch is a `vmap`: lanes stop independently.

    Derivatives never pass through the iterations: by the implicit function theorem they are one linear recurrence with
    the exact Jacobian, in forward, reverse and every mixed mode, whatever `jacobian` says.

    Args:
      f: one step of one sequence, (params, h [P], x) -> h [P]. Arrays it captures are differentiated too.
      params: a pytree.
      initial: [P] floating, the state before the first place.
      xs: a pytree of arrays [T, ...]; f sees x_t. Of no length, there are no states.
      jacobian: "dense" is the exact [P, P] matrix of any f; "elementwise" is exact where f acts channel by channel, at
        the price of one derivative (a state of any shape then); "diagonal" keeps the diagonal only of an f that mixes
        channels: cheaper iterations, more of them.
      tolerance: the residual to reach, in units of the state. Float32 states of size s do not get below 1e-7 s.
      max_iterations: after so many it has not converged.
      unconverged: what a sequence that has not converged gets: "finish" computes it step by step (exact; `converged`
        stays False), "nan" gives NaN.

    Returns:
      A `NewtonResult`. Only `states` has a derivative.

    Raises:
      ValueError: an option of another name; an `initial` that is not floating or not [P]; no xs, or of unequal lengths;
        an f that does not return a state like `initial`.

    >>> result = newton_scan(lambda a, h, x: a * h + x, 2.0, jnp.zeros(1), jnp.ones((3, 1)))
    >>> result.states[:, 0].tolist(), int(result.iterations), bool(result.converged)
    ([1.0, 3.0, 7.0], 1, True)

    Reference: Lim et al. 2024, arXiv 2309.12252 (DEER); Gonzalez et al. 2024, arXiv 2407.19115 (diagonal: quasi-DEER);
    Danieli et al. 2025, arXiv 2510.21450 (ParaRNN).
    """
    params, initial, xs = vary_with(jax.tree.map(jnp.asarray, (params, initial, xs)))
    _check(initial, xs, jacobian, max_iterations, unconverged)
    problem = vary_with(_Problem(_lifted(f, params, initial, xs), params, initial, xs))
    fixed = lax.stop_gradient(problem)  # the way to the solution has no derivative; `_solution` gives that of its end
    start = _measure(fixed, jnp.zeros((_length(xs), *initial.shape), initial.dtype), jnp.int32(0))
    last = lax.while_loop(
        lambda at: ~(at.residual <= tolerance) & (at.iterations < max_iterations),
        partial(_improve, fixed, jacobian),
        vary_with(start, fixed),
    )
    converged = last.residual <= tolerance
    if unconverged == "finish":
        states = _finish(fixed, last.states, converged)
    else:
        states = jnp.where(converged, last.states, jnp.nan)
    exact = "elementwise" if jacobian == "elementwise" else "dense"
    return NewtonResult(_solution(exact, problem, states), last.iterations, last.residual, converged)


class _Problem(NamedTuple):
    """What the states depend on; its leaves have derivatives."""

    cell: Lifted
    params: Params
    initial: Array
    xs: Any


class _Iterate(NamedTuple):
    """Where the iteration stands."""

    states: Array  # [T, P]
    defect: Array  # [T, P], f(h_(t-1), x_t) - h_t
    residual: Array
    iterations: Array


def _check(initial: Array, xs: Any, jacobian: str, max_iterations: int, unconverged: str) -> None:
    """Raises where an argument does not fit."""
    for name, got, wanted in (
        ("jacobian", jacobian, get_args(Jacobian)),
        ("unconverged", unconverged, get_args(Unconverged)),
    ):
        if got not in wanted:
            raise ValueError(f"{name}: got {got!r}, wanted one of {', '.join(wanted)}")
    if max_iterations < 1:
        raise ValueError(f"max_iterations: got {max_iterations}, wanted at least 1")
    if not jnp.issubdtype(initial.dtype, jnp.floating):
        raise ValueError(f"initial: got dtype {initial.dtype}, wanted a floating one")
    if initial.ndim != 1 and jacobian != "elementwise":
        raise ValueError(f"initial: got shape {initial.shape}, wanted [P]: a batch is a jax.vmap over newton_scan")
    shapes = [x.shape for x in jax.tree.leaves(xs)]
    if not shapes or len({shape[:1] for shape in shapes}) > 1 or shapes[0] == ():
        raise ValueError(f"xs: got shapes {shapes}, wanted arrays [T, ...] of one T")


def _length(xs: Any) -> int:
    return jax.tree.leaves(xs)[0].shape[0]


def _lifted(f: Callable, params: Params, initial: Array, xs: Any) -> Lifted:
    """f of the leaves of (params, h, x), traced once, with what it captured as leaves of its own."""
    leaves, structure = jax.tree.flatten((params, initial, jax.tree.map(_at_one_place, xs)))
    cell = lift(lambda *leaves: f(*structure.unflatten(leaves)), *leaves)
    avals: list[Any] = [var.aval for var in cell.body.jaxpr.outvars]
    got = [(aval.shape, aval.dtype) for aval in avals]
    if got != [(initial.shape, initial.dtype)]:
        told = ", ".join(f"{dtype}{list(shape)}" for shape, dtype in got)
        raise ValueError(f"f: returns {told}, wanted a state like initial, {initial.dtype}{list(initial.shape)}")
    return cell


def _at_one_place(x: Array) -> Array:
    return x[0] if len(x) else jnp.zeros(x.shape[1:], x.dtype)


def _step(problem: _Problem, h: Array, x: Any) -> Array:
    """f(params, h, x)."""
    return problem.cell(*jax.tree.leaves((problem.params, h, x)))


def _step_twice(problem: _Problem, h: Array, x: Any) -> tuple[Array, Array]:
    """The next state as the carry and the output of a scan."""
    h = _step(problem, h, x)
    return h, h


def _before(initial: Array, states: Array) -> Array:
    """The state that each place goes on from."""
    return jnp.concatenate([initial[None], states])[:-1]


def _next_states(problem: _Problem, states: Array) -> Array:
    """f(h_(t-1), x_t) of all places at once."""
    return jax.vmap(partial(_step, problem))(_before(problem.initial, states), problem.xs)


def _measure(problem: _Problem, states: Array, iterations: Array) -> _Iterate:
    defect = _next_states(problem, states) - states
    return _Iterate(states, defect, jnp.max(jnp.abs(defect), initial=0), iterations)


def _improve(problem: _Problem, jacobian: Jacobian, at: _Iterate) -> _Iterate:
    """One Newton step. What overflowed starts again from zero: the exact states before it are kept."""
    states = at.states + _solve(jacobian, _jacobians(problem, at.states, jacobian), at.defect)
    return _measure(problem, jnp.where(jnp.isfinite(states), states, 0), at.iterations + 1)


def _jacobians(problem: _Problem, states: Array, jacobian: Jacobian) -> Array:
    """df/dh at every place: [T, P, P], or its diagonal [T, P]."""
    before = _before(problem.initial, states)
    if jacobian == "elementwise":
        steps = jax.vmap(partial(_step, problem))
        return jax.jvp(lambda h: steps(h, problem.xs), (before,), (jnp.ones_like(before),))[1]
    matrices = jax.vmap(jax.jacfwd(partial(_step, problem)))(before, problem.xs)
    return matrices if jacobian == "dense" else jnp.diagonal(matrices, axis1=-2, axis2=-1)


def _solve(jacobian: Jacobian, decay: Array, u: Array) -> Array:
    """d_t = J_t d_(t-1) + u_t from d = 0."""
    if jacobian == "dense":
        return lax.associative_scan(_compose, (decay, u))[1]
    return linear_scan(decay, u, form="associative", axis=0)[0]


def _compose(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """Affine maps with a matrix each, second after first."""
    (a, b), (c, d) = first, second
    product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)  # TF32 would cost iterations and the derivative
    return product("tij,tjk->tik", c, a), product("tij,tj->ti", c, b) + d


def _finish(problem: _Problem, states: Array, converged: Array) -> Array:
    """All states step by step, unless they are there already.

    Under `vmap` a `cond` would compute both branches and a loop copies all it carries at every trip, so the loop goes
    by sqrt(T) blocks of sqrt(T) steps, and its bound is 0 where there is nothing to do. The last block may overlap.
    """
    T = states.shape[0]
    if T == 0:
        return states
    size = math.isqrt(T - 1) + 1
    bound = jnp.where(converged, 0, -(-T // size))
    start = vary_with((jnp.int32(0), states))
    return lax.while_loop(lambda carry: carry[0] < bound, partial(_finish_block, problem, size), start)[1]


def _finish_block(problem: _Problem, size: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
    block, states = carry
    start = jnp.minimum(block * size, states.shape[0] - size)
    before = jnp.where(start == 0, problem.initial, states[jnp.maximum(start - 1, 0)])
    xs = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, start, size), problem.xs)
    new = lax.scan(partial(_step_twice, problem), before, xs)[1]
    return block + 1, lax.dynamic_update_slice_in_dim(states, new, start, 0)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _solution(jacobian: Jacobian, problem: _Problem, states: Array) -> Array:
    """`states`, with the derivative that they have as the solution of `problem`."""
    del jacobian, problem
    return states


@_solution.defjvp
def _solution_jvp(jacobian: Jacobian, primals, tangents) -> tuple[Array, Array]:
    """The implicit function theorem: dh_t = J_t dh_(t-1) + df(h_(t-1), x_t) at fixed states."""
    problem, states = primals
    states = _solution(jacobian, problem, states)
    u = jax.jvp(lambda problem: _next_states(problem, states), (problem,), (tangents[0],))[1]
    return states, _solve(jacobian, _jacobians(problem, states, jacobian), u)
