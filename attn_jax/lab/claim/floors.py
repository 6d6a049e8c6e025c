"""The floors that a claim's scores are counted from, held against what their predictors score, before anything trains.

A floor that is off by a factor moves every normalised score, and no seed would tell.
"""

from collections.abc import Iterable
from functools import lru_cache

from attn_jax.config import Study
from attn_jax.errors import UserError
from attn_jax.tasks import TaskConfig
from attn_jax.testing.check_floors import check_floors
from attn_jax.testing.draws import Draws

_SAMPLES = 1024


def refuse_wrong_floors(studies: Iterable[Study]) -> None:
    """Measures the floors of each study's task at the shortest and longest length that it trains on.

    Raises:
      UserError: a predictor scores otherwise than its floor says.
    """
    for study in studies:
        spec = study.task.make().spec
        allowed = spec.lengths(*(study.train.lengths or spec.train_lengths))
        _measure(study.task, (allowed[0], allowed[-1]))


@lru_cache
def _measure(task: TaskConfig, lengths: tuple[int, int]) -> None:
    """Of a task, once in a process: studies share them."""
    draws = Draws(task.make(), _SAMPLES, 1, lengths[1], seed=0)
    for length in sorted({*lengths}):
        try:
            check_floors(draws, length)
        except AssertionError as error:
            raise UserError(f"{type(task).__name__}: {error}; attn-jax check task says more") from error
