"""Multi-head attention as a linen module; its one parameter is the dict of `attn_jax.layers.multi_head`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn

from attn_jax.layers.multi_head import Position, init_multi_head_attention, multi_head_attention
from attn_jax.nn.attention_fn import dropout_options
from attn_jax.ops.arguments import floats
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.types import Array


class MultiHeadAttention(nn.Module):
    """`multi_head_attention` with its parameters in the collection "params", under the name `multi_head`.

    Args:
      num_heads: N, the query heads.
      num_kv_heads: K, the key/value heads, a divisor of N; None means N.
      head_dim: H; None means D // N, with D the width of x_q.
      value_dim: Hv; None means H.
      use_bias: biases on all four projections.
      qk_norm: RMS norm of each head's queries and keys.
      w_init: (key, shape, dtype) -> weights; None means Glorot uniform.
      position: (x [..., T, N, H], positions) -> x, applied to queries and keys, such as `rotary`.
      attention: (query, key, value, **options) -> [..., T, N, Hv]; bind its own options with `functools.partial`.
      dropout_rate: the probability that an attention weight is dropped; the key is of the stream "dropout".
      deterministic: True switches dropout off; None leaves it to the call.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> layer = MultiHeadAttention(num_heads=4, num_kv_heads=2)
      >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((3, 5, 8)), is_causal=True)
      >>> y.shape, variables["params"]["multi_head"]["w_k"].shape
      ((3, 5, 8), (8, 2, 2))

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """

    num_heads: int
    num_kv_heads: int | None = None
    head_dim: int | None = None
    value_dim: int | None = None
    use_bias: bool = False
    qk_norm: bool = False
    w_init: Callable[..., Array] | None = None
    position: Position | None = None
    attention: Callable[..., Any] = dot_product_attention
    dropout_rate: float = 0.0
    deterministic: bool | None = None

    @nn.compact
    def __call__(
        self, x_q: Array, x_kv: Array | None = None, *, deterministic: bool | None = None, **options: Any
    ) -> Array:
        """x_q [..., T, D], x_kv [..., S, D] (None: x_q) -> [..., T, D]; options: those of `multi_head_attention`."""
        x_q = floats("x_q", x_q)
        init = partial(
            init_multi_head_attention,
            d_model=x_q.shape[-1],
            num_heads=self.num_heads,
            num_kv_heads=self.num_kv_heads,
            head_dim=self.head_dim,
            value_dim=self.value_dim,
            use_bias=self.use_bias,
            qk_norm=self.qk_norm,
            w_init=self.w_init,
        )
        params = self.param("multi_head", init)
        if self.dropout_rate and not nn.merge_param("deterministic", self.deterministic, deterministic):
            options |= dropout_options(self.dropout_rate, self.make_rng("dropout"))
        return multi_head_attention(params, x_q, x_kv, position=self.position, attention=self.attention, **options)
