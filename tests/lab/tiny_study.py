"""A study small enough to be run many times by the tests: two models, two seeds, two rates."""

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Parity


def get_config():
    return Study(
        name="tiny",
        task=Parity(),
        models={
            "transformer": ModelConfig(8, 1, (Attention(num_heads=2),), positions="sinusoidal"),
            "gru": classic(GRU(), num_layers=1),
        },
        train=TrainConfig(200, batch_size=4, lengths=(2, 4), seeds=2, learning_rates=(1e-3, 3e-3), warmup_steps=5),
        evaluate=EvaluateConfig(every=10, num_examples=8, lengths=(2, 4, 6)),
    )
