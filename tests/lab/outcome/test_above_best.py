"""A score above 1 is flagged where its noise does not explain it, and not where it does."""

from types import SimpleNamespace

import numpy as np
import pytest

from attn_jax.lab.outcome.selection import ChosenRates
from attn_jax.lab.outcome.verdict import above_best_flag


def flag(batches):
    """Of batch scores [S, N], one learning rate."""
    model = SimpleNamespace(final_batches=np.asarray(batches, float)[:, None])
    choice = ChosenRates(np.zeros(len(batches), int), True)
    return above_best_flag(model, choice, float(np.nan_to_num(batches).mean()))


@pytest.mark.parametrize("batches", [[[13.9, 13.8, 14.1, 13.7]], [[13.9]], [[1.01, 1.0101, 1.0099, 1.01]] * 8])
def test_what_sees_the_future_is_flagged(batches):
    assert "is above 1, the best possible, by more than its noise" in flag(batches)


@pytest.mark.parametrize("batches", [[[1.0] * 4] * 8, [[1.05]], [[np.nan] * 4], [[0.9, 1.2, 1.1, 0.95]]])
def test_what_is_as_good_as_can_be_is_not(batches):
    assert flag(batches) is None


def test_one_perfect_model_in_a_thousand_is_flagged():
    rng = np.random.default_rng(0)
    alarms = sum(flag(rng.normal(1, 0.1, (8, 4))) is not None for _ in range(2000))
    assert alarms <= 8
