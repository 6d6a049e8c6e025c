"""The checks that every mixer and task of this package passes; call them on your own."""

from attn_jax.testing.check_mixer import check_mixer
from attn_jax.testing.check_task import check_task
from attn_jax.testing.oracles import attention_oracle, gradient_oracle

__all__ = ["attention_oracle", "check_mixer", "check_task", "gradient_oracle"]
