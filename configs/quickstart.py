from attn_jax.config import *
from attn_jax.mixers import *
from attn_jax.models import ModelConfig
from attn_jax.tasks import *


def get_config():
    return Study(
        "quickstart",
        AssociativeRecall(),
        {
            "transformer": ModelConfig(mixers=(Attention(num_heads=2),), positions="learned"),
            "lstm": ModelConfig(mixers=(LSTM(),)),
            "gru": ModelConfig(mixers=(GRU(),)),
        },
    )
