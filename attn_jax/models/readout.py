"""From the last layer to the logits: a norm where the layers leave one out, then the readout."""

import jax.numpy as jnp

from attn_jax.layers.embedding import unembedding
from attn_jax.layers.linear import init_linear, linear
from attn_jax.layers.norm import Norm
from attn_jax.models.block import BlockConfig
from attn_jax.types import Array, Key, Params


def last_norm(config: BlockConfig) -> Norm:
    """The norm after the last layer; after a post norm there is none."""
    return config.norm if config.norm_place == "pre" else "none"


def init_readout(tied: bool, key: Key, width: int, num_outputs: int) -> Params:
    """A linear map; tied, a bias alone: its weights are the embedding's table."""
    return {"b": jnp.zeros(num_outputs)} if tied else init_linear(key, width, num_outputs)


def read_out(tied: bool, params: Params, x: Array) -> Array:
    """Logits [B, T, V] of x [B, T, D], by a model's `readout` and, tied, its `embedding`."""
    if tied:
        return unembedding(params["embedding"], x, params["readout"]["b"])
    return linear(params["readout"], x)
