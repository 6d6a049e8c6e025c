"""What a block of runs is made of: one model's objective and optimiser, and the sizes of the data."""

from dataclasses import dataclass

import optax

from attn_jax.training.objective import Objective


@dataclass(frozen=True)
class BlockPlan:
    """The static facts of a block's programs, which all its runs share.

    Args:
      objective: what is learnt.
      optimizer: of each run; its rate is a leaf of the run's state.
      train_batch_size: sequences a step.
      train_lengths: a step draws one of them, uniformly.
      every: steps between evaluations, the length of a chunk.
      eval_batch_size: sequences an evaluation batch.
      validation_lengths: one a batch, at every evaluation.
      test_lengths: one a batch, at the end.
      num_examples: so many different sequences are trained on, of each length; None: each is fresh.
      group: runs that a device advances at a time, a divisor of its number; None: all of them.
      short: a step of one run at a time whose rows have no more places computes no more; None: it computes all that the
        longest has.
    """

    objective: Objective
    optimizer: optax.GradientTransformation
    train_batch_size: int
    train_lengths: tuple[int, ...]
    every: int
    eval_batch_size: int
    validation_lengths: tuple[int, ...]
    test_lengths: tuple[int, ...]
    num_examples: int | None = None
    group: int | None = None
    short: int | None = None
