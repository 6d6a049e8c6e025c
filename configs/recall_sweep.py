"""How much must be stored: associative recall with ever more pairs, attention against a GRU of its size.

    attn-jax compare --config=configs/recall_sweep.py

About 2 minutes on 2 cores.

Result, 2026-11-30, one busy core (x86-64, AVX-512), Python 3.11, jax 0.10.2, 2 min 50 s: the transformer solves it with
2, 4 and 8 pairs, 6/6 seeds each, in 200, 146 and 162 steps (restricted mean): 19 [8, 30] fewer per doubling. The GRU
solves none within 400 steps, and scores .58, .14 and .01: .288 [.252, .324] less per doubling.

Rates and forms are those that quickstart.py found the best; they were not tuned again for other numbers of pairs. Of
two rates the best always lies on the edge of the grid: in quickstart.py, with the same two models, those beyond it were
worse, the transformer taking 481 steps at 1e-3, where it takes 262 and 188 at these two, and solving it with 1 seed of
8 at 3e-2, and the GRU being on the floor at 1e-3 and .10 above it at 3e-2, .12 at 1e-2.
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
