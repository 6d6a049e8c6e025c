"""All places of all sequences as rows of one matrix: the same numbers, and faster gradients of weights on a CPU.

The gradient of what all places share sums over the batch and over time. XLA on a CPU does that over one axis up to 1.6
times as fast as over two (an MLP of D 128, F 512 over 64 sequences of 128, forward + backward on one core: 58 against
95 ms, 2026-11).

Of that sum, x.T @ g, its library is slow where x is wider than g, and where both are narrow: the first is faster as the
transpose of g.T @ x, the second from an x that was turned before (62 -> 152 and 76 -> 144 GFLOP/s of 576 rows, 128 x 32
and 32 x 32, on one AVX-512 core, 2026-11). A barrier keeps XLA from folding the transposes back into the product.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.typing import DTypeLike

from attn_jax.ops.placement import on_cpu
from attn_jax.types import Array

_NARROW, _FEW, _LANES = 32, 2048, 16  # the most columns of x and weights, and what divides the columns, to turn x


def over_rows(function: Callable[[Array], Array], x: Array) -> Array:
    """A function of rows [R, D] over x [..., D]; its outputs [R, ...] get the leading axes of x.

    >>> import jax.numpy as jnp
    >>> over_rows(lambda rows: rows.sum(-1), jnp.ones((2, 3, 4))).tolist()
    [[4.0, 4.0, 4.0], [4.0, 4.0, 4.0]]
    """
    if x.ndim == 2:
        return function(x)
    y = function(x.reshape(math.prod(x.shape[:-1]), x.shape[-1]))
    return y.reshape(*x.shape[:-1], *y.shape[1:])


def rows_product(x: Array, w: Array, dtype: DTypeLike) -> Array:
    """x [R, D] w [D, F], accumulated in a dtype; on a CPU the gradient of w in the form that is fastest for its shape.

    >>> rows_product(jnp.ones((1, 2)), jnp.ones((2, 3)), jnp.float32).tolist()
    [[2.0, 2.0, 2.0]]
    """
    return _product(dtype, x, w) if on_cpu() else _plain(dtype, x, w)


def _plain(dtype: DTypeLike, x: Array, w: Array) -> Array:
    return jnp.matmul(x, w, preferred_element_type=dtype)


_product = jax.custom_jvp(_plain, nondiff_argnums=(0,))


@partial(_product.defjvp, symbolic_zeros=True)
def _product_jvp(dtype: DTypeLike, primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Any]:
    """dx w + x dw; the transpose of the second is what the gradient of w is computed by."""
    (x, w), (dx, dw) = primals, tangents
    parts = []
    if not isinstance(dx, SymbolicZero):
        parts.append(_plain(dtype, dx, w))
    if not isinstance(dw, SymbolicZero):
        parts.append(_moved(dtype, x, dw))
    y = _plain(dtype, x, w)
    return y, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(y)


def _moved(dtype: DTypeLike, x: Array, dw: Array) -> Array:
    """x dw, written so that its transpose, the sum over rows, is of the fast form."""
    product = partial(lax.dot_general, preferred_element_type=dtype)
    d_in, d_out = dw.shape
    if d_in > d_out:
        return product(x, lax.optimization_barrier(dw.T), (((1,), (1,)), ((), ())))
    if d_in <= _NARROW and d_in * d_out <= _FEW and d_in % _LANES == 0:
        return product(lax.optimization_barrier(x.T), dw, (((0,), (0,)), ((), ())))
    return _plain(dtype, x, dw)
