"""The delta rule: a matrix memory that replaces what it holds at a key, and may forget; several writes a place."""

from typing import Any

import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from attn_jax.ops.arguments import floats, takes, whole
from attn_jax.ops.recurrence.chunks import (
    MatrixForm,
    check_form,
    check_heads,
    check_per_head,
    decays_between,
    lower_triangle,
    run_chunks,
    run_places,
)
from attn_jax.types import Array

_TAKES = takes(q=floats, k=floats, v=floats, beta=floats, log_decay=floats, initial=floats, chunk_size=whole)


@_TAKES
def delta_rule(
    q: Array,
    k: Array,
    v: Array,
    beta: Array,
    *,
    log_decay: Array | None = None,
    initial: Array | None = None,
    form: MatrixForm | None = None,
    chunk_size: int | None = None,
) -> tuple[Array, Array]:
    """A memory that moves what it holds at a key towards a value, one step of gradient descent a place.

    S_t = a_t (I - beta_t k_t k_t^T) S_(t-1) + beta_t k_t v_t^T,    y_t = S_t^T q_t,    a_t = exp(log_decay_t)

    With |k_t| = 1 a beta in [0, 1] goes part of the way to v_t, and one in [0, 2] past it: the transition's eigenvalue
    along k_t is then 1 - beta_t in [-1, 1], which tracks states that flip.

    Args:
      q: [B, T, N, H].
      k: [B, T, N, H], of norm 1, or at most such that beta |k|^2 <= 2: beyond that the memory grows without bound.
      v: [B, T, N, P].
      beta: [B, T, N]; 0 where a place is padding.
      log_decay: [B, T, N], at most 0, finite, however low; 0 where a place is padding. None = 0: nothing is forgotten.
      initial: [B, N, H, P], the state before the first place; None = 0.
      form: "recurrent", place by place; "chunked", a triangular system within chunks; "parallel", one such system of
        [T, T]; None = the fastest by a measured table. All are equal but for rounding.
      chunk_size: C of the chunked form; None = 16.

    Returns:
      (y [B, T, N, P] in v's dtype, the state after the last place, in initial's dtype; without it float32, or float64
      for float64 inputs).

    Raises:
      ValueError: shapes that do not fit, another form.

    >>> k = jnp.ones((1, 2, 1, 1))
    >>> v = jnp.array([4.0, 10.0]).reshape(1, 2, 1, 1)
    >>> delta_rule(k, k, v, jnp.full((1, 2, 1), 0.5))[0].ravel().tolist()
    [2.0, 6.0]

    Reference: Schlag et al. 2021, arXiv 2102.11174, equation 24; chunks: Yang et al. 2024, arXiv 2406.06484, equations
    8 to 11; decay: Yang et al. 2024, arXiv 2412.06464, equation 10; beta to 2: Grazzi et al. 2024, arXiv 2411.12537.
    """
    check_form(form, chunk_size)
    dtypes = v.dtype, None if initial is None else initial.dtype
    q, k, v, state = check_heads(q, k, v, initial)
    beta = check_per_head("beta", beta, q)
    log_decay = None if log_decay is None else check_per_head("log_decay", log_decay, q)
    length = q.shape[1]
    form = fastest(length) if form is None else form
    inputs = (q, k, v, beta, log_decay)
    if form == "recurrent" or length < 2:
        y, state = run_places(_place, state, inputs)
    else:
        y, state = run_chunks(_prepare, _carry, state, inputs, length if form == "parallel" else chunk_size or 16)
    return y.astype(dtypes[0]), state.astype(dtypes[1] or state.dtype)


@_TAKES
def delta_product(
    q: Array,
    k: Array,
    v: Array,
    beta: Array,
    *,
    log_decay: Array | None = None,
    initial: Array | None = None,
    form: MatrixForm | None = None,
    chunk_size: int | None = None,
) -> tuple[Array, Array]:
    """Several writes of the delta rule a place, one after the other; then the place decays no more and is read.

    S_t = (I - beta_tM k_tM k_tM^T) ... (I - beta_t1 k_t1 k_t1^T) a_t S_(t-1) + what is written,    y_t = S_t^T q_t

    Args:
      q: [B, T, N, H].
      k: [B, T, M, N, H], the keys of M writes a place, each as of `delta_rule`.
      v: [B, T, M, N, P].
      beta: [B, T, M, N]; 0 where a place is padding.
      log_decay: [B, T, N], before the first write of a place; 0 where it is padding. None = 0.
      initial, form, chunk_size: as of `delta_rule`; M writes fill M places of a chunk.

    Returns:
      As `delta_rule`.

    Raises:
      ValueError: shapes that do not fit, another form.

    >>> ones = jnp.ones((1, 1, 2, 1, 1))
    >>> delta_product(ones[:, :, 0], ones, ones * 8.0, jnp.full((1, 1, 2, 1), 0.5))[0].ravel().tolist()
    [6.0]

    Reference: Siems et al. 2025, arXiv 2502.10297, equations 4 and 5.
    """
    if k.ndim != 5 or k.shape[:2] != q.shape[:2] or v.shape[:-1] != k.shape[:-1] or beta.shape != k.shape[:-1]:
        raise ValueError(
            f"k: got {k.shape}, v {v.shape} and beta {beta.shape} beside q of {q.shape}, wanted [B, T, M, N, H], "
            "[B, T, M, N, P] and [B, T, M, N]"
        )
    M = k.shape[2]
    if M == 1:
        return delta_rule(
            q,
            *(x[:, :, 0] for x in (k, v, beta)),
            log_decay=log_decay,
            initial=initial,
            form=form,
            chunk_size=chunk_size,
        )
    first = None if log_decay is None else _spread(M, 0, check_per_head("log_decay", log_decay, q))
    y, state = delta_rule(
        _spread(M, M - 1, q),
        *map(_one_after_another, (k, v, beta)),
        log_decay=first,
        initial=initial,
        form=form,
        chunk_size=chunk_size,
    )
    return y[:, M - 1 :: M], state


def _spread(steps: int, at: int, x: Array) -> Array:
    """[B, T, ...] -> [B, T M, ...]: x at step `at` of each place, zeros at the others."""
    x = jnp.pad(x[:, :, None], [(0, 0), (0, 0), (at, steps - 1 - at)] + [(0, 0)] * (x.ndim - 2))
    return _one_after_another(x)


def _one_after_another(x: Array) -> Array:
    """[B, T, M, ...] -> [B, T M, ...]."""
    return x.reshape(x.shape[0], x.shape[1] * x.shape[2], *x.shape[3:])


def fastest(length: int) -> MatrixForm:
    """The form for T places."""
    return "recurrent" if length < 4 else "parallel" if length <= 16 else "chunked"


def _place(state: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
    """One place: decay, replace what is held at the key, then read with the query."""
    q, k, v, beta, log_decay = inputs
    if log_decay is not None:
        state = jnp.exp(log_decay)[..., None, None] * state
    held = jnp.einsum("bnhp,bnh->bnp", state, k)
    state = state + k[..., :, None] * (beta[..., None] * (v - held))[..., None, :]
    return state, jnp.einsum("bnhp,bnh->bnp", state, q)


def _prepare(chunk: tuple[Array, ...]) -> Any:
    """Of a chunk: its writes u = u_0 - w S as functions of the state S before it, and who reads how much of them.

    The write at i is beta_i (v_i - what is held at k_i), and the writes of the chunk before i are held there too:
    (I + A) u = beta (v - decayed k S), A strictly lower triangular, A_ij = beta_i decay_ij (k_i . k_j).
    """
    q, k, v, beta, log_decay = chunk
    size = q.shape[-2]
    beta = beta[..., None]
    system = jnp.where(lower_triangle(size, diagonal=-1), beta * jnp.einsum("...ih,...jh->...ij", k, k), 0)
    weights = jnp.where(lower_triangle(size), jnp.einsum("...ih,...jh->...ij", q, k), 0)
    targets, kept = jnp.concatenate([beta * v, beta * k], -1), k
    decay = None
    if log_decay is not None:
        between = decays_between(log_decay)
        since_start = jnp.exp(jnp.cumsum(log_decay, -1))[..., None]
        system, weights, q = system * between, weights * between, q * since_start
        targets = jnp.concatenate([beta * v, beta * k * since_start], -1)
        kept, decay = k * between[..., -1, :, None], since_start[..., -1:, :]
    solved = solve_triangular(system + jnp.eye(size, dtype=k.dtype), targets, lower=True, unit_diagonal=True)
    writes, reads = jnp.split(solved, [v.shape[-1]], -1)
    return q, kept, weights, writes, reads, decay


def _carry(state: Array, chunk: Any) -> tuple[Array, Array]:
    """The state over a chunk."""
    q, kept, weights, writes, reads, decay = chunk
    u = writes - reads @ state
    y = q @ state + weights @ u
    return (state if decay is None else decay * state) + jnp.einsum("...ch,...cp->...hp", kept, u), y
