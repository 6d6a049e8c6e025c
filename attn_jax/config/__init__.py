"""What a study is, as a config file writes it."""

from attn_jax.config.study import EvaluateConfig, Study, TrainConfig

__all__ = ["EvaluateConfig", "Study", "TrainConfig"]
