"""Flax modules over the pure functions. `attention_fn` is for flax's own; `nn.linen` and `nn.nnx` hold ours.

`from attn_jax.nn import attention_fn` imports no flax; `from attn_jax.nn.linen import MultiHeadAttention` does.
"""

from attn_jax.nn.attention_fn import attention_fn

__all__ = ["attention_fn"]
