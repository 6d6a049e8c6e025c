"""How much must be stored: associative recall with ever more pairs, attention against a GRU of its size.

    attn-jax compare --config=configs/recall_sweep.py

About 2 minutes on 2 cores.

Result, 2026-11-30: to come.
"""

from attn_jax.config import EvaluateConfig, Study, Sweep, TrainConfig
from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig
from attn_jax.tasks import AssociativeRecall


def get_config() -> Sweep:
    study = Study(
        name="recall_sweep",
        task=AssociativeRecall(num_values=8),
        models={
            "transformer": ModelConfig(d_model=32, mixers=(Attention(num_heads=2),), positions="sinusoidal"),
            "gru": ModelConfig(mixers=(GRU(update_bias=-1.0),), norm="none"),
        },
        train=TrainConfig(steps=400, batch_size=32, seeds=6, learning_rates=(3e-3, 1e-2)),
        evaluate=EvaluateConfig(every=25, num_examples=128, lengths=(2, 4, 6, 8)),
    )
    return Sweep(study, axes={"train.lengths": ((2, 2), (4, 4), (8, 8))})
