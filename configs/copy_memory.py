"""Copy memory: ten letters, thirty blanks, then say the letters. The classic trial of a long memory.

    attn-jax compare --config=configs/copy_memory.py

RESULT_COPY
"""

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import GRU, LSTM, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import CopyMemory


def get_config() -> Study:
    return Study(
        name="copy_memory",
        task=CopyMemory(),
        models={
            "transformer": ModelConfig(d_model=32, mixers=(Attention(num_heads=2),), positions="learned"),
            "lstm": classic(LSTM()),
            "gru": classic(GRU()),
        },
        train=TrainConfig(steps=500, batch_size=32, seeds=8, learning_rates=(1e-3, 3e-3, 1e-2)),
        evaluate=EvaluateConfig(every=50, num_examples=128, lengths=(10, 20, 30, 40, 50)),
    )
