"""Causal linear attention as a mixer; its state is a matrix a head, whatever the length."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from attn_jax.layers.multi_head import init_multi_head_attention, project_heads
from attn_jax.mixers.base import Mixer, zero_padding
from attn_jax.mixers.parts.matrix_memory import MatrixMemoryConfig, bind_matrix
from attn_jax.ops.recurrence.feature_maps import elu_plus_one, orthogonal_projection, positive_random_features, relu
from attn_jax.ops.recurrence.linear_attention import linear_attention
from attn_jax.types import Array, Key, Params, State

FeatureMap: TypeAlias = Literal["elu", "relu", "random"]


@dataclass(frozen=True)
class LinearAttention(MatrixMemoryConfig):
    """Linear attention, normalised (Katharopoulos et al. 2020, arXiv 2006.16236; Performer: arXiv 2009.14794).

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, heads of size H = P = D // N.
      form: "recurrent", "chunked" or "parallel", as `linear_attention` takes it; None = the fastest.
      feature_map: "elu" (elu + 1), "relu", or "random": positive random features that estimate softmax attention.
      num_features: M of the random features; None = 2 H.
      feature_seed: of the random directions, which are drawn once and never trained.
    """

    source = "Katharopoulos et al. 2020, arXiv 2006.16236"
    feature_map: FeatureMap = "elu"
    num_features: int | None = None
    feature_seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        if self.feature_map not in get_args(FeatureMap):
            raise ValueError(f"feature_map: got {self.feature_map!r}, wanted one of {list(get_args(FeatureMap))}")
        if self.num_features is not None and (self.feature_map != "random" or self.num_features < 1):
            raise ValueError(
                f"num_features: got {self.num_features} with feature_map={self.feature_map!r}, wanted None, "
                "or at least 1 with 'random'"
            )

    @property
    def features(self) -> int:
        """The rows of a head's memory: H, or M of the random features."""
        if self.feature_map != "random":
            return self.head_dim
        return 2 * self.head_dim if self.num_features is None else self.num_features

    @property
    def countable(self) -> "LinearAttention":
        """All weights at once: chunks have an order, which is our choice and no property of linear attention."""
        return replace(self, form="parallel")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        return bind_matrix(self, init, init_state, mix, inspect)


def init(config: LinearAttention, key: Key) -> Params:
    """The projections of queries, keys, values and outputs."""
    return init_multi_head_attention(key, d_model=config.width, num_heads=config.num_heads, head_dim=config.head_dim)


def init_state(
    config: LinearAttention, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32
) -> State:
    """The empty memory [B, N, M, P + 1], its last column the sum of the keys' features."""
    del params, max_length
    return jnp.zeros((batch_size, config.num_heads, config.features, config.head_dim + 1), dtype)


def mix(config: LinearAttention, params: Params, x: Array, memory: State, valid: Array | None) -> tuple[Array, State]:
    """[B, T, N, P] and the memory after x, whose padding is zero."""
    q, k, v = _features(config, params, x, valid)
    return linear_attention(q, k, v, initial=memory, normalise=True, form=config.form)


def inspect(config: LinearAttention, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The weights [B, N, T, S], each row summing to 1 but for the 1e-6 beside its sum."""
    q, k, _ = _features(config, params, zero_padding(x, valid), valid)
    weights = jnp.tril(jnp.einsum("btnh,bsnh->bnts", q, k, preferred_element_type=jnp.float32))
    return {"weights": weights / (weights.sum(-1, keepdims=True) + 1e-6)}


def _features(config: LinearAttention, params: Params, x: Array, valid: Array | None) -> tuple[Array, Array, Array]:
    """Features of queries and keys, and values; the features of a key at padding are 0, not those of a zero key."""
    q, k, v = project_heads(params, x)
    q, k = _feature_map(config, q), zero_padding(_feature_map(config, k), valid)
    return q, k, v


def _feature_map(config: LinearAttention, x: Array) -> Array:
    if config.feature_map == "elu":
        return elu_plus_one(x)
    if config.feature_map == "relu":
        return relu(x)
    with jax.ensure_compile_time_eval():  # a constant of the program: no run and no step draws it again
        directions = orthogonal_projection(jax.random.key(config.feature_seed), config.features, config.head_dim)
    return positive_random_features(x, directions)
