"""What a task's outputs are scored by, as sums and counts."""

import math
from collections.abc import Callable

import jax.numpy as jnp

from attn_jax.tasks.base import Metric
from attn_jax.training.losses import cross_entropy, is_real, loss
from attn_jax.training.tally import Tally
from attn_jax.types import Array, Batch

CLOSE = 0.04  # a real answer off by less is right, as Hochreiter & Schmidhuber 1997 count in the adding problem


def accuracy(logits: Array, batch: Batch) -> Tally:
    """How many scored places are answered right, of how many; NaN logits are never right.

    >>> yes = jnp.ones((1, 2), bool)
    >>> batch = Batch(jnp.zeros((1, 2), int), jnp.array([[1, 0]]), yes.astype(float), yes, yes)
    >>> float(accuracy(jnp.array([[[0.0, 1.0], [0.0, 1.0]]]), batch).mean)
    0.5
    """
    right = _right(logits, batch) & batch.scored
    return Tally(jnp.sum(right, dtype=jnp.float32), jnp.sum(batch.scored, dtype=jnp.float32))


def exact_match(outputs: Array, batch: Batch) -> Tally:
    """How many sequences have every scored place right, of how many; real answers may be off by `CLOSE`.

    >>> yes = jnp.ones((1, 2), bool)
    >>> batch = Batch(jnp.zeros((1, 2), int), jnp.array([[1, 0]]), yes.astype(float), yes, yes)
    >>> float(exact_match(jnp.array([[[0.0, 1.0], [0.0, 1.0]]]), batch).mean)
    0.0
    """
    whole = jnp.all(_right(outputs, batch) | ~batch.scored, axis=1)
    return Tally(jnp.sum(whole, dtype=jnp.float32), jnp.array(whole.size, jnp.float32))


def bits_per_token(logits: Array, batch: Batch) -> Tally:
    """The cross entropy in bits.

    >>> some = jnp.zeros((1, 1), int)
    >>> float(bits_per_token(jnp.zeros((1, 1, 4)), Batch(some, some, jnp.ones((1, 1)), some == 0, some == 0)).mean)
    2.0
    """
    nats = cross_entropy(logits, batch)
    return Tally(nats.total / math.log(2), nats.number)


def mse(outputs: Array, batch: Batch) -> Tally:
    """The squared error at scored places, the mean over channels.

    >>> yes = jnp.ones((1, 1), bool)
    >>> float(mse(jnp.full((1, 1, 1), 3.0), Batch(yes, jnp.ones((1, 1, 1)), yes * 1.0, yes, yes)).mean)
    4.0
    """
    outputs = jnp.where(batch.scored[..., None], outputs, batch.targets).astype(jnp.float32)
    error = jnp.mean((outputs - batch.targets) ** 2, axis=-1)
    return Tally(jnp.sum(error), jnp.sum(batch.scored, dtype=jnp.float32))


def _right(outputs: Array, batch: Batch) -> Array:
    if is_real(batch):
        return jnp.all(jnp.abs(outputs - batch.targets) < CLOSE, axis=-1)  # NaN is never close
    finite = ~jnp.any(jnp.isnan(outputs), -1)  # argmax would call the first NaN the largest
    return (jnp.argmax(outputs, -1) == batch.targets) & finite


METRICS: dict[Metric, Callable[[Array, Batch], Tally]] = {
    "accuracy": accuracy,
    "exact_match": exact_match,
    "cross_entropy": cross_entropy,
    "bits_per_token": bits_per_token,
    "mse": mse,
}


def measures(metric: Metric) -> dict[str, Callable[[Array, Batch], Tally]]:
    """All that an evaluation of answers holds: a row here has its place in metrics.jsonl, the results and the summary.

    >>> [*measures("accuracy")]
    ['loss', 'metric', 'whole']
    """
    return {"loss": loss, "metric": METRICS[metric], "whole": exact_match}
