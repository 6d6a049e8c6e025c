"""Multi-head self-attention as a mixer; its state is a key/value cache, a ring where a window bounds it."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import lax

from attn_jax.layers.decay import spared
from attn_jax.layers.multi_head import (
    BIASES,
    init_multi_head_attention,
    merge_heads,
    project_heads,
    project_memory,
    project_query,
)
from attn_jax.mixers.base import CutApply, Mixer, Places, cut, zero_padding
from attn_jax.mixers.parts.attention_positions import (
    TURNED,
    check_eval_length,
    check_relative,
    init_position_bias,
    next_positions,
    score_positions,
    turn_heads,
    whole_positions,
)
from attn_jax.mixers.parts.attention_similarities import (
    SimilarityConfig,
    check_beside,
    comparable,
    compared,
    init_similarity,
)
from attn_jax.mixers.parts.checked import checked
from attn_jax.ops.attention.cache import KVCache, init_cache, update_cache
from attn_jax.ops.attention.decode import cached_attention, decode_attention
from attn_jax.ops.attention.dense import attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.inputs import Implementation
from attn_jax.ops.attention.masks import Causal, Lengths, Mask, SlidingWindow
from attn_jax.ops.attention.paths import IMPLEMENTATIONS
from attn_jax.ops.attention.sinks import add_sinks
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class Attention(SimilarityConfig):
    """Multi-head self-attention, causal unless said otherwise (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, query heads of size D // N.
      num_kv_heads: K, key/value heads shared by N // K query heads each; None = N.
      use_bias: biases on the four projections.
      window: a place sees itself and `window` places before it; None = all before it.
      implementation: "dense", "blockwise" or another of `attn_jax.dot_product_attention`; None = the fastest.
        Decoding goes by what is fastest.
      causal: False = a place sees those after it too, `window` of them where there is one; then there is no decoding.
      sinks: one more score a head, learned, that takes its share of the softmax and gives nothing (OpenAI 2025,
        arXiv 2508.10925).
      qk_norm: RMS norm of each head's queries and keys, before they turn (Dehghani et al. 2023, arXiv 2302.05442).
      soft_cap: c, scores become c tanh(score / c), what positions add included (Gemma team 2024, arXiv 2408.00118).
      similarity, logit_scale, learn_scale: as in SimilarityConfig; what a score is before the cap.
      head_positions, rotary_base, num_buckets, max_distance, max_position, eval_length, eval_seed: as in
        PositionConfig.
    """

    source = "Vaswani et al. 2017, arXiv 1706.03762"
    num_heads: int = 4
    num_kv_heads: int | None = None
    use_bias: bool = False
    window: int | None = None
    implementation: Implementation | None = None
    causal: bool = True
    sinks: bool = False
    qk_norm: bool = False
    soft_cap: float | None = None

    def __post_init__(self):
        super().__post_init__()
        check_relative(self, causal=self.causal)
        if self.window is not None and self.window < 0:
            raise ValueError(f"window: got {self.window}, wanted at least 0, or None for no bound")
        if self.soft_cap is not None and not self.soft_cap > 0:
            raise ValueError(f"soft_cap: got {self.soft_cap}, wanted a number > 0, or None for no cap")
        if self.implementation not in (None, *IMPLEMENTATIONS):
            raise ValueError(
                f"implementation: got {self.implementation!r}, wanted None or one of {list(IMPLEMENTATIONS)}"
            )
        check_beside(self, qk_norm=self.qk_norm, window=self.window, implementation=self.implementation)
        for name, heads in (("num_heads", self.num_heads), ("num_kv_heads", self.kv_heads)):
            if heads < 1:
                raise ValueError(f"{name}: got {heads}, wanted at least 1")
        if self.num_heads % self.kv_heads:
            raise ValueError(f"num_kv_heads: got {self.kv_heads}, wanted a divisor of num_heads={self.num_heads}")

    @property
    def kv_heads(self) -> int:
        """K, the key/value heads."""
        return self.num_heads if self.num_kv_heads is None else self.num_kv_heads

    @property
    def divisor(self) -> int:
        """Heads divide the width, and rotation takes pairs of channels."""
        return 2 * self.num_heads if self.head_positions in TURNED else self.num_heads

    @property
    def countable(self) -> "Attention":
        """All scores at once: blocks have an order, our choice. Random positions turn heads as those in order do."""
        changes: dict[str, Any] = {"implementation": "dense"}
        if self.head_positions == "randomised":
            own = ("max_position", "eval_length", "eval_seed")
            changes |= {"head_positions": "rotary"} | {name: getattr(Attention, name) for name in own}
        return replace(self, **changes)

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        if self.width % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted a divisor of d_model={self.width}")
        if self.width % self.divisor:
            raise ValueError(
                f"num_heads: got {self.num_heads}, head_positions={self.head_positions!r} wants even D // N"
            )
        mixer = Mixer(
            init=partial(init, self),
            apply=CutApply(partial(apply, self), partial(apply_at, self)),
            init_state=partial(init_state, self) if self.causal else None,
            extend=partial(extend, self) if self.causal else None,
            inspect=partial(inspect, self),
            causal=self.causal,
            spared=partial(spared, [*BIASES, "b_relative"]),
        )
        return checked(mixer, self.width)


def init(config: Attention, key: Key) -> Params:
    """The projections, and what the similarity learns; sinks and the bias of positions start at zero."""
    params = init_multi_head_attention(
        key,
        d_model=config.width,
        num_heads=config.num_heads,
        num_kv_heads=config.kv_heads,
        use_bias=config.use_bias,
        qk_norm=config.qk_norm,
    )
    sinks = {"b_sinks": jnp.zeros(config.num_heads)} if config.sinks else {}
    sizes = config.num_heads, config.kv_heads, config.width // config.num_heads
    similarity = init_similarity(config, key, *sizes)
    return params | init_position_bias(config, config.num_heads) | sinks | similarity


def apply(config: Attention, params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """The whole sequence at once; a key draws the positions of "randomised" anew."""
    q, k, v = _project(config, params, x, valid, whole_positions(config, x, valid, key))
    return _attend(config, params, q, k, v, valid)


def apply_at(
    config: Attention, params: Params, x: Array, places: Places, valid: Array | None = None, *, key: Key | None = None
) -> Array:
    """`apply` at some places alone: their queries beside all keys and values."""
    x, positions = zero_padding(x, valid), whole_positions(config, x, valid, key)
    q, (k, v) = project_query(params, cut(x, places)), project_memory(params, x)
    asked = lax.dynamic_slice_in_dim(positions, *places, axis=-1)
    q, k = turn_heads(config, *comparable(config, params, q, k), asked, positions)
    return _attend(config, params, q, k, v, valid, places.first)


def _attend(
    config: Attention, params: Params, q: Array, k: Array, v: Array, valid: Array | None, first: int | Array = 0
) -> Array:
    """What queries that stand from place `first` on read of a whole sequence's keys and values, merged."""
    q, k, scoring = _scoring(config, params, q, k)
    options: dict[str, Any] = {"mask": _visible(config, valid), "implementation": config.implementation}
    heads = dot_product_attention(q, k, v, sinks=params.get("b_sinks"), q_offset=first, **scoring, **options)
    return merge_heads(params, heads)


def init_state(config: Attention, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> KVCache:
    """An empty cache of max_length places, or of a ring of window + 1."""
    del params
    check_eval_length(config, "max_length", max_length)
    head_dim = config.width // config.num_heads
    return init_cache(batch_size, max_length, config.kv_heads, head_dim, window=config.window, dtype=dtype)


def extend(
    config: Attention, params: Params, x: Array, state: KVCache, valid: Array | None = None
) -> tuple[Array, KVCache]:
    """Goes on from a cache by [B, T, D]; a place past the end of a cache that is no ring gives NaN."""
    q, k, v = _project(config, params, x, valid, next_positions(config, state.length, x.shape[1], valid))
    sinks = params.get("b_sinks")
    if config.similarity == "additive":  # scores of all keys, not of the new ones
        state = update_cache(state, k, v, valid)
        q, keys, scoring = _scoring(config, params, q, state.keys)
        heads = decode_attention(q, replace(state, keys=keys), valid=valid, sinks=sinks, **scoring)
    else:
        q, k, scoring = _scoring(config, params, q, k)
        heads, state = cached_attention(q, k, v, state, valid=valid, sinks=sinks, **scoring)
    return merge_heads(params, heads), state


def inspect(config: Attention, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The attention weights [B, N, T, S]; with sinks a row sums to less than 1."""
    q, k, v = _project(config, params, x, valid, whole_positions(config, x, valid, None))
    q, k, scoring = _scoring(config, params, q, k)
    options: dict[str, Any] = {"mask": _visible(config, valid)} | scoring
    weights = attention_weights(q, k, **options)
    if config.sinks:
        _, lse = dot_product_attention(q, k, v, return_lse=True, **options)
        weights = add_sinks(weights.swapaxes(1, 2), lse, params["b_sinks"])[0].swapaxes(1, 2)
    return {"weights": weights}


def _project(
    config: Attention, params: Params, x: Array, valid: Array | None, positions: Array
) -> tuple[Array, Array, Array]:
    """Queries, keys and values of x, padding zeroed, the first two made comparable, then turned by their positions."""
    q, k, v = project_heads(params, zero_padding(x, valid))
    return *turn_heads(config, *comparable(config, params, q, k), positions, positions), v


def _scoring(config: Attention, params: Params, q: Array, k: Array) -> tuple[Array, Array, dict[str, Any]]:
    """Queries, keys, and what makes their scores and is done to them, as options of attention."""
    q, k, options = compared(config, params, q, k)
    mod = score_positions(config, params, num_heads=config.num_heads, causal=config.causal)
    return q, k, options | {"score_mod": mod, "logits_soft_cap": config.soft_cap}


def _visible(config: Attention, valid: Array | None) -> Mask | None:
    """What each place sees. Padding lies on the right, so that a causal mask alone keeps it out."""
    if config.causal:
        return Causal() if config.window is None else SlidingWindow(config.window)
    near = None if config.window is None else SlidingWindow(config.window, config.window)
    if valid is None:
        return near
    read = Lengths(k=valid.sum(1, dtype=jnp.int32))
    return read if near is None else near & read
