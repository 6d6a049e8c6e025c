"""Models: mixers in a skeleton that is the same for all of them."""

from attn_jax.models.base import Model
from attn_jax.models.sequence_model import ModelConfig, classic

__all__ = ["Model", "ModelConfig", "classic"]
