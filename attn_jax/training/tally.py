"""Sums and counts, which merge by addition and are divided once."""

from typing import NamedTuple

from attn_jax.types import Array


class Tally(NamedTuple):
    """A sum and what to divide it by."""

    total: Array  # float32
    number: Array  # float32

    @property
    def mean(self) -> Array:
        """total / number; NaN where nothing was counted."""
        return self.total / self.number
