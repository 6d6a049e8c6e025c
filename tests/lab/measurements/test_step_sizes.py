"""Training watched step by step: what a step of plain descent must be, and that watching changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.lab.measurements.step_sizes import Watched, watched, watched_rows
from attn_jax.mixers import RNN
from attn_jax.models import classic
from attn_jax.tasks import Parity

RATE, CLIP, SEEDS = 1e-2, 0.5, [3, 4]
RADIUS = "models.net.mixers.0.spectral_radius"
STUDY = Study(
    "watched",
    Parity(),
    {"net": classic(RNN(), d_model=4, num_layers=1)},
    TrainConfig(
        steps=12,
        batch_size=4,
        lengths=(3, 3),
        seeds=1,
        learning_rates=(RATE, 1e4),
        warmup_steps=0,
        weight_decay=0.0,
        optimizer="sgd",
        clip=CLIP,
    ),
    EvaluateConfig(every=4, num_examples=4, lengths=(3,)),
    match=None,
)


@pytest.mark.exhaustive
def test_a_step_of_plain_descent_is_the_rate_times_the_clipped_gradient():
    slow, fast = watched(STUDY, "net", SEEDS)
    assert (slow.learning_rate, fast.learning_rate) == (RATE, 1e4)
    assert slow.loss.shape == (2, 12)
    assert not slow.diverged.any()
    np.testing.assert_allclose(slow.update, RATE * np.minimum(slow.gradient, CLIP), rtol=1e-3)
    assert (slow.gradient < CLIP).any()
    assert (slow.gradient > CLIP).any()
    assert fast.diverged.all()
    np.testing.assert_allclose(fast.gradient[:, 0], slow.gradient[:, 0], rtol=1e-6)  # the same start and batch
    assert np.isnan(fast.update[:, -1]).all()


@pytest.mark.exhaustive
def test_starts_are_trained_side_by_side_in_their_order():
    starts = {"small": {RADIUS: 0.1}, "large": {RADIUS: 3.0}}
    study = replace(STUDY, starts=starts, train=replace(STUDY.train, learning_rates=(RATE,)))
    small, large = watched(study, "net", SEEDS)
    assert (small.start, large.start) == ("small", "large")
    assert (large.gradient[:, 0] != small.gradient[:, 0]).all()


def test_rows_say_what_was_before_a_run_diverged():
    nan = np.nan
    one = Watched(
        "wide", 0.1, np.array([[2.0, 30.0]]), np.array([[5.0, nan]]), np.array([[1.0, nan]]), np.array([True])
    )
    (row,) = watched_rows([one], [7], net="relu")
    assert row == {
        "net": "relu",
        "start": "wide",
        "learning rate": 0.1,
        "seed": 7,
        "diverged": True,
        "first loss": 2.0,
        "last loss": 20.0,
        "first gradient": 5.0,
        "largest gradient": 5.0,
        "largest update": 1.0,
    }
