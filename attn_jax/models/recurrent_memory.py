"""What a recurrent decoder asks: the encoder's outputs, kept so that a step multiplies only its query."""

from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from attn_jax.ops.attention.retrieval import Retrieval, attend
from attn_jax.ops.attention.similarities import dot_product, init_additive, init_bilinear
from attn_jax.types import Array, Key, Params

CrossAttention: TypeAlias = Literal["none", "additive", "bilinear", "dot"]


class Memory(NamedTuple):
    """What the decoder asks; None in a model without attention."""

    keys: Array  # [B, S, D], the part of the similarity that no query changes, computed once
    values: Array  # [B, S, D], what the encoder's top layer gave
    valid: Array  # bool [B, S]


def init_attention(kind: CrossAttention, width: int, key: Key) -> Params:
    """What its similarity is made of: of queries and vectors of this width."""
    if kind == "additive":
        return init_additive(key, width, width, width)
    return init_bilinear(key, width, width) if kind == "bilinear" else {}


def remember(kind: CrossAttention, params: Params, x: Array, valid: Array | None) -> Memory:
    """The encoder's outputs as keys and values."""
    keys = x
    if kind != "dot":
        keys = x @ (params["w_k"] if kind == "additive" else params["weights"].T)
    return Memory(keys, x, jnp.ones(x.shape[:2], bool) if valid is None else valid)


def ask(kind: CrossAttention, params: Params, memory: Memory, query: Array) -> Retrieval:
    """What each row's query [B, D] finds."""
    similarity = dot_product  # query^T W key_s is the dot product with W key_s
    if kind == "additive":
        similarity = partial(_additive, params["w_q"], params["v"])
    return jax.vmap(partial(attend, similarity=similarity))(query, memory.keys, memory.values, memory.valid)


def _additive(w_q: Array, v: Array, query: Array, keys: Array) -> Array:
    """`attn_jax.additive` of keys that were multiplied by w_k already."""
    return jnp.tanh(query @ w_q + keys) @ v
