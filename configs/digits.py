"""Digits: 8 x 8 images of handwritten digits, a pixel at a time. Real data; there is no "solved", the score decides.

    attn-jax compare --config=configs/digits.py         (needs pip install "attn_jax[digits]")

About 7 minutes on 2 cores.

Result, 2026-11-22, 2 cores (x86-64, AVX-512), Python 3.11, jax 0.10.2, rates {1e-3, 3e-3, 1e-2}, 6 minutes: after 600
steps, normalised score over 8 seeds (0 is chance, .1; 1 is every image right): transformer .92 [.90, .95], GRU .91
[.88, .93], LSTM .85 [.80, .88]. Paired by seed the transformer is ahead of both (p < .05 after Holm's correction).

It was best at 1e-3, the lower edge of that grid, and the GRU at 1e-2, the upper one: the grid has a rate more on either
side since. With 3 seeds, 2026-11-30, no best rate lies on its edge: transformer .92 at 3e-4 and 1e-3, .83 at 1e-2; GRU
.89 at 3e-3 and 1e-2, .56 at 3e-2; LSTM .85 at 1e-2, .69 at 3e-2.

So trained, 2026-12-01, 2 cores (AMD EPYC, AVX2), jax 0.10.2, 11 minutes: transformer .91 [.84, .99], GRU .90
[.84, .96], LSTM .83 [.75, .91], by intervals that cover what they say; no test decides (39 seeds would decide one).

What was tried before, 2 seeds a row, 600 steps, score at the better rate of {3e-3, 1e-2}:

    transformer: learned positions .90 (entered), sinusoidal .76
    LSTM: classic form .83 (entered), block form .79, with forget bias 3 .71
    GRU: classic form .91 (entered), block form .83
"""

from attn_jax.config import EvaluateConfig, Study, TrainConfig, WorkedExample
from attn_jax.mixers import GRU, LSTM, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Digits


def get_config() -> Study:
    return Study(
        name="digits",
        task=Digits(),
        models={
            "transformer": ModelConfig(d_model=32, mixers=(Attention(num_heads=2),), positions="learned"),
            "lstm": classic(LSTM()),
            "gru": classic(GRU()),
        },
        train=TrainConfig(steps=600, batch_size=32, seeds=8, learning_rates=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2)),
        evaluate=EvaluateConfig(every=50, num_examples=320),
        probes=(WorkedExample(),),
    )
