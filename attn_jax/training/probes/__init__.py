"""Probes by name: what a study may measure beside its scores."""

from attn_jax.training.probes.attention_maps import AttentionMaps
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.training.probes.gates import Gates
from attn_jax.training.probes.gradient_flow import GradientFlow
from attn_jax.training.probes.gradient_norms import GradientNorms
from attn_jax.training.probes.jacobians import Jacobians
from attn_jax.training.probes.look_ahead import LookAhead
from attn_jax.training.probes.path_length import PathLength
from attn_jax.training.probes.worked_example import WorkedExample

PROBES: dict[str, ProbeConfig] = {
    "gradient_flow": GradientFlow(),
    "gradient_norms": GradientNorms(),
    "attention_maps": AttentionMaps(),
    "gates": Gates(),
    "jacobians": Jacobians(),
    "path_length": PathLength(),
    "worked_example": WorkedExample(),
    "look_ahead": LookAhead(),
}


def probe_name(config: ProbeConfig) -> str:
    """What a probe's values are filed under: its registered name, or that of a class of the user's own.

    >>> probe_name(GradientFlow(num_places=8))
    'gradient_flow'
    """
    known = (name for name, row in PROBES.items() if type(row) is type(config))
    return next(known, type(config).__name__)


__all__ = [
    "PROBES",
    "AttentionMaps",
    "Gates",
    "GradientFlow",
    "GradientNorms",
    "Jacobians",
    "LookAhead",
    "PathLength",
    "Probe",
    "ProbeConfig",
    "When",
    "WorkedExample",
    "probe_name",
]
