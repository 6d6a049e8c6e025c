"""What the mixers on `ops.recurrence.linear_scan` share: a scan that stops at padding, projections, complex states."""

import jax
import jax.numpy as jnp

from attn_jax.layers.linear import init_linear
from attn_jax.ops.norms import accumulator
from attn_jax.ops.recurrence.linear_scan import ScanForm, linear_scan
from attn_jax.types import Array, Key, Params


def scan_valid(
    a: Array, b: Array, state: Array, valid: Array | None = None, *, form: ScanForm | None = None
) -> tuple[Array, Array]:
    """`linear_scan` from a state; the state returned is that after each row's last valid place.

    Padding lies on the right, so that it cannot reach a valid place: it is scanned and passed over, and a decay that is
    the same at all times stays small.

    >>> ones = jnp.ones((1, 3))
    >>> scan_valid(ones, ones, jnp.zeros(1), jnp.array([[True, True, False]]))[1].tolist()
    [2.0]
    """
    h, last = linear_scan(a, b, state, form=form)
    return h, last if valid is None else last_valid(h, state, valid)


def last_valid(h: Array, state: Array, valid: Array) -> Array:
    """The last valid one of the states h [B, T, ...] of each row, or the state [B, ...] before where there is none."""
    count = valid.sum(1).reshape(-1, *(1,) * (h.ndim - 1))
    last = jnp.take_along_axis(h, jnp.maximum(count - 1, 0), 1)[:, 0].astype(state.dtype)
    return jnp.where(count[:, 0] > 0, last, state)


def project(params: Params, x: Array) -> Array:
    """x w + b of `init_linear`'s parameters: the factors in x's dtype, sum and result at least float32."""
    y = jnp.matmul(x, params["w"].astype(x.dtype), preferred_element_type=accumulator(x.dtype))
    return y + params["b"] if "b" in params else y


def to_complex(pairs: Array) -> Array:
    """[..., 2] real and imaginary parts -> [...] complex, at least complex64."""
    pairs = pairs.astype(accumulator(pairs.dtype))
    return jax.lax.complex(pairs[..., 0], pairs[..., 1])


def to_pairs(z: Array, dtype) -> Array:
    """[...] complex -> [..., 2] of a real dtype: states are floating, because there is no complex bfloat16."""
    return jnp.stack([z.real, z.imag], -1).astype(dtype)


def init_glu(key: Key, width: int) -> Params:
    """The map D -> 2 D of `glu`."""
    return init_linear(key, width, 2 * width)


def glu(params: Params, y: Array, dtype) -> Array:
    """What follows a linear state space: (u w_1 + b_1) * sigmoid(u w_2 + b_2), u = gelu(y), in `dtype`.

    Without it channels do not meet in S4D, and no layer is nonlinear in time. Reference: Gu et al. 2022,
    arXiv 2206.11893 (its code); Orvieto et al. 2023, arXiv 2303.06349, figure 1; Dauphin et al. 2017, arXiv 1612.08083.
    """
    value, gate = jnp.split(project(params, jax.nn.gelu(y).astype(dtype)), 2, -1)
    return (value * jax.nn.sigmoid(gate)).astype(dtype)
