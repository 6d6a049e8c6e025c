"""Position encodings against float64 loops."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.positions import (
    alibi_slopes,
    learned,
    randomised_positions,
    relative_buckets,
    rotary,
    sinusoidal,
)


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


SINUSOIDAL = jax.jit(sinusoidal, static_argnames=("d_model", "base"))


def waves(positions, d_model, base=10_000.0):
    """The sinusoidal encoding in float64, channel by channel."""
    got = np.empty((len(positions), d_model))
    for i, p in enumerate(positions):
        for channel in range(d_model):
            angle = int(p) / base ** (2 * (channel // 2) / d_model)
            got[i, channel] = math.sin(angle) if channel % 2 == 0 else math.cos(angle)
    return got


@pytest.mark.parametrize(("d_model", "base"), [(1, 10_000.0), (6, 10_000.0), (7, 500_000.0), (8, 0.5)])
@pytest.mark.parametrize("first", [0, -9, 100_000, 1_000_000, 2**24 + 1, 2**31 - 50])
def test_sinusoidal_is_exact_at_every_position(d_model, base, first):
    """A float32 angle would be off by .002 at 100,000 and by .03 at 1,000,000."""
    positions = first + np.arange(50, dtype=np.int32)
    np.testing.assert_allclose(SINUSOIDAL(positions, d_model, base=base), waves(positions, d_model, base), atol=1e-6)


def test_sinusoidal_twin():
    """The angle as a float32 product is refused."""
    frequencies = 10_000.0 ** -(np.arange(0, 6, 2) / 6)
    angles = np.float32(1_000_000) * frequencies.astype(np.float32)
    assert np.abs(np.sin(angles) - waves([1_000_000], 6)[0, ::2]).max() > 1e-4


def test_sinusoidal_of_integers_of_any_width():
    for dtype in (np.int8, np.uint8, np.int16, np.int32):
        np.testing.assert_array_equal(SINUSOIDAL(np.array([3, 100], dtype), 6), SINUSOIDAL(np.array([3, 100]), 6))


def test_randomised_positions_do_not_depend_on_64_bits():
    def drawn():
        return jax.jit(lambda: randomised_positions(jax.random.key(3), 9, 2048))().tolist()

    want = drawn()
    with jax.enable_x64(True):
        assert drawn() == want


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_relative_buckets_at_the_ends_of_a_dtype(dtype):
    """The absolute value of the lowest integer wraps, and unsigned ones have no negative."""
    ends = np.iinfo(dtype)
    got = BUCKETS(np.array([ends.min, -1, 0, 1, ends.max], dtype))
    assert got.tolist() == [15, 1, 0, 17, 31]
    assert BUCKETS(np.array([5], np.uint8), bidirectional=False).tolist() == [0]


def test_learned_never_clamps():
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    got = np.asarray(jax.jit(learned)(np.array([[0, 2], [3, -1]]), table))
    np.testing.assert_array_equal(got[0], table[[0, 2]])
    assert np.isnan(got[1]).all()


# compiled whole: one by one, the operations of each shape would take most of the time of these tests
ROTARY = jax.jit(rotary, static_argnames=("base", "dim", "interleaved"))
BUCKETS = jax.jit(relative_buckets, static_argnames=("num_buckets", "max_distance", "bidirectional"))


def turned(x, positions, base=10_000.0, dim=None, interleaved=False):
    """Rotary by loops, x [B, T, N, H] and positions [B, T]: each pair of channels is a complex number."""
    x = np.asarray(x, np.float64)
    out, dim = x.copy(), x.shape[-1] if dim is None else dim
    for b, t, n in np.ndindex(x.shape[:-1]):
        for i in range(dim // 2):
            first, second = (2 * i, 2 * i + 1) if interleaved else (i, i + dim // 2)
            angle = int(positions[b, t]) * base ** (-2 * i / dim)
            number = complex(x[b, t, n, first], x[b, t, n, second]) * complex(math.cos(angle), math.sin(angle))
            out[b, t, n, first], out[b, t, n, second] = number.real, number.imag
    return out


X = np.random.default_rng(0).normal(size=(2, 5, 3, 8)).astype(np.float32)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize(("dim", "base"), [(None, 10_000.0), (4, 500_000.0), (2, 10.0), (8, 0.5)])
def test_rotary(interleaved, dim, base):
    positions = np.array([[0, 1, 2, 3, 4], [7, -8, 9, 30, 5]])
    got = ROTARY(X, positions, base=base, dim=dim, interleaved=interleaved)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, turned(X, positions, base, dim, interleaved), atol=3e-6)
    if dim is not None:
        np.testing.assert_array_equal(got[..., dim:], X[..., dim:])


def test_rotary_positions_may_have_an_offset_no_batch_and_a_trace():
    want = turned(X, np.tile(7 + np.arange(5), (2, 1)))
    offset = jax.jit(lambda start: rotary(X, start + jnp.arange(5)))(7)
    np.testing.assert_allclose(offset, want, atol=3e-6)
    np.testing.assert_allclose(ROTARY(X[0], 7 + jnp.arange(5)), want[0], atol=3e-6)
    np.testing.assert_allclose(ROTARY(X, jnp.array([[7], [9]]))[1], turned(X, np.full((2, 5), 9))[1], atol=3e-6)


@pytest.mark.parametrize("far", [100_000, 2**24 + 1, 2**31 - 5])
def test_rotary_is_exact_far_out(far):
    """A float32 angle would be off by .005 at 100,000, and by whole turns at the end of int32."""
    positions = np.tile(far - np.arange(5), (2, 1))
    np.testing.assert_allclose(ROTARY(X, positions), turned(X, positions), atol=5e-6)


def test_rotary_scores_depend_on_the_difference_of_positions_only():
    query, key = X[:1, :1], X[1:, 1:2]

    def score(q, k):
        return np.sum(ROTARY(query, np.array([q])) * ROTARY(key, np.array([k])))

    want = float(score(5, 2))
    for shift in (-5, 1, 1000, 1_000_000):
        assert abs(score(5 + shift, 2 + shift) - want) < 1e-5
    assert abs(score(5, 3) - want) > 1e-2


def test_rotary_layouts_are_one_up_to_the_order_of_channels():
    halves = np.concatenate([np.arange(0, 8, 2), np.arange(1, 8, 2)])
    positions = jnp.arange(5)
    np.testing.assert_array_equal(
        ROTARY(X, positions, interleaved=True)[..., halves], ROTARY(X[..., halves], positions)
    )


def test_rotary_keeps_lengths_and_turns_back():
    positions = jnp.arange(5) * 100
    there = ROTARY(X, positions)
    np.testing.assert_allclose(np.linalg.norm(there, axis=-1), np.linalg.norm(X, axis=-1), rtol=1e-5)
    np.testing.assert_allclose(ROTARY(there, -positions), X, atol=1e-5)


def test_rotary_in_other_dtypes(x64):
    positions = np.tile(1000 + np.arange(5), (2, 1))
    half = ROTARY(jnp.asarray(X, jnp.bfloat16), positions)
    rounded = np.asarray(jnp.asarray(X, jnp.bfloat16), np.float64)
    assert half.dtype == jnp.bfloat16
    # the one rounding is that of the result: half a unit in the last of 8 bits
    np.testing.assert_allclose(np.asarray(half, np.float64), turned(rounded, positions), rtol=2.0**-8, atol=1e-5)
    double = ROTARY(jnp.asarray(X, jnp.float64), positions)
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(double, turned(X, positions), atol=1e-12)


def test_rotary_gradient_is_the_turn_back():
    positions, cotangent = jnp.arange(5), jnp.asarray(X[::-1])
    (got,) = jax.vjp(lambda x: ROTARY(x, positions, dim=4), jnp.asarray(X))[1](cotangent)
    np.testing.assert_allclose(got, ROTARY(cotangent, -positions, dim=4), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X[0, 0]}, r"x: got float32\[3, 8\], wanted floats \[\.\.\., T, N, H\]"),
        ({"x": X.astype(int)}, r"x: got int32"),
        ({"positions": np.arange(5.0)}, "positions: got dtype float32, wanted integers"),
        ({"positions": np.arange(3)}, r"positions: got shape \(3,\), wanted \[T\].*did you pass \[B, N, T, H\]"),
        ({"positions": np.zeros((1, 2, 5), int)}, r"positions: got shape \(1, 2, 5\)"),
        ({"positions": np.int32(3)}, r"positions: got shape \(\)"),
        ({"base": 0.0}, "base: got 0.0, wanted a number > 0"),
        ({"dim": 3}, "dim: got 3, wanted an even number of channels, from 2 to H = 8"),
        ({"dim": 10}, "dim: got 10"),
        ({"dim": 0}, "dim: got 0"),
        ({"x": X[..., :7]}, "dim: got 7"),
    ],
)
def test_rotary_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        rotary(**({"x": X, "positions": np.arange(5)} | arguments))


def slopes_of_the_paper(n):
    """`get_slopes` of the paper's code, by loops."""
    if (n & (n - 1)) == 0:
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]
    closest = 2 ** math.floor(math.log2(n))
    return slopes_of_the_paper(closest) + slopes_of_the_paper(2 * closest)[0::2][: n - closest]


@pytest.mark.parametrize("num_heads", [1, 2, 3, 6, 12, 16, 20, 33])
def test_alibi_slopes(num_heads):
    got = alibi_slopes(num_heads)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, slopes_of_the_paper(num_heads), rtol=1e-6)


def test_alibi_slopes_of_eight_and_twelve_heads():
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    want = [2.0**-i for i in range(1, 9)] + [2.0**-i for i in (0.5, 1.5, 2.5, 3.5)]
    np.testing.assert_allclose(alibi_slopes(12), want, rtol=1e-7)


@pytest.mark.parametrize("num_heads", [0, -1, 2.0])
def test_alibi_slopes_refuse(num_heads):
    with pytest.raises(ValueError, match=r"num_heads: got .*, wanted an integer >= 1"):
        alibi_slopes(num_heads)


def bucket_of_the_paper(relative, num_buckets, max_distance, bidirectional):
    """T5's formula for one number; 1e-9 keeps a logarithm that is a whole number from falling below itself."""
    side, first = (num_buckets // 2, num_buckets // 2 * (relative > 0)) if bidirectional else (num_buckets, 0)
    distance = abs(relative) if bidirectional else max(-relative, 0)
    exact = side // 2
    if distance < exact:
        return first + distance
    share = math.log(distance / exact) / math.log(max_distance / exact)
    return first + min(side - 1, exact + math.floor((side - exact) * share + 1e-9))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (4, 3), (10, 17), (6, 1000), (64, 50)])
def test_relative_buckets(num_buckets, max_distance, bidirectional):
    relative = np.arange(-2 * max_distance, 2 * max_distance + 1)
    want = [bucket_of_the_paper(int(r), num_buckets, max_distance, bidirectional) for r in relative]
    options = {"num_buckets": num_buckets, "max_distance": max_distance, "bidirectional": bidirectional}
    got = BUCKETS(relative.reshape(1, -1), **options)
    assert got.dtype == jnp.int32
    np.testing.assert_array_equal(got[0], want)


def test_relative_buckets_begin_where_they_do_in_t5():
    def starts(buckets):
        return [int(np.argmax(buckets == b)) for b in range(16)]

    past = np.asarray(BUCKETS(-np.arange(200)))
    assert starts(past) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]
    assert past[-1] == 15
    np.testing.assert_array_equal(BUCKETS(np.arange(1, 200)), 16 + past[1:])
    causal = np.asarray(BUCKETS(-np.arange(200), bidirectional=False))
    assert starts(causal - 16) == [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]
    assert not np.asarray(BUCKETS(np.arange(1, 200), bidirectional=False)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"relative_position": np.zeros(2)}, "relative_position: got dtype float32, wanted integers"),
        ({"num_buckets": 2}, "num_buckets: got 2, wanted an even number >= 4"),
        ({"num_buckets": 7}, "num_buckets: got 7, wanted an even number"),
        ({"num_buckets": 1, "bidirectional": False}, "num_buckets: got 1, wanted at least 2"),
        ({"max_distance": 8}, "max_distance: got 8, wanted more than the 8 distances that are exact"),
    ],
)
def test_relative_buckets_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        relative_buckets(**({"relative_position": np.arange(3)} | arguments))


def test_randomised_positions_are_a_sorted_random_subset():
    keys = jax.random.split(jax.random.key(0), 4000)
    draws = np.asarray(jax.jit(jax.vmap(lambda key: randomised_positions(key, 4, 10)))(keys))
    assert draws.dtype == np.int32
    assert draws.shape == (4000, 4)
    assert draws.min() == 0
    assert draws.max() == 9
    assert (np.diff(draws, axis=1) > 0).all()
    # each place is in 4 of 10 subsets; 4.5 standard errors of 4000 draws
    share = np.bincount(draws.ravel(), minlength=10) / 4000
    np.testing.assert_allclose(share, 0.4, atol=4.5 * math.sqrt(0.4 * 0.6 / 4000))
    # and so is each of the 210 subsets, within as many of theirs: places are not drawn by the block
    counts = np.unique(draws, axis=0, return_counts=True)[1]
    assert len(counts) == 210
    assert abs(counts - 4000 / 210).max() < 4.5 * math.sqrt(4000 / 210)


def test_randomised_positions_of_all_places_and_of_none():
    all_places, none = jax.jit(lambda: [randomised_positions(jax.random.key(i), n, 7) for i, n in ((1, 7), (2, 0))])()
    assert all_places.tolist() == list(range(7))
    assert none.shape == (0,)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((5, 4), "max_position: got 4, wanted at least length = 5 places"),
        ((-1, 4), "length: got -1, wanted an integer >= 0"),
        ((2, 4.0), "max_position: got 4.0, wanted an integer"),
    ],
)
def test_randomised_positions_refuse(sizes, message):
    with pytest.raises(ValueError, match=message):
        randomised_positions(jax.random.key(0), *sizes)
