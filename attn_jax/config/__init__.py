"""What a study is, and a claim, as a config file writes it."""

from attn_jax.config.claim import Claim, DeclaredTest, Expect, Line, Measurement, Panel, Quantity
from attn_jax.config.published import Cell, Explained, Published
from attn_jax.config.study import EvaluateConfig, Study, TrainConfig
from attn_jax.config.sweep import Sweep
from attn_jax.training.probes import (
    PROBES,
    AttentionMaps,
    Gates,
    GradientFlow,
    GradientNorms,
    Jacobians,
    LookAhead,
    PathLength,
    Probe,
    ProbeConfig,
    WorkedExample,
)

__all__ = [
    "PROBES",
    "AttentionMaps",
    "Cell",
    "Claim",
    "DeclaredTest",
    "EvaluateConfig",
    "Expect",
    "Explained",
    "Gates",
    "GradientFlow",
    "GradientNorms",
    "Jacobians",
    "Line",
    "LookAhead",
    "Measurement",
    "Panel",
    "PathLength",
    "Probe",
    "ProbeConfig",
    "Published",
    "Quantity",
    "Study",
    "Sweep",
    "TrainConfig",
    "WorkedExample",
]
