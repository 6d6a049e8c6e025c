"""Causal linear attention: no softmax, so that all past keys and values fit into one matrix a head."""

from typing import Any

import jax.numpy as jnp

from attn_jax.ops.arguments import flag, floats, takes, whole
from attn_jax.ops.recurrence.chunks import MatrixForm, check_form, check_heads, lower_triangle, run_chunks, run_places
from attn_jax.types import Array

_EPS = 1e-6  # beside the sum of weights, which is 0 before the first key, and where all features are


@takes(q=floats, k=floats, v=floats, initial=floats, normalise=flag, chunk_size=whole)
def linear_attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    initial: Array | None = None,
    normalise: bool = False,
    form: MatrixForm | None = None,
    chunk_size: int | None = None,
) -> tuple[Array, Array]:
    """Causal attention with the weights q . k in place of exp(q . k), in time linear in T.

    S_t = S_(t-1) + k_t v_t^T,    y_t = S_t^T q_t
    normalised: y_t = S_t^T q_t / (z_t . q_t + 1e-6),    z_t = z_(t-1) + k_t

    Args:
      q: [B, T, N, H], features of the queries (feature_maps.py); without a feature map the queries themselves.
      k: [B, T, N, H], features of the keys; 0 where a place is padding.
      v: [B, T, N, P].
      initial: [B, N, H, P], the state before the first place; None = 0. Normalised, [B, N, H, P + 1]: the last column
        is z.
      normalise: divide by the sum of the weights, which non-negative features make an average.
      form: "recurrent", place by place; "chunked", matrix products within chunks; "parallel", one [T, T] matrix of
        weights; None = the fastest by a measured table. All are equal but for rounding.
      chunk_size: C of the chunked form; None = 32.

    Returns:
      (y [B, T, N, P] in v's dtype, the state after the last place, in initial's dtype; without it float32, or float64
      for float64 inputs).

    Raises:
      ValueError: shapes that do not fit, another form.

    >>> ones = jnp.ones((1, 3, 1, 2))
    >>> y, state = linear_attention(ones, ones, ones)
    >>> y[0, :, 0, 0].tolist(), state[0, 0].tolist()
    ([2.0, 4.0, 6.0], [[3.0, 3.0], [3.0, 3.0]])

    Reference: Katharopoulos et al. 2020, arXiv 2006.16236, equations 16 to 20; chunks: Yang et al. 2023, arXiv
    2312.06635, section 2.2.
    """
    check_form(form, chunk_size)
    dtypes = v.dtype, None if initial is None else initial.dtype
    q, k, v, state = check_heads(q, k, v, initial, columns=int(normalise))
    if normalise:
        v = jnp.concatenate([v, jnp.ones_like(v[..., :1])], -1)
    length = q.shape[1]
    form = fastest(length) if form is None else form
    if form == "recurrent" or length < 2:
        y, state = run_places(_place, state, (q, k, v))
    else:
        y, state = run_chunks(
            _prepare, carry_chunk, state, (q, k, v), length if form == "parallel" else chunk_size or 32
        )
    if normalise:
        y = y[..., :-1] / (y[..., -1:] + _EPS)
    return y.astype(dtypes[0]), state.astype(dtypes[1] or state.dtype)


# Forward + backward on one AVX-512 core, jax 0.10.2, 2026-11-28: the parallel form takes .55-.79 of the chunked one's
# time at T = 48, .67-.90 at 64, .77-1.49 at 96, .99-2.2 at 128 (batches of 1, 16 and 32; heads of 32, 32 and 8).
_PARALLEL = 64  # places


def fastest(length: int) -> MatrixForm:
    """The form for T places."""
    return "recurrent" if length < 2 else "parallel" if length <= _PARALLEL else "chunked"


def _place(state: Array, inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """One place: write the key's value, then read with the query."""
    q, k, v = inputs
    state = state + k[..., :, None] * v[..., None, :]
    return state, jnp.einsum("bnhp,bnh->bnp", state, q)


def _prepare(chunk: tuple[Array, Array, Array]) -> tuple[Array, Array, Array, None]:
    """Of a chunk: the queries, what its places read of each other, what they write, and no decay."""
    q, k, v = chunk
    weights = jnp.where(lower_triangle(q.shape[-2]), jnp.einsum("...ih,...jh->...ij", q, k), 0)
    return q, weights @ v, jnp.einsum("...ch,...cp->...hp", k, v), None


def carry_chunk(state: Array, chunk: Any) -> tuple[Array, Array]:
    """The state over a chunk, (queries [.., C, H], own reads [.., C, P], writes [.., H, P], decay [.., H | 1, 1])."""
    q, own, writes, decay = chunk
    y = own + jnp.einsum("...ch,...hp->...cp", q, state)
    return (state if decay is None else decay * state) + writes, y
