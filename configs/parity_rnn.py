"""Parity asked at the end, by one tanh RNN of 256 units: how long a study takes from the command to its page.

    attn-jax compare --config=configs/parity_rnn.py

About 0.5 minutes on 2 cores.

Result, 2026-11-28: PENDING
"""

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import RNN
from attn_jax.models import classic
from attn_jax.tasks import Parity


def get_config() -> Study:
    return Study(
        name="parity_rnn",
        task=Parity(),
        models={"rnn": classic(RNN(), d_model=256, num_layers=1)},
        train=TrainConfig(steps=600, batch_size=128, lengths=(1, 40), seeds=1, learning_rates=(1e-3,)),
        evaluate=EvaluateConfig(every=100, num_examples=512, lengths=(40, 100)),
        match=None,
    )
