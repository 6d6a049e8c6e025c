"""The matrix memory of the mLSTM: linear attention with exponential gates, kept in range by a stabiliser.

The stabiliser m rescales what is held and cancels in what is read. It depends on the gates alone, so that it is found
first, by a scan of one number a head; under it both gates are at most 1, and what remains is gated linear attention.
"""

from typing import TypeAlias

import jax.numpy as jnp
from jax import lax

from attn_jax.ops.arguments import floats, takes, whole
from attn_jax.ops.recurrence.chunks import MatrixForm, check_heads, check_per_head
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.types import Array

MemoryState: TypeAlias = tuple[Array, Array]

_EPS = 1e-6  # the least divisor, where a stabiliser of more than 14 leaves exp(-m) none to speak of


@takes(q=floats, k=floats, v=floats, log_input=floats, log_forget=floats, chunk_size=whole)
def mlstm(
    q: Array,
    k: Array,
    v: Array,
    log_input: Array,
    log_forget: Array,
    *,
    initial: MemoryState | None = None,
    form: MatrixForm | None = None,
    chunk_size: int | None = None,
) -> tuple[Array, MemoryState]:
    """A matrix memory whose writes weigh exp(log_input), read relative to the sum of what was written.

    C_t = f_t C_(t-1) + i_t k_t v_t^T,    n_t = f_t n_(t-1) + i_t k_t,    y_t = C_t^T q_t / max(|n_t . q_t|, 1)

    with i = exp(log_input), f = exp(log_forget), held as C exp(-m) and n exp(-m), which never overflow:
    m_t = max(log_forget_t + m_(t-1), log_input_t). The divisor is then max(|n . q|, exp(-m)), and at least 1e-6.
    Derivatives of y are exact; those of the state returned are at m held, which y does not depend on.

    Args:
      q: [B, T, N, H].
      k: [B, T, N, H], scaled by H^-1/2 in the paper.
      v: [B, T, N, P].
      log_input: [B, T, N], however large; -inf where a place is padding.
      log_forget: [B, T, N], finite, of any sign; 0 where a place is padding.
      initial: (memory [B, N, H, P + 1] whose last column is n, m [B, N]) before the first place; None = 0, both.
      form: "recurrent", "chunked" or "parallel", as of `gated_linear_attention`; None = the fastest.
      chunk_size: C of the chunked form; None = 16.

    Returns:
      (y [B, T, N, P] in v's dtype, the state after the last place, in initial's dtypes; without it float32, or float64
      for float64 inputs).

    Raises:
      ValueError: shapes that do not fit, another form.

    >>> ones, gates = jnp.ones((1, 3, 1, 1)), jnp.zeros((1, 3, 1))
    >>> y, (memory, m) = mlstm(ones, ones, ones * jnp.array([2.0, 4.0, 6.0]).reshape(1, 3, 1, 1), gates, gates)
    >>> y.ravel().tolist(), memory.ravel().tolist(), m.tolist()
    ([2.0, 3.0, 4.0], [12.0, 3.0], [[0.0]])

    Reference: Beck et al. 2024, arXiv 2405.04517, equations 15 to 27.
    """
    dtype = v.dtype
    initial = None if initial is None else (floats("initial", initial[0]), floats("initial", initial[1]))
    q, k, v, memory = check_heads(q, k, v, None if initial is None else initial[0], columns=1)
    log_input, log_forget = check_per_head("log_input", log_input, q), check_per_head("log_forget", log_forget, q)
    m = _initial_stabiliser(initial, q)
    memory = memory if initial is None else initial[0]
    write, log_decay, stabilisers = stabilise(log_input, log_forget, m)
    v = jnp.concatenate([v, jnp.ones_like(v[..., :1])], -1)
    read, memory = gated_linear_attention(
        q, k * write[..., None], v, log_decay, initial=memory, form=form, chunk_size=chunk_size
    )
    last = stabilisers[:, -1] if q.shape[1] else m
    return _normalised(read, stabilisers[..., None]).astype(dtype), (memory, last.astype(m.dtype))


@takes(log_input=floats, log_forget=floats, initial=floats)
def stabilise(log_input: Array, log_forget: Array, initial: Array) -> tuple[Array, Array, Array]:
    """The gates under the stabiliser: what a place writes, the logarithm of what it keeps, and m after it.

    m_t = max(log_forget_t + m_(t-1), log_input_t),    write = exp(log_input - m),    log_decay <= 0

    m is rounded to initial's dtype before it is used, so that a state handed on in fewer bits agrees with its m; no
    derivative passes through it.

    Args:
      log_input: [B, T, N], -inf where nothing is written.
      log_forget: [B, T, N], finite.
      initial: [B, N], m before the first place.

    Returns:
      (write, log_decay, m), [B, T, N] each, in log_input's dtype.

    >>> write, log_decay, m = stabilise(jnp.array([[[0.0], [50.0]]]), jnp.zeros((1, 2, 1)), jnp.zeros((1, 1)))
    >>> write.ravel().tolist(), log_decay.ravel().tolist(), m.ravel().tolist()
    ([1.0, 1.0], [0.0, -50.0], [0.0, 50.0])

    Reference: Beck et al. 2024, arXiv 2405.04517, equations 15 to 17.
    """
    first = initial.astype(log_input.dtype)[:, None]
    inputs = jnp.concatenate([first, log_input], 1), jnp.concatenate([jnp.zeros_like(first), log_forget], 1)
    m = lax.associative_scan(_later, lax.stop_gradient(inputs), axis=1)[0]
    m = m.astype(initial.dtype).astype(log_input.dtype)
    before, m = m[:, :-1], m[:, 1:]
    return jnp.exp(log_input - m), log_forget + before - m, m


def _later(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    """The maps m -> max(m + forget, input) of two spans of places, the other the later one, as one such map."""
    return jnp.maximum(one[0] + other[1], other[0]), one[1] + other[1]


def _initial_stabiliser(initial: MemoryState | None, q: Array) -> Array:
    """m before the first place, [B, N], or a ValueError."""
    wanted = (q.shape[0], q.shape[2])
    if initial is None:
        return jnp.zeros(wanted, q.dtype)
    if initial[1].shape != wanted:
        raise ValueError(f"initial: got m of shape {initial[1].shape}, wanted [B, N] = {wanted}")
    return initial[1]


def _normalised(read: Array, m: Array) -> Array:
    """read / max(|n q|, exp(-m)) with both sides times exp(min(m, 0)), which nothing overflows in."""
    read = read * jnp.exp(jnp.minimum(m, 0))
    return read[..., :-1] / jnp.maximum(jnp.abs(read[..., -1:]), jnp.maximum(jnp.exp(-jnp.maximum(m, 0)), _EPS))
