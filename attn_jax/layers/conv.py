"""Causal convolutions along time, each channel by itself: few taps with a carried state, or as many as places."""

import math
from functools import partial

import jax
import jax.numpy as jnp

from attn_jax.ops.arguments import flag, floats, random_key, takes, whole
from attn_jax.ops.layout import with_rank
from attn_jax.ops.norms import accumulator
from attn_jax.ops.padding import prefix
from attn_jax.types import Array, Key, Params


@takes(key=random_key, channels=partial(whole, least=1), kernel_size=partial(whole, least=1), use_bias=flag)
def init_causal_conv(key: Key, channels: int, kernel_size: int, *, use_bias: bool = True) -> Params:
    """Parameters of `causal_conv`: taps uniform in +-1 / sqrt(kernel_size), as torch starts a depthwise one; bias zero.

    Args:
      key: a key.
      channels: C.
      kernel_size: W, the number of taps; the oldest input that is seen lies W - 1 places back.
      use_bias: False leaves b out.

    Returns:
      {"w": [W, C], "b": [C]}, float32; w[l] weighs the input l places back.

    >>> init_causal_conv(jax.random.key(0), 3, 4)["w"].shape
    (4, 3)
    """
    limit = 1 / math.sqrt(kernel_size)
    params = {"w": jax.random.uniform(key, (kernel_size, channels), jnp.float32, minval=-limit, maxval=limit)}
    return params | {"b": jnp.zeros(channels)} if use_bias else params


@takes(batch_size=partial(whole, least=0), channels=partial(whole, least=1), kernel_size=partial(whole, least=1))
def init_conv_state(batch_size: int, channels: int, kernel_size: int, *, dtype=jnp.float32) -> Array:
    """No inputs yet: zeros for the W - 1 places before the first.

    Args:
      batch_size: B.
      channels: C.
      kernel_size: W.
      dtype: of the state.

    Returns:
      [B, W - 1, C].

    >>> init_conv_state(2, 3, 4).shape
    (2, 3, 3)
    """
    return jnp.zeros((batch_size, kernel_size - 1, channels), dtype)


@takes(x=partial(floats, rank=3, letters="[B, T, C]"), state=floats)
def causal_conv(
    params: Params, x: Array, state: Array | None = None, valid: Array | None = None
) -> tuple[Array, Array]:
    """A depthwise causal convolution that goes on from the inputs before it.

    y_t = sum_l w_l x_(t - l) + b,    l = 0 .. W - 1

    Args:
      params: of `init_causal_conv`.
      x: [B, T, C].
      state: [B, W - 1, C], the inputs before the first, oldest first; None = zeros, in at least float32.
      valid: [B, T] bool, a prefix of each row, False = padding, which the new state leaves out; None = all valid.

    Returns:
      (y [B, T, C] in x's dtype, the last W - 1 valid inputs in the state's dtype). Sums are at least float32.

    Raises:
      ValueError: the width of x or the shape of the state is not that of the parameters.

    >>> y, state = causal_conv({"w": jnp.array([[1.0], [10.0]])}, jnp.array([[[1.0], [2.0], [3.0]]]))
    >>> y[0, :, 0].tolist(), state.tolist()
    ([1.0, 12.0, 23.0], [[[3.0]]])
    """
    (B, T, C), (W, channels), wide = x.shape, params["w"].shape, accumulator(x.dtype)
    if channels != C:
        raise ValueError(f"x: got shape {x.shape}, wanted [B, T, C] with C = {channels}")
    state = init_conv_state(B, C, W, dtype=wide) if state is None else state
    if state.shape != (B, W - 1, C):
        raise ValueError(f"state: got shape {state.shape}, wanted [B, W - 1, C] = {(B, W - 1, C)}")
    valid = prefix("valid", valid, x.shape[:2])
    seen = jnp.concatenate([state.astype(wide), x.astype(wide)], 1)
    y = with_rank(params["b"], 3) if "b" in params else jnp.zeros((1, 1, C), wide)
    for lag in range(W):
        y = y + with_rank(params["w"][lag], 3) * seen[:, W - 1 - lag : W - 1 - lag + T]
    return y.astype(x.dtype), _last_inputs(seen, W - 1, valid).astype(state.dtype)


def _last_inputs(seen: Array, count: int, valid: Array | None) -> Array:
    """The last `count` places of [B, count + T, C], each row counted from its last valid one."""
    if valid is None:
        return seen[:, seen.shape[1] - count :]
    places = valid.sum(1)[:, None] + jnp.arange(count)[None]
    return jnp.take_along_axis(seen, places[..., None], 1)


@takes(x=floats, filters=floats)
def long_conv(x: Array, filters: Array) -> Array:
    """A causal convolution with a filter as long as the sequence, by an FFT of twice its length: O(T log T).

    y_t = sum_(s <= t) f_(t - s) x_s

    Args:
      x: [B, T, C].
      filters: [L, C], the weight of the input at each lag; lags from L on weigh 0, those from T on are not read.

    Returns:
      [B, T, C] in at least float32, rounded as an FFT rounds: relative to the largest output, not to each.

    Raises:
      ValueError: a shape that does not fit.

    >>> jnp.round(long_conv(jnp.ones((1, 3, 1)), jnp.array([[1.0], [10.0], [100.0]])))[0, :, 0].tolist()
    [1.0, 11.0, 111.0]

    Reference: Cooley & Tukey 1965; twice the length, so that nothing wraps around: Gu et al. 2021, arXiv 2111.00396.
    """
    if x.ndim != 3 or filters.ndim != 2 or filters.shape[1] != x.shape[2]:
        raise ValueError(f"filters: got shape {filters.shape} for x of {x.shape}, wanted [L, C] for [B, T, C]")
    T, wide = x.shape[1], jnp.promote_types(accumulator(x.dtype), accumulator(filters.dtype))
    if T == 0:  # which has no transform
        return x.astype(wide)
    spectrum = jnp.fft.rfft(x.astype(wide), 2 * T, axis=1) * jnp.fft.rfft(filters[None, :T].astype(wide), 2 * T, axis=1)
    return jnp.fft.irfft(spectrum, 2 * T, axis=1)[:, :T]
