"""Metrics as sums and counts that merge by addition and are divided once."""

from typing import NamedTuple

import jax.numpy as jnp

from attn_jax.types import Array, Batch


class Tally(NamedTuple):
    """A sum and what to divide it by."""

    total: Array  # float32
    number: Array  # float32

    @property
    def mean(self) -> Array:
        """total / number; NaN where nothing was counted."""
        return self.total / self.number


def accuracy(logits: Array, batch: Batch) -> Tally:
    """How many scored places are answered right, of how many; NaN logits are never right.

    >>> yes = jnp.ones((1, 2), bool)
    >>> batch = Batch(jnp.zeros((1, 2), int), jnp.array([[1, 0]]), yes.astype(float), yes, yes)
    >>> float(accuracy(jnp.array([[[0.0, 1.0], [0.0, 1.0]]]), batch).mean)
    0.5
    """
    right = _right(logits, batch) & batch.scored
    return Tally(jnp.sum(right, dtype=jnp.float32), jnp.sum(batch.scored, dtype=jnp.float32))


def exact_match(logits: Array, batch: Batch) -> Tally:
    """How many sequences have every scored place right, of how many.

    >>> yes = jnp.ones((1, 2), bool)
    >>> batch = Batch(jnp.zeros((1, 2), int), jnp.array([[1, 0]]), yes.astype(float), yes, yes)
    >>> float(exact_match(jnp.array([[[0.0, 1.0], [0.0, 1.0]]]), batch).mean)
    0.0
    """
    whole = jnp.all(_right(logits, batch) | ~batch.scored, axis=1)
    return Tally(jnp.sum(whole, dtype=jnp.float32), jnp.array(whole.size, jnp.float32))


def _right(logits: Array, batch: Batch) -> Array:
    finite = ~jnp.any(jnp.isnan(logits), -1)  # argmax would call the first NaN the largest
    return (jnp.argmax(logits, -1) == batch.targets) & finite
