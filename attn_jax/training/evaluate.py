"""Evaluation on fresh data, keyed by length: sums and counts of one run, in one compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from attn_jax.tasks.base import Split
from attn_jax.training.objective import Evaluation, Objective
from attn_jax.training.streams import stream_key
from attn_jax.types import Array, Params


def spread_lengths(allowed: tuple[int, ...], num_batches: int) -> tuple[int, ...]:
    """So many lengths, evenly spread over the allowed ones, both ends included; one alone is the longest.

    >>> spread_lengths((2, 3, 4, 5, 6, 7, 8), 3)
    (2, 5, 8)
    """
    places = np.linspace(len(allowed) - 1, 0, num_batches).round().astype(int)[::-1]
    return tuple(allowed[i] for i in places)


def evaluate(
    objective: Objective, params: Params, seed: Array, lengths: tuple[int, ...], *, split: Split, batch_size: int
) -> Evaluation:
    """Scores one run on a batch of each length; the same seed and split always see the same data.

    Args:
      objective: what is learnt.
      params: the run's parameters.
      seed: int32, the run's seed.
      lengths: one a batch; all are padded to the longest.
      split: "validation" or "test": names the stream of keys too.
      batch_size: sequences a batch.

    Returns:
      Tallies [M].
    """
    assert split != "train"  # fresh data only
    key = stream_key(split, seed)
    longest, padded = max(lengths), len(set(lengths)) > 1

    def score(item: tuple[Array, Array]) -> Evaluation:
        index, length = item
        batch = objective.sample(jax.random.fold_in(key, index), batch_size, length, longest, split=split)
        return objective.score(params, batch, padded=padded)

    return lax.map(score, (jnp.arange(len(lengths)), jnp.array(lengths)))
