"""Multi-head self-attention as a mixer; its state is a key/value cache, a ring where a window bounds it."""

from dataclasses import dataclass, replace
from functools import partial

import jax.numpy as jnp

from attn_jax.layers.multi_head import init_multi_head_attention, merge_heads, project_heads
from attn_jax.mixers.base import Mixer, MixerConfig, zero_padding
from attn_jax.ops.attention import dot_product_attention
from attn_jax.ops.cache import KVCache, init_cache, positions_from
from attn_jax.ops.choice import PATHS
from attn_jax.ops.decode import cached_attention
from attn_jax.ops.dense import attention_weights
from attn_jax.ops.inputs import Implementation
from attn_jax.ops.masks import Causal, Lengths, Mask, SlidingWindow
from attn_jax.ops.positions import rotary
from attn_jax.types import Array, Key, Params


@dataclass(frozen=True)
class Attention(MixerConfig):
    """Multi-head self-attention, causal unless said otherwise (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
      d_model: the width D, a multiple of num_heads; None = the model fills it.
      num_heads: N, query heads of size D // N.
      num_kv_heads: K, key/value heads shared by N // K query heads each; None = N.
      use_bias: biases on the four projections.
      window: a place sees itself and `window` places before it; None = all before it.
      rotary_base: queries and keys turn with their positions (Su et al. 2021, arXiv 2104.09864), commonly 10,000;
        None = they do not.
      implementation: "dense", "blockwise" or another of `attn_jax.dot_product_attention`; None = the fastest.
        Decoding goes by what is fastest.
      causal: False = a place sees those after it too, `window` of them where there is one; then there is no decoding.
    """

    num_heads: int = 4
    num_kv_heads: int | None = None
    use_bias: bool = False
    window: int | None = None
    rotary_base: float | None = None
    implementation: Implementation | None = None
    causal: bool = True

    def __post_init__(self):
        if self.window is not None and self.window < 0:
            raise ValueError(f"window: got {self.window}, wanted at least 0, or None for no bound")
        if self.rotary_base is not None and not self.rotary_base > 0:
            raise ValueError(f"rotary_base: got {self.rotary_base}, wanted a number > 0, or None for no rotation")
        if self.implementation not in (None, *PATHS):
            raise ValueError(f"implementation: got {self.implementation!r}, wanted None or one of {list(PATHS)}")
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
        return self.num_heads if self.rotary_base is None else 2 * self.num_heads

    @property
    def countable(self) -> "Attention":
        """All scores at once: blocks have an order, which is our choice and no property of attention."""
        return replace(self, implementation="dense")

    def make(self) -> Mixer:
        """Binds this configuration to the functions below."""
        if self.width % self.num_heads:
            raise ValueError(f"num_heads: got {self.num_heads}, wanted a divisor of d_model={self.width}")
        if self.width % self.divisor:
            raise ValueError(f"num_heads: got {self.num_heads}, rotary_base wants heads of even size D // N")
        return Mixer(
            init=partial(init, self),
            apply=partial(apply, self),
            init_state=partial(init_state, self) if self.causal else None,
            extend=partial(extend, self) if self.causal else None,
            inspect=partial(inspect, self),
            causal=self.causal,
        )


def init(config: Attention, key: Key) -> Params:
    """The projections of queries, keys, values and outputs."""
    return init_multi_head_attention(
        key,
        d_model=config.width,
        num_heads=config.num_heads,
        num_kv_heads=config.kv_heads,
        use_bias=config.use_bias,
    )


def apply(config: Attention, params: Params, x: Array, valid: Array | None = None, *, key: Key | None = None) -> Array:
    """The whole sequence at once."""
    del key
    q, k, v = _project(config, params, x, valid, jnp.arange(x.shape[1]))
    return merge_heads(params, _attend(config, q, k, v, valid))


def init_state(config: Attention, params: Params, batch_size: int, max_length: int, *, dtype=jnp.float32) -> KVCache:
    """An empty cache of max_length places, or of a ring of window + 1."""
    del params
    head_dim = config.width // config.num_heads
    return init_cache(batch_size, max_length, config.kv_heads, head_dim, window=config.window, dtype=dtype)


def extend(
    config: Attention, params: Params, x: Array, state: KVCache, valid: Array | None = None
) -> tuple[Array, KVCache]:
    """Goes on from a cache by [B, T, D]; a place past the end of a cache that is no ring gives NaN."""
    q, k, v = _project(config, params, x, valid, positions_from(state.length, x.shape[1]))
    mixed, state = cached_attention(q, k, v, state, valid=valid)
    return merge_heads(params, mixed), state


def inspect(config: Attention, params: Params, x: Array, valid: Array | None = None) -> dict[str, Array]:
    """The attention weights [B, N, T, S]."""
    q, k, _ = _project(config, params, x, valid, jnp.arange(x.shape[1]))
    return {"weights": attention_weights(q, k, mask=_visible(config, valid))}


def _project(
    config: Attention, params: Params, x: Array, valid: Array | None, positions: Array
) -> tuple[Array, Array, Array]:
    """Queries, keys and values of x, padding zeroed, the first two turned by their positions [T] or [B, T]."""
    q, k, v = project_heads(params, zero_padding(x, valid))
    if config.rotary_base is None:
        return q, k, v
    turn = partial(rotary, positions=positions, base=config.rotary_base)
    return turn(q), turn(k), v


def _attend(config: Attention, q: Array, k: Array, v: Array, valid: Array | None) -> Array:
    """[B, T, N, H] from queries, keys and values."""
    return dot_product_attention(q, k, v, mask=_visible(config, valid), implementation=config.implementation)


def _visible(config: Attention, valid: Array | None) -> Mask | None:
    """What each place sees. Padding lies on the right, so that a causal mask alone keeps it out."""
    if config.causal:
        return Causal() if config.window is None else SlidingWindow(config.window)
    near = None if config.window is None else SlidingWindow(config.window, config.window)
    if valid is None:
        return near
    read = Lengths(k=valid.sum(1, dtype=jnp.int32))
    return read if near is None else near & read
