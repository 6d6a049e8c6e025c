"""Losses as sums over places; whoever merges them divides once."""

import chex
import jax
import jax.numpy as jnp

from attn_jax.training.tally import Tally
from attn_jax.types import Array, Batch


def loss(outputs: Array, batch: Batch, *, label_smoothing: float = 0.0) -> Tally:
    """The loss of a batch: cross entropy of classes, squared error of real answers, which have no labels to smooth.

    >>> some = jnp.ones((1, 1))
    >>> float(loss(jnp.zeros((1, 1, 1)), Batch(some, some[..., None] * 3, some, some > 0, some > 0)).mean)
    9.0
    """
    if is_real(batch):
        return squared_error(outputs, batch)
    return cross_entropy(outputs, batch, label_smoothing=label_smoothing)


def is_real(batch: Batch) -> bool:
    """Whether the answers are real numbers, not classes."""
    return bool(jnp.issubdtype(batch.targets.dtype, jnp.floating))


def cross_entropy(logits: Array, batch: Batch, *, label_smoothing: float = 0.0) -> Tally:
    """The negative log likelihood of the targets, in nats, weighted.

    total = sum over b, t of -weights[b, t] log p[b, t, targets[b, t]];    p = softmax(logits);    number = sum(weights)

    With label smoothing e the target is drawn anew with probability e: (1 - e) log p[target] + e / V sum over v of
    log p[v] takes the place of log p[target].

    Args:
      logits: [B, T, V] floating; the softmax is computed in at least float32.
      batch: its targets and weights; places of weight 0 count nothing, whatever their logits.
      label_smoothing: e, at least 0 and below 1.

    Returns:
      The sum and the total weight.

    Raises:
      AssertionError: the logits are not [B, T, V] for targets [B, T].

    >>> some = jnp.zeros((1, 1), int)
    >>> batch = Batch(some, some, jnp.ones((1, 1)), some == 0, some == 0)
    >>> round(float(cross_entropy(jnp.zeros((1, 1, 4)), batch).mean), 4)  # ln 4
    1.3863

    Reference: label smoothing: Szegedy et al. 2016, arXiv 1512.00567, section 7.
    """
    chex.assert_shape(logits, (*batch.targets.shape, None))
    all_log_p = jax.nn.log_softmax(_counted(logits, batch))
    log_p = jnp.take_along_axis(all_log_p, batch.targets[..., None], -1)[..., 0]
    if label_smoothing:
        log_p = (1 - label_smoothing) * log_p + label_smoothing * jnp.mean(all_log_p, -1)
    return Tally(-jnp.sum(batch.weights * log_p), jnp.sum(batch.weights))


def squared_error(outputs: Array, batch: Batch) -> Tally:
    """The squared error of real answers, summed over their channels, weighted.

    total = sum over b, t of weights[b, t] |outputs[b, t] - targets[b, t]|^2;    number = sum of weights

    Args:
      outputs: [B, T, C] floating; the difference is taken in at least float32.
      batch: its targets [B, T, C] and weights; places of weight 0 count nothing, whatever their outputs.

    Returns:
      The sum and the total weight.

    Raises:
      AssertionError: outputs and targets differ in shape.

    >>> some = jnp.ones((1, 1))
    >>> batch = Batch(some, some[..., None], some, some > 0, some > 0)
    >>> float(squared_error(jnp.full((1, 1, 1), 3.0), batch).mean)
    4.0
    """
    chex.assert_equal_shape([outputs, batch.targets])
    error = jnp.sum((_counted(outputs, batch) - batch.targets) ** 2, -1)
    return Tally(jnp.sum(batch.weights * error), jnp.sum(batch.weights))


def _counted(outputs: Array, batch: Batch) -> Array:
    """0 at places of weight 0, so that nothing there reaches a gradient; at least float32."""
    outputs = jnp.where((batch.weights > 0)[..., None], outputs, 0)
    return outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
