"""What a sequence model is given, tokens or channels, as vectors of its width."""

from attn_jax.layers.embedding import embedding, init_embedding
from attn_jax.layers.linear import init_linear, linear
from attn_jax.mixers.base import zero_padding
from attn_jax.types import IO, Array, Key, Params


def init_embed(io: IO, d_model: int, key: Key, *, scale: float = 1.0) -> Params:
    """A table of tokens, of this standard deviation, or weights of channels."""
    if io.vocab_size is not None:
        return init_embedding(key, io.vocab_size, d_model, scale=scale)
    assert io.channels is not None  # IO asks for one of the two
    return init_linear(key, io.channels, d_model)


def embed(params: Params, inputs: Array) -> Array:
    """x[B, T, D] of tokens [B, T] or channels [B, T, C]."""
    table = params["embedding"]
    return embedding(table, inputs) if "table" in table else linear(table, inputs)


def without_padding(inputs: Array, valid: Array | None) -> Array:
    """Channels with zeros at padding, whatever stood there; tokens are looked up, and harm nobody."""
    return inputs if inputs.ndim == 2 else zero_padding(inputs, valid)
