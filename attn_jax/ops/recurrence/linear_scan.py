"""The elementwise linear recurrence h_t = a_t h_(t-1) + b_t in three forms, one derivative rule, one entry that picks.

    sequential    T steps                 a scan; nothing is computed twice
    associative   O(log T) steps          Blelloch's scan over pairs (a, b)
    chunked       2 sqrt(T) steps         all chunks at once, then from chunk to chunk

The derivative of a linear recurrence is a linear recurrence with the same a; JAX transposes that one scan into the
scan from the end. Which form is fastest depends on the platform: the table below is measured by scripts/bench_scans.py.
"""

import math
from functools import partial
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, takes, whole
from attn_jax.ops.norms import accumulator
from attn_jax.ops.placement import vary_with
from attn_jax.types import Array

ScanForm: TypeAlias = Literal["sequential", "associative", "chunked"]
SCAN_FORMS = get_args(ScanForm)


@takes(a=array, b=array, initial=array, axis=whole)
def linear_scan(
    a: ArrayLike, b: ArrayLike, initial: ArrayLike | None = None, *, form: ScanForm | None = None, axis: int = 1
) -> tuple[Array, Array]:
    """Runs the elementwise linear recurrence along one axis.

    h_t = a_t h_(t-1) + b_t,    h_0 = a_0 initial + b_0

    Where a place is padding, a = 1 and b = 0 hold the state. Every mode of differentiation works.

    Args:
      a: the decay, real or complex; broadcasts against b. One that is the same at all times has size 1 on the time axis
        (or lacks it), and one that is the same for parts of a state (a matrix, say) size 1 there: it stays small.
      b: [B, T, ...], what is added, real or complex. Time is on `axis`.
      initial: [B, ...], the state before the first place; None = zero.
      form: None picks the fastest on `jax.default_backend()` for a real or complex state.
      axis: the axis of time.

    Returns:
      (h [B, T, ...], the state after the last place [B, ...]). Sums are at least float32; h has the common dtype of a
      and b, the state that of `initial`, or without one that of the sums.

    Raises:
      ValueError: a form of another name; a dtype that is neither floating nor complex; shapes that do not fit; a real
        `initial` for a complex recurrence.

    >>> h, last = linear_scan(jnp.full((1, 3), 2.0), jnp.ones((1, 3)))
    >>> h.tolist(), last.tolist()
    ([[1.0, 3.0, 7.0]], [7.0])
    >>> linear_scan(jnp.array(2.0), jnp.ones((1, 3)), jnp.ones(1), form="chunked")[0].tolist()
    [[3.0, 7.0, 15.0]]

    Reference: Blelloch 1990, Prefix Sums and Their Applications, section 1.4; Martin & Cundy 2018, arXiv 1709.04057.
    """
    a, b, initial = jnp.asarray(a), jnp.asarray(b), None if initial is None else jnp.asarray(initial)
    _check(a, b, initial, form, axis)
    narrow = jnp.promote_types(a.dtype, b.dtype)
    wide = accumulator(narrow)
    a = jnp.moveaxis(a.reshape((1,) * (b.ndim - a.ndim) + a.shape), axis, 0).astype(wide)
    b = jnp.moveaxis(b, axis, 0).astype(wide)
    start = jnp.zeros(b.shape[1:], wide) if initial is None else initial.astype(wide)
    chosen = fastest_form(wide) if form is None else form
    h = _recurrence(chosen, a, b, vary_with(start, a, b)) if b.shape[0] else b
    last = h[-1] if b.shape[0] else start
    return jnp.moveaxis(h, 0, axis).astype(narrow), last if initial is None else last.astype(initial.dtype)


# Measured 2026-11-23 by scripts/bench_scans.py: jax 0.10.2, one pinned core of an AMD EPYC (AVX-512), [16, T, 64], CPU
# time, milliseconds forward and forward + backward, and the other forms' ratios to the sequential one.
#
#               T    sequential ms    associative    chunked
#     real      64     .11     .22    1.6    2.2     2.1   2.5
#     real     512    1.64    1.93    1.8    2.6     2.2   3.7
#     real    4096    32.2    40.3    2.5    3.2     2.0   2.1
#     complex   64     .20     .35    2.0    2.4     2.0   1.9
#     complex  512    3.12    5.12    3.0    3.5     5.5   2.4
#     complex 4096    59.4   107.3    2.9    4.1     2.5   1.4
_FASTEST: dict[tuple[str, str], ScanForm] = {("cpu", "real"): "sequential", ("cpu", "complex"): "sequential"}
_UNMEASURED: ScanForm = "associative"  # an accelerator, none of which was at hand: T small kernels cost more than log T


def fastest_form(dtype, backend: str | None = None) -> ScanForm:
    """The form that `linear_scan` picks for a state of `dtype`.

    Args:
      dtype: of the state; real and complex are measured apart.
      backend: as `jax.default_backend()` names it, which is what None stands for.

    Returns:
      "sequential", "associative" or "chunked".

    >>> fastest_form(jnp.float32, "cpu")
    'sequential'
    """
    kind = "complex" if jnp.issubdtype(dtype, jnp.complexfloating) else "real"
    return _FASTEST.get((backend or jax.default_backend(), kind), _UNMEASURED)


def _check(a: Array, b: Array, initial: Array | None, form: str | None, axis: int) -> None:
    """Raises where an argument does not fit."""
    if form is not None and form not in SCAN_FORMS:
        raise ValueError(f"form: got {form!r}, wanted None or one of {', '.join(SCAN_FORMS)}")
    for name, x in (("a", a), ("b", b)):
        if not jnp.issubdtype(x.dtype, jnp.inexact):
            raise ValueError(f"{name}: got dtype {x.dtype}, wanted a floating or complex one")
    if not -b.ndim <= axis < b.ndim:
        raise ValueError(f"axis: got {axis} for b of shape {b.shape}, wanted an axis of it: is b [B, T, ...]?")
    fits = a.ndim <= b.ndim and all(n in (1, m) for n, m in zip(a.shape[::-1], b.shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"a: got shape {a.shape}, wanted one that broadcasts to that of b, {b.shape}")
    if initial is None:
        return
    axis %= b.ndim
    state = b.shape[:axis] + b.shape[axis + 1 :]
    if initial.shape != state:
        raise ValueError(f"initial: got shape {initial.shape}, wanted that of b without time, {state}")
    wanted = jnp.promote_types(a.dtype, b.dtype)
    is_complex = jnp.issubdtype(wanted, jnp.complexfloating)
    if is_complex and not jnp.issubdtype(initial.dtype, jnp.complexfloating):
        raise ValueError(f"initial: got dtype {initial.dtype}, wanted {wanted}: a or b is complex")


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _recurrence(form: ScanForm, a: Array, b: Array, initial: Array) -> Array:
    """The states [T, ...] of a [T or 1, ...], b [T, ...] and an initial state [...]."""
    return _FORMS[form](a, b, initial)


@_recurrence.defjvp
def _recurrence_jvp(form: ScanForm, primals, tangents) -> tuple[Array, Array]:
    """dh_t = a_t dh_(t-1) + (da_t h_(t-1) + db_t)."""
    a, b, initial = primals
    a_dot, b_dot, initial_dot = tangents
    h = _recurrence(form, a, b, initial)
    before = jnp.concatenate([initial[None], h[:-1]])
    return h, _recurrence(form, a, a_dot * before + b_dot, initial_dot)


def _sequential(a: Array, b: Array, initial: Array) -> Array:
    """One scan over T steps."""
    if a.shape[0] == 1:
        return lax.scan(partial(_step_with, a[0]), initial, b)[1]
    return lax.scan(_step, initial, (a, b))[1]


def _step(h: Array, inputs: tuple[Array, Array]) -> tuple[Array, Array]:
    a, b = inputs
    return _step_with(a, h, b)


def _step_with(a: Array, h: Array, b: Array) -> tuple[Array, Array]:
    h = a * h + b
    return h, h


def _associative(a: Array, b: Array, initial: Array) -> Array:
    """A scan over pairs (a, b), which compose as the affine maps h -> a h + b do."""
    b = jnp.concatenate([(a[0] * initial + b[0])[None], b[1:]])
    return lax.associative_scan(_compose, (_at_all_times(a, b), b))[1]


def _compose(first: tuple[Array, Array], second: tuple[Array, Array]) -> tuple[Array, Array]:
    """second after first."""
    (a, b), (c, d) = first, second
    return c * a, c * b + d


def _at_all_times(a: Array, b: Array) -> Array:
    return jnp.broadcast_to(a, (b.shape[0], *a.shape[1:]))


def _chunked(a: Array, b: Array, initial: Array) -> Array:
    """Every chunk from a zero state, all at once; then the states between chunks, and what each adds to its chunk."""
    T = b.shape[0]
    size = math.isqrt(T - 1) + 1
    a, b = _in_chunks(_at_all_times(a, b), size, 1), _in_chunks(b, size, 0)
    local = lax.scan(_step, vary_with(jnp.zeros(b.shape[1:], b.dtype), a, b), (a, b))[1]
    # In a scan of its own: one that gave both would make JAX 0.12 take the decays for linear in b, and not transpose.
    decay = lax.scan(_multiply, vary_with(jnp.ones(a.shape[1:], a.dtype), a), a)[1]
    after = lax.scan(_step, initial, (decay[-1], local[-1]))[1]
    before = jnp.concatenate([initial[None], after[:-1]])
    h = jnp.swapaxes(local + decay * before[None], 0, 1)
    return h.reshape(h.shape[0] * size, *h.shape[2:])[:T]


def _in_chunks(x: Array, size: int, fill: int) -> Array:
    """[T, ...] -> [place in the chunk, chunk, ...], the last chunk filled up."""
    x = jnp.pad(x, ((0, -x.shape[0] % size), *((0, 0),) * (x.ndim - 1)), constant_values=fill)
    return jnp.swapaxes(x.reshape(len(x) // size, size, *x.shape[1:]), 0, 1)


def _multiply(product: Array, a: Array) -> tuple[Array, Array]:
    product = a * product
    return product, product


_FORMS = {"sequential": _sequential, "associative": _associative, "chunked": _chunked}
