"""Attention over scores that are plain products, all at once, with a derivative of its own: for short sequences.

Nothing is done to a score but the mask. Scores lie as [..., K, S, R], so that the softmax goes over vectors and not
within them; its weights P are saved, and the tangents are

    dP_sr = P_sr (ds_sr - t_r),  t_r = sum_s P_sr ds_sr;    d out_r = sum_s dP_sr v_s + P_sr dv_s;    d lse_r = t_r

which is linear in the tangents: transposed by JAX it is the usual gradient, forward mode is the rule itself, and second
order is the rule differentiated. Letters as in `dense.py`.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.types import Array


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def attend_plainly(
    precision: Any, query: Array, key: Array, value: Array, visible: Array | None
) -> tuple[Array, Array]:
    """Outputs [..., R, K, Hv] and lse [..., K, R] of scaled queries, keys and values; a row that sees nothing is 0.

    Args:
      precision: of the products.
      query: [..., R, K, H], finite, as the others.
      key: [..., S, K, H].
      value: [..., S, K, Hv].
      visible: bool [... | 1, K | 1, S | 1, R | 1]; None: every pair.
    """
    weights, lse = _weights(precision, query, key, visible)
    return jnp.einsum("...ksr,...skh->...rkh", weights, value, precision=precision), lse


@attend_plainly.defjvp
def _attend_plainly_jvp(precision: Any, primals: tuple[Any, ...], tangents: tuple[Any, ...]):
    """The rule above."""
    (query, key, value, visible), (d_query, d_key, d_value, _) = primals, tangents
    scores = partial(jnp.einsum, "...skh,...rkh->...ksr", precision=precision)
    values = partial(jnp.einsum, "...ksr,...skh->...rkh", precision=precision)
    weights, lse = _weights(precision, query, key, visible)
    moved = weights * (scores(key, d_query) + scores(d_key, query))
    total = jnp.sum(moved, -2)
    d_out = values(moved - weights * total[..., None, :], value) + values(weights, d_value)
    return (values(weights, value), lse), (d_out, total)


def _weights(precision: Any, query: Array, key: Array, visible: Array | None) -> tuple[Array, Array]:
    """The softmax over keys [..., K, S, R], 0 in rows that see nothing, and lse."""
    scores = jnp.einsum("...skh,...rkh->...ksr", key, query, precision=precision)
    if visible is not None:
        scores = jnp.where(visible, scores, -jnp.inf)
    highest = jnp.max(scores, -2, initial=-jnp.inf)
    empty = highest == -jnp.inf
    highest = jnp.where(empty, 0, highest)
    powers = jnp.exp(scores - highest[..., None, :])
    total = jnp.where(empty, 1, jnp.sum(powers, -2))
    return powers * (1 / total)[..., None, :], jnp.where(empty, -jnp.inf, highest + jnp.log(total))
