"""Losses as sums over places; whoever merges them divides once."""

import chex
import jax
import jax.numpy as jnp

from attn_jax.training.metrics import Tally
from attn_jax.types import Array, Batch


def cross_entropy(logits: Array, batch: Batch) -> Tally:
    """The negative log likelihood of the targets, in nats, weighted.

    total = sum over b, t of -weights[b, t] log softmax(logits[b, t])[targets[b, t]];    number = sum of weights

    Args:
      logits: [B, T, V] floating; the softmax is computed in at least float32.
      batch: its targets and weights; places of weight 0 count nothing, whatever their logits.

    Returns:
      The sum and the total weight.

    Raises:
      AssertionError: the logits are not [B, T, V] for targets [B, T].

    >>> some = jnp.zeros((1, 1), int)
    >>> batch = Batch(some, some, jnp.ones((1, 1)), some == 0, some == 0)
    >>> round(float(cross_entropy(jnp.zeros((1, 1, 4)), batch).mean), 4)  # ln 4
    1.3863
    """
    chex.assert_shape(logits, (*batch.targets.shape, None))
    counted = batch.weights > 0
    logits = jnp.where(counted[..., None], logits, 0).astype(jnp.promote_types(logits.dtype, jnp.float32))
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), batch.targets[..., None], -1)[..., 0]
    return Tally(-jnp.sum(batch.weights * log_p), jnp.sum(batch.weights))
