"""Linear attention that forgets: the state decays before each write, by head or by channel of the keys."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from attn_jax.ops.arguments import floats, takes, whole
from attn_jax.ops.layout import with_rank
from attn_jax.ops.recurrence.chunks import MatrixForm, check_form, check_heads, decays_between, run_chunks, run_places
from attn_jax.ops.recurrence.linear_attention import carry_chunk
from attn_jax.types import Array


@takes(q=floats, k=floats, v=floats, log_decay=floats, initial=floats, chunk_size=whole)
def gated_linear_attention(
    q: Array,
    k: Array,
    v: Array,
    log_decay: Array,
    *,
    initial: Array | None = None,
    form: MatrixForm | None = None,
    chunk_size: int | None = None,
) -> tuple[Array, Array]:
    """Causal linear attention whose state decays, by a number a head or a channel, that may depend on the input.

    S_t = diag(a_t) S_(t-1) + k_t v_t^T,    y_t = S_t^T q_t,    a_t = exp(log_decay_t)

    A decay that is constant makes it retention; log_decay 0, linear attention.

    Args:
      q: [B, T, N, H].
      k: [B, T, N, H]; 0 where a place is padding.
      v: [B, T, N, P].
      log_decay: [B, T, N], or [B, T, N, H] for a decay of each channel of the keys; at most 0, finite, however low;
        0 where a place is padding.
      initial: [B, N, H, P], the state before the first place; None = 0.
      form: "recurrent", place by place; "chunked", matrix products within chunks; "parallel", one [T, T] matrix of
        weights (by channel: log2 T of them); None = the fastest by a measured table. All are equal but for rounding.
      chunk_size: C of the chunked form; None = 16 for decays by head, 8 by channel.

    Returns:
      (y [B, T, N, P] in v's dtype, the state after the last place, in initial's dtype; without it float32, or float64
      for float64 inputs).

    Raises:
      ValueError: shapes that do not fit, another form.

    >>> ones = jnp.ones((1, 3, 1, 2))
    >>> y, state = gated_linear_attention(ones, ones, ones, jnp.full((1, 3, 1), jnp.log(0.5)))
    >>> y[0, :, 0, 0].tolist()
    [2.0, 3.0, 3.5]

    Reference: Yang et al. 2023, arXiv 2312.06635, equations 3 to 7; constant decay: Sun et al. 2023, arXiv 2307.08621,
    equations 5 to 7.
    """
    check_form(form, chunk_size)
    dtypes = v.dtype, None if initial is None else initial.dtype
    q, k, v, state = check_heads(q, k, v, initial)
    log_decay = _by_channel(log_decay, q)
    length, by_head = q.shape[1], log_decay.shape[-1] == 1
    form = fastest(length, by_head) if form is None else form
    inputs = (q, k, v, log_decay)
    if form == "recurrent" or length < 2:
        y, state = run_places(_place, state, inputs)
    else:
        size = length if form == "parallel" else chunk_size or (16 if by_head else 8)
        y, state = run_chunks(_prepare, carry_chunk, state, inputs, size)
    return y.astype(dtypes[0]), state.astype(dtypes[1] or state.dtype)


def fastest(length: int, by_head: bool) -> MatrixForm:
    """The form for T places."""
    return "recurrent" if length < 2 else "parallel" if length <= (32 if by_head else 16) else "chunked"


def _by_channel(log_decay: Array, q: Array) -> Array:
    """log_decay as [B, T, N, H | 1], or a ValueError."""
    if log_decay.shape not in (q.shape, q.shape[:3]):
        raise ValueError(
            f"log_decay: got shape {log_decay.shape}, wanted [B, T, N] = {q.shape[:3]} or [B, T, N, H] = {q.shape}"
        )
    log_decay = log_decay.astype(q.dtype)
    return log_decay if log_decay.ndim == 4 else log_decay[..., None]


def _place(state: Array, inputs: tuple[Array, ...]) -> tuple[Array, Array]:
    """One place: decay, write the key's value, then read with the query."""
    q, k, v, log_decay = inputs
    state = jnp.exp(log_decay)[..., None] * state + k[..., :, None] * v[..., None, :]
    return state, jnp.einsum("bnhp,bnh->bnp", state, q)


def _prepare(chunk: tuple[Array, ...]) -> Any:
    """Of a chunk: decayed queries, what its places read of each other, what is left of their writes, the decay."""
    q, k, v, log_decay = chunk
    if log_decay.shape[-1] == 1:
        weights = jnp.einsum("...ih,...jh->...ij", q, k) * decays_between(log_decay[..., 0])
    else:
        weights = _weights_by_channel(q, k, log_decay)
    since_start = jnp.exp(jnp.cumsum(log_decay, -2))
    later = jnp.concatenate([log_decay[..., 1:, :], jnp.zeros_like(log_decay[..., :1, :])], -2)
    until_end = jnp.exp(lax.cumsum(later, later.ndim - 2, reverse=True))
    writes = jnp.einsum("...ch,...cp->...hp", k * until_end, v)
    return q * since_start, weights @ v, writes, since_start[..., -1, :, None]


def _weights_by_channel(q: Array, k: Array, log_decay: Array) -> Array:
    """sum_h q_ih k_jh exp(sum of log_decay_h[j + 1 .. i]) for j <= i, [..., C, H] -> [..., C, C], by matrix products.

    The decay between two places is split at a place between them, so that both factors are at most 1. The blocks of
    a binary tree say which: j and i part where j lies in the first half of a block and i in the second.
    """
    spans, second, parted = _tree(q.shape[-2])
    second, parted = with_rank(second[..., None], q.ndim + 1), with_rank(parted, q.ndim + 1)
    decays = jnp.exp(jnp.einsum("lct,...th->...lch", spans.astype(q.dtype), log_decay, precision="highest"))
    queries = jnp.where(second, q[..., None, :, :] * decays, 0)
    keys = jnp.where(second, 0, k[..., None, :, :] * decays)
    weights = jnp.sum(jnp.einsum("...ih,...jh->...ij", queries, keys) * parted, -3)
    return weights + with_rank(jnp.eye(q.shape[-2], dtype=q.dtype), q.ndim) * jnp.sum(q * k, -1)[..., None, :]


def _tree(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each level of a binary tree over C places: the places between each and the middle of its block [L, C, C],
    whether each is in the second half [L, C], and which pairs (i, j) part at this level [L, C, C].
    """
    level = np.arange(max(size - 1, 0).bit_length())[:, None, None]
    i, j = np.arange(size)[:, None], np.arange(size)
    block = i >> level
    second = block % 2 == 1
    middle = np.where(second, block, block + 1) << level
    spans = np.where(second, (middle <= j) & (j <= i), (i < j) & (j < middle))
    return spans, second[..., 0], second & (block - 1 == j >> level)
