"""What a study is, as a config file writes it."""

from attn_jax.config.study import EvaluateConfig, Study, TrainConfig
from attn_jax.config.sweep import Sweep
from attn_jax.training.probes import (
    PROBES,
    AttentionMaps,
    Gates,
    GradientFlow,
    GradientNorms,
    Jacobians,
    PathLength,
    Probe,
    ProbeConfig,
)

__all__ = [
    "PROBES",
    "AttentionMaps",
    "EvaluateConfig",
    "Gates",
    "GradientFlow",
    "GradientNorms",
    "Jacobians",
    "PathLength",
    "Probe",
    "ProbeConfig",
    "Study",
    "Sweep",
    "TrainConfig",
]
