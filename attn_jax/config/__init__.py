"""What a study is, as a config file writes it."""

from attn_jax.config.study import EvaluateConfig, Study, TrainConfig
from attn_jax.config.sweep import Sweep

__all__ = ["EvaluateConfig", "Study", "Sweep", "TrainConfig"]
