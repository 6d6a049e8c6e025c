"""How a recurrence on matrices S [B, N, H, P] runs over a sequence: place by place, in chunks, or as one chunk.

A chunk of C places is products of matrices: `prepare` turns its arrays [..., C, ...] into what `step` needs to carry
the state over it. Linear attention, gated linear attention and the delta rule differ in these two functions only.
Where a chunk is filled up, zeros follow the last place: key 0, beta 0 and log decay 0 hold the state.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.ops.placement import on_cpu, vary_with
from attn_jax.types import Array

MatrixForm: TypeAlias = Literal["recurrent", "chunked", "parallel"]
MATRIX_FORMS = get_args(MatrixForm)

_LAYOUT = "did you pass [B, N, T, H]? wanted q, k [B, T, N, H], v [B, T, N, P]"


def check_heads(q: Array, k: Array, v: Array, initial: Array | None, columns: int = 0) -> tuple[Array, ...]:
    """q, k, v and the state before the first place, all in one accumulator's dtype, or a ValueError.

    `columns` is how many columns the state has beside those of v.
    """
    for name, x in {"q": q, "k": k, "v": v}.items():
        if x.ndim != 4 or x.shape[:3] != q.shape[:3]:
            raise ValueError(f"{name}: got shape {x.shape} beside q of {q.shape}; {_LAYOUT}")
    if k.shape != q.shape:
        raise ValueError(f"k: got shape {k.shape}, wanted q's {q.shape}; {_LAYOUT}")
    wide = jnp.result_type(jnp.float32, q, k, v)
    B, _, N, H = q.shape
    shape = (B, N, H, v.shape[-1] + columns)
    if initial is None:
        initial = jnp.zeros(shape, wide)
    elif initial.shape != shape:
        raise ValueError(f"initial: got shape {initial.shape}, wanted [B, N, H, P] = {shape}")
    return *(x.astype(wide) for x in (q, k, v)), initial.astype(wide)


def check_per_head(name: str, x: Array, q: Array) -> Array:
    """x [B, T, N] in q's dtype, or a ValueError."""
    if x.shape != q.shape[:3]:
        raise ValueError(f"{name}: got shape {x.shape}, wanted [B, T, N] = {q.shape[:3]}")
    return x.astype(q.dtype)


def check_form(form: str | None, chunk_size: int | None) -> None:
    """A ValueError for a form that is none, or a chunk of no places."""
    if form is not None and form not in MATRIX_FORMS:
        raise ValueError(f"form: got {form!r}, wanted None or one of {list(MATRIX_FORMS)}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size: got {chunk_size}, wanted at least 1")


def run_places(step: Callable[..., tuple[Array, Array]], state: Array, xs: Any) -> tuple[Array, Array]:
    """(y [B, T, N, P], last state) of a step (state, arrays [B, N, ...]) -> (state, y), one place after the other."""
    state, y = lax.scan(step, vary_with(state, xs), jax.tree.map(_time_major, xs))
    return _time_major(y), state


def run_chunks(
    prepare: Callable[..., Any], step: Callable[..., tuple[Array, Array]], state: Array, xs: Any, chunk_size: int
) -> tuple[Array, Array]:
    """As `run_places`, where `step` takes what `prepare` made of C places at once, arrays [..., N, C, ...].

    On a CPU a chunk is prepared when its turn comes, while the cache is warm, and again going backward: kept, its
    arrays are page faults. An accelerator prepares all chunks at once, and only the state goes from one to the next.
    """
    length = jax.tree.leaves(xs)[0].shape[1]
    num_chunks = -(-length // chunk_size)
    chunks, state = jax.tree.map(partial(_split, num_chunks, -(-length // num_chunks)), xs), vary_with(state, xs)
    if on_cpu():
        body = jax.checkpoint(partial(_prepare_and_step, prepare, step), prevent_cse=False)
        state, y = lax.scan(body, state, chunks)
    else:
        state, y = lax.scan(step, state, prepare(chunks))
    y = jnp.moveaxis(y, (0, 3), (1, 2))  # [n, B, N, C, P] -> [B, n, C, N, P]
    return y.reshape(y.shape[0], y.shape[1] * y.shape[2], *y.shape[3:])[:, :length], state


def _prepare_and_step(prepare: Callable[..., Any], step: Callable, state: Array, chunk: Any) -> tuple[Array, Array]:
    return step(state, prepare(chunk))


def _time_major(x: Array) -> Array:
    return jnp.swapaxes(x, 0, 1)


def _split(num_chunks: int, chunk_size: int, x: Array) -> Array:
    """[B, T, N, ...] -> [n, B, N, C, ...], zeros after the last place."""
    missing = num_chunks * chunk_size - x.shape[1]
    x = jnp.pad(x, [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2))
    return jnp.moveaxis(x.reshape(x.shape[0], num_chunks, chunk_size, *x.shape[2:]), (1, 3), (0, 2))


def lower_triangle(size: int, *, diagonal: int = 0) -> Array:
    """[C, C] bool: True where column j <= row i + diagonal."""
    return jnp.tri(size, k=diagonal, dtype=bool)


def decays_between(log_decay: Array) -> Array:
    """How much of what place j wrote is left at place i: exp(sum of log_decay[j + 1 .. i]), 0 where j > i.

    Summed over each pair's own places. The difference of two sums from the chunk's start would lose digits where a
    decay nearby is strong, and the quotient of two products would overflow.

    Args:
      log_decay: [..., C], at most 0, finite.

    Returns:
      [..., C, C], within [0, 1].

    >>> decays_between(jnp.log(jnp.array([0.5, 0.25]))).tolist()
    [[1.0, 0.0], [0.25, 1.0]]
    """
    size = log_decay.shape[-1]
    sums = jnp.cumsum(jnp.where(lower_triangle(size, diagonal=-1), log_decay[..., :, None], 0), -2)
    return jnp.exp(jnp.where(lower_triangle(size), sums, -jnp.inf))
