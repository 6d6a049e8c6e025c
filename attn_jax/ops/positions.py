"""Position encodings as functions of integer positions.

`sinusoidal` and `learned` are added to inputs, `rotary` turns queries and keys, `alibi_slopes` and `relative_buckets`
are for scores (ops/attention/scores.py). `randomised_positions` makes positions for any of them.
"""

import math
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from attn_jax.ops.arguments import array, flag, floats, integers, random_key, takes, whole
from attn_jax.ops.placement import vary_with
from attn_jax.types import Array, Key

_size = partial(whole, least=0)


@takes(positions=integers, d_model=partial(whole, least=1))
def sinusoidal(positions: Array, d_model: int, *, base: float = 10_000.0) -> Array:
    """The sinusoidal position encoding: sines in even, cosines in odd channels.

    pe[p, 2i] = sin(p / base^(2i / D)),    pe[p, 2i+1] = cos(p / base^(2i / D))

    Exact to about 1e-6 at any position an int32 holds, as `rotary`.

    Args:
      positions: [...] integers, the places counted from 0.
      d_model: the width D, even or odd.
      base: > 0; the wavelengths run from 2 pi to base * 2 pi places.

    Returns:
      [..., D] float32.

    Raises:
      ValueError: positions are no integers, d_model is no positive integer, or base is not positive.

    >>> sinusoidal(jnp.arange(2), 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]

    Reference: Vaswani et al. 2017, arXiv 1706.03762, section 3.5.
    """
    _check_base(base)
    angle = _angles(positions, base ** (-np.arange(0, d_model, 2) / d_model), jnp.dtype(jnp.float32))
    waves = jnp.stack([jnp.sin(angle), jnp.cos(angle)], -1)
    return waves.reshape(*angle.shape[:-1], 2 * angle.shape[-1])[..., :d_model]


@takes(positions=integers, table=partial(floats, rank=2, letters="[M, D]"))
def learned(positions: Array, table: Array) -> Array:
    """Looks learned position vectors up; a place outside the table gives NaN, never a neighbour's vector.

    Args:
      positions: [...] integers, the places counted from 0.
      table: [M, D] floating, one row a place.

    Returns:
      [..., D] in the table's dtype.

    Raises:
      ValueError: positions are no integers, or the table is not floating [M, D].

    >>> learned(jnp.array([1, 2]), jnp.ones((2, 1))).tolist()
    [[1.0], [nan]]

    Reference: Gehring et al. 2017, arXiv 1705.03122, section 3.1.
    """
    return table.at[positions].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)


@takes(x=array, positions=array, dim=whole, interleaved=flag)
def rotary(
    x: ArrayLike, positions: ArrayLike, *, base: float = 10_000.0, dim: int | None = None, interleaved: bool = False
) -> Array:
    """Turns pairs of channels of queries or keys by an angle that grows with their position.

    (x_i, x_j) -> (x_i cos a - x_j sin a, x_i sin a + x_j cos a),    a = p / base^(2i / dim),    i = 0 .. dim/2 - 1

    so that the dot product of a turned query and a turned key depends on the difference of their positions only.
    Channel i is paired with j = i + dim/2 (the halves of GPT-NeoX and Llama), or 2i with 2i + 1 (interleaved, as in the
    paper and GPT-J). Negated positions turn back. Angles are exact to about 1e-6 at any position an int32 holds.

    Args:
      x: [..., T, N, H], any floating dtype.
      positions: [T] integers, or broadcastable to [..., T]; after an offset, `offset + jnp.arange(T)`.
      base: > 0; the wavelengths run from 2 pi to nearly base * 2 pi places.
      dim: even; the first `dim` channels turn and the rest stay. None: H.
      interleaved: which channels are a pair.

    Returns:
      [..., T, N, H] in x's dtype, computed in float32 (float64 for float64 inputs).

    Raises:
      ValueError: a shape, a dtype or an option is wrong; the message names it.

    Example:
      >>> rotary(jnp.ones((2, 1, 4)), jnp.array([0, 3]), dim=2)[:, 0, 2:].tolist()
      [[1.0, 1.0], [1.0, 1.0]]
      >>> rotary(jnp.ones((8, 5, 4, 16), jnp.bfloat16), 7 + jnp.arange(5)).shape
      (8, 5, 4, 16)

    Reference: Su et al. 2021, arXiv:2104.09864, equation 34; partial: Black et al. 2022, arXiv:2204.06745, section 2.1.
    """
    x, positions = jnp.asarray(x), jnp.asarray(positions)
    dim = _check_rotary(x, positions, base, dim)
    turned, rest = x[..., :dim].astype(jnp.promote_types(x.dtype, jnp.float32)), x[..., dim:]
    positions = positions.reshape((1,) * (x.ndim - 2 - positions.ndim) + positions.shape)
    angle = _angles(positions, base ** (-np.arange(0, dim, 2) / dim), turned.dtype)[..., None, :]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    axis = -1 if interleaved else -2
    pairs = turned.reshape(*x.shape[:-1], *((dim // 2, 2) if interleaved else (2, dim // 2)))
    first, second = (jax.lax.index_in_dim(pairs, i, axis, keepdims=False) for i in (0, 1))
    turned = jnp.stack([first * cos - second * sin, first * sin + second * cos], axis).reshape(turned.shape)
    return jnp.concatenate([turned.astype(x.dtype), rest], -1)


@takes(num_heads=partial(whole, least=1))
def alibi_slopes(num_heads: int) -> Array:
    """How steeply each head's score falls with distance: a geometric sequence, 2^(-8/N), 2^(-16/N) ... 2^-8.

    Where N is no power of two, the slopes of the power below it, then every other one of the power above it.

    Args:
      num_heads: N.

    Returns:
      [N] float32.

    Raises:
      ValueError: num_heads is not a positive integer.

    Example:
      >>> alibi_slopes(4).tolist()
      [0.25, 0.0625, 0.015625, 0.00390625]
      >>> alibi_slopes(3).tolist()
      [0.0625, 0.00390625, 0.25]

    Reference: Press, Smith & Lewis 2021, arXiv:2108.12409, section 3, and `get_slopes` of its code.
    """
    below = 1 << (num_heads.bit_length() - 1)
    exponents = [-8 * (i + 1) / below for i in range(below)]
    exponents += [-8 * (2 * i + 1) / (2 * below) for i in range(num_heads - below)]
    return jnp.array([2.0**exponent for exponent in exponents], jnp.float32)


@takes(relative_position=integers, num_buckets=whole, max_distance=whole, bidirectional=flag)
def relative_buckets(
    relative_position: ArrayLike, *, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
) -> Array:
    """T5's ranges of relative positions: near ones each have a bucket, far ones share buckets of growing width.

    With n buckets a direction and d the distance, e = n // 2:

    bucket = d where d < e, else min(n - 1, e + floor((n - e) log(d / e) / log(max_distance / e)))

    Bidirectional: n = num_buckets // 2, d = |k - q|, and keys after the query have n added. Otherwise n = num_buckets
    and d = max(q - k, 0). Bounds between buckets are worked out as integers: the same on every backend.

    Args:
      relative_position: integers k - q, any shape.
      num_buckets: even where bidirectional; at least 2 a direction.
      max_distance: > n // 2; from here on all distances share the last bucket (in fact from a little before).
      bidirectional: whether keys after the query have buckets of their own.

    Returns:
      int32 of relative_position's shape, in 0 .. num_buckets - 1.

    Raises:
      ValueError: an argument is wrong; the message names it.

    Example:
      >>> relative_buckets(jnp.array([-1000, -8, -1, 0, 1, 8, 1000])).tolist()
      [15, 8, 1, 0, 17, 24, 31]

    Reference: Raffel et al. 2019, arXiv:1910.10683, section 2.1, and `_relative_position_bucket` of its code.
    """
    side = check_buckets(num_buckets, max_distance, bidirectional=bidirectional)
    # clipped, for no negative to wrap: from max_distance on all are in the last bucket; and in 32 bits at least
    wide = jnp.promote_types(jnp.result_type(relative_position), jnp.int32)
    relative_position = jnp.clip(jnp.asarray(relative_position, wide), -max_distance, max_distance)
    distance = jnp.abs(relative_position) if bidirectional else jnp.maximum(-relative_position, 0)
    bucket = jnp.minimum(distance, side // 2).astype(jnp.int32)
    for start in _bucket_starts(side, max_distance):
        bucket = bucket + (distance >= start).astype(jnp.int32)
    return bucket + side * (relative_position > 0).astype(jnp.int32) if bidirectional else bucket


@takes(key=random_key, length=_size, max_position=_size, used=integers)
def randomised_positions(key: Key, length: int, max_position: int, *, used: ArrayLike | None = None) -> Array:
    """Random places for a sequence: a sorted random subset, without replacement, of 0 .. max_position - 1.

    A model that has been trained on them has met the positions of sequences longer than any it was trained on.
    Drawn in T steps (Floyd): 128 rows of T 40 of 2048 in .4 ms on a CPU, where a permutation takes 73.

    Args:
      key: a key.
      length: T, the size of the subset.
      max_position: how many places there are, at least T.
      used: an integer up to T, traced if need be, where only that many places are no padding: the subset is of this
        size, and the rest are max_position. None: T.

    Returns:
      [T] int32, ascending.

    Raises:
      ValueError: a size is no integer, is negative, or max_position is smaller than length.

    Example:
      >>> randomised_positions(jax.random.key(0), 4, 4).tolist()
      [0, 1, 2, 3]
      >>> randomised_positions(jax.random.key(0), 4, 2048).shape
      (4,)
      >>> randomised_positions(jax.random.key(0), 4, 2048, used=1)[1:].tolist()
      [2048, 2048, 2048]

    Reference: Ruoss et al. 2023, arXiv:2305.16843, section 3; Bentley & Floyd 1987, A sample of brilliance.
    """
    if max_position < length:
        raise ValueError(f"max_position: got {max_position}, wanted at least length = {length} places")
    size, places = jnp.asarray(length if used is None else used, jnp.int32), jnp.arange(length, dtype=jnp.int32)
    last = max_position - size + places
    draws = (jax.random.bits(key, (length,), jnp.uint32) % (last + 1).astype(jnp.uint32)).astype(jnp.int32)

    def add(subset, candidate):
        place, last, draw = candidate
        new = jnp.where(jnp.any(subset == draw), last, draw)
        return jnp.where((places == place) & (place < size), new, subset), None

    none = vary_with(jnp.full(length, max_position, jnp.int32), draws)
    return jnp.sort(jax.lax.scan(add, none, (places, last, draws))[0])


def check_buckets(num_buckets: int, max_distance: int, *, bidirectional: bool) -> int:
    """How many buckets a direction has, or a ValueError where they cannot be told apart."""
    side, odd = divmod(num_buckets, 2) if bidirectional else (num_buckets, 0)
    if side < 2 or odd:
        wanted = "an even number >= 4 (half of them for each direction)" if bidirectional else "at least 2"
        raise ValueError(f"num_buckets: got {num_buckets}, wanted {wanted}")
    if max_distance <= side // 2:
        raise ValueError(f"max_distance: got {max_distance}, wanted more than the {side // 2} distances that are exact")
    return side


def _bucket_starts(side: int, max_distance: int) -> list[int]:
    """The smallest distance of each bucket after the first shared one, exactly: e (max_distance / e)^(j / (n - e))."""
    exact, shared = side // 2, side - side // 2
    ratio = Fraction(max_distance, exact)
    starts = []
    for j in range(1, shared):
        start = max(exact, math.floor(exact * float(ratio) ** (j / shared)) - 1)
        while Fraction(start, exact) ** shared < ratio**j:
            start += 1
        starts.append(start)
    return starts


def _angles(positions: Array, frequencies: np.ndarray, dtype: jnp.dtype) -> Array:
    """`positions * frequencies` up to whole turns, [..., F].

    A float32 product is off by .005 radian at position 100,000. So turns are counted in units of 2^-32:
    the integer part of a frequency times a position wraps by itself, and what is left of the frequency is small.
    """
    units = np.reshape(frequencies * (2.0**32 / (2 * math.pi)), (*(1,) * positions.ndim, -1))
    whole, places = np.rint(units), positions[..., None]
    wrapped = jax.lax.bitcast_convert_type(places.astype(jnp.uint32) * (whole % 2**32).astype(np.uint32), jnp.int32)
    left = places.astype(dtype) * (units - whole).astype(dtype)
    return (wrapped.astype(dtype) + left) * (2 * math.pi / 2**32)


def _check_base(base: float) -> None:
    """Raises a ValueError unless the base is a positive number, known while tracing."""
    if not isinstance(base, (int, float, np.number)) or not 0 < base < math.inf:
        raise ValueError(f"base: got {base!r}, wanted a number > 0")


def _check_rotary(x: Array, positions: Array, base: float, dim: int | None) -> int:
    """How many channels turn, or a ValueError."""
    if x.ndim < 3 or not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"x: got {x.dtype}{list(x.shape)}, wanted floats [..., T, N, H]")
    if not jnp.issubdtype(positions.dtype, jnp.integer):
        raise ValueError(f"positions: got dtype {positions.dtype}, wanted integers")
    places = x.shape[:-2]
    fits = all(a in (1, b) for a, b in zip(positions.shape[::-1], places[::-1], strict=False))
    if not 0 < positions.ndim <= len(places) or not fits:
        raise ValueError(
            f"positions: got shape {positions.shape}, wanted [T], or one that broadcasts to [..., T] = {places}; "
            "x is [..., T, N, H]: did you pass [B, N, T, H]?"
        )
    _check_base(base)
    dim = x.shape[-1] if dim is None else dim
    if dim % 2 or not 0 < dim <= x.shape[-1]:
        raise ValueError(f"dim: got {dim}, wanted an even number of channels, from 2 to H = {x.shape[-1]}")
    return dim
