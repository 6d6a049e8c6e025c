"""Multi-head attention as an nnx module; its `weights` are the dict of `attn_jax.layers.multi_head`."""

from collections.abc import Callable
from typing import Any

from flax import nnx

from attn_jax.layers.multi_head import Position, init_multi_head_attention, multi_head_attention
from attn_jax.nn.attention_fn import dropout_options
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.types import Array


class MultiHeadAttention(nnx.Module):
    """`multi_head_attention` with its parameters in `weights`, one `nnx.Param` a name.

    Args:
      d_model: D, the width of inputs and outputs.
      num_heads: N, the query heads.
      num_kv_heads: K, the key/value heads, a divisor of N; None means N.
      head_dim: H; None means D // N.
      value_dim: Hv; None means H.
      use_bias: biases on all four projections.
      qk_norm: RMS norm of each head's queries and keys.
      w_init: (key, shape, dtype) -> weights; None means Glorot uniform.
      position: (x [..., T, N, H], positions) -> x, applied to queries and keys, such as `rotary`.
      attention: (query, key, value, **options) -> [..., T, N, Hv]; bind its own options with `functools.partial`.
      dropout_rate: the probability that an attention weight is dropped; the key is of the stream "dropout".
      deterministic: True switches dropout off, as `.eval()` does; `.train()` switches it on.
      rngs: the streams "params" and, with dropout, "dropout".

    Example:
      >>> import jax.numpy as jnp
      >>> layer = MultiHeadAttention(8, num_heads=4, num_kv_heads=2, rngs=nnx.Rngs(0))
      >>> layer(jnp.ones((3, 5, 8)), is_causal=True).shape, layer.weights["w_k"].shape
      ((3, 5, 8), (8, 2, 2))

    Reference: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        value_dim: int | None = None,
        use_bias: bool = False,
        qk_norm: bool = False,
        w_init: Callable[..., Array] | None = None,
        position: Position | None = None,
        attention: Callable[..., Any] = dot_product_attention,
        dropout_rate: float = 0.0,
        deterministic: bool = False,
        rngs: nnx.Rngs,
    ):
        weights = init_multi_head_attention(
            rngs.params(),
            d_model=d_model,
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_dim=head_dim,
            value_dim=value_dim,
            use_bias=use_bias,
            qk_norm=qk_norm,
            w_init=w_init,
        )
        self.weights = nnx.Dict({name: nnx.Param(w) for name, w in weights.items()})
        self.position = position
        self.attention = attention
        self.dropout_rate = dropout_rate
        self.deterministic = deterministic
        self.rngs = rngs.dropout.fork() if dropout_rate else None

    def __call__(
        self, x_q: Array, x_kv: Array | None = None, *, deterministic: bool | None = None, **options: Any
    ) -> Array:
        """x_q [..., T, D], x_kv [..., S, D] (None: x_q) -> [..., T, D]; options: those of `multi_head_attention`."""
        params = {name: w[...] for name, w in self.weights.items()}
        if self.rngs is not None and not (self.deterministic if deterministic is None else deterministic):
            options |= dropout_options(self.dropout_rate, self.rngs())
        return multi_head_attention(params, x_q, x_kv, position=self.position, attention=self.attention, **options)
