"""Score modifications against float64 loops, on both layouts of places, and their derivatives."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.ops.attention.scores import ALiBi, RelativeBias, ScoreMod, ScoreModification, SoftCap, compose


@pytest.fixture(autouse=True, scope="module")
def _strict():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


B, N, T, S = 2, 3, 5, 7
RNG = np.random.default_rng(0)
SCORES = RNG.normal(0, 3, (B, N, T, S)).astype(np.float32)
SLOPES = np.array([0.5, 0.25, 2.0], np.float32)
TABLE = RNG.normal(size=(6, N)).astype(np.float32)


def by_batch_and_head(params, score, b, h, q, k):
    """A modification of one's own that reads every place."""
    distance = jnp.asarray(q - k, score.dtype)
    return score * jnp.asarray(params["gain"], score.dtype)[b] + jnp.asarray(h, score.dtype) * distance


def bucket(relative, num_buckets, max_distance, bidirectional):
    side, first = (num_buckets // 2, num_buckets // 2 * (relative > 0)) if bidirectional else (num_buckets, 0)
    distance, exact = abs(relative) if bidirectional else max(-relative, 0), side // 2
    if distance < exact:
        return first + distance
    share = math.log(distance / exact) / math.log(max_distance / exact)
    return first + min(side - 1, exact + math.floor((side - exact) * share + 1e-9))


GAIN = np.array([2.0, -1.0], np.float32)
# name -> (modification, the same for one score at (b, h, q, k) in Python floats)
MODS = {
    "alibi": (ALiBi(SLOPES), lambda s, b, h, q, k: s - float(SLOPES[h]) * abs(q - k)),
    "relative": (
        RelativeBias(TABLE, max_distance=4),
        lambda s, b, h, q, k: s + float(TABLE[bucket(k - q, 6, 4, True), h]),
    ),
    "causal relative": (
        RelativeBias(TABLE, bidirectional=False, max_distance=5),
        lambda s, b, h, q, k: s + float(TABLE[bucket(k - q, 6, 5, False), h]),
    ),
    "soft cap": (SoftCap(2.5), lambda s, b, h, q, k: 2.5 * math.tanh(s / 2.5)),
    "own": (
        ScoreMod(by_batch_and_head, {"gain": GAIN}),
        lambda s, b, h, q, k: s * float(GAIN[b]) + h * (q - k),
    ),
    "composed": (
        compose(ALiBi(SLOPES), SoftCap(2.0)),
        lambda s, b, h, q, k: 2.0 * math.tanh((s - float(SLOPES[h]) * abs(q - k)) / 2.0),
    ),
    "composed with a function": (
        compose(SoftCap(2.0), lambda s, b, h, q, k: s + jnp.asarray(h, s.dtype)),
        lambda s, b, h, q, k: 2.0 * math.tanh(s / 2.0) + h,
    ),
}


def looped(oracle, scores, q_offset=0):
    want = np.empty(scores.shape)
    for b, h, t, s in np.ndindex(scores.shape):
        want[b, h, t, s] = oracle(float(scores[b, h, t, s]), b, h, t + q_offset, s)
    return want


def full_rank(q_offset=0):
    """Places as the dense path has them, b with an axis of its own."""
    shapes = (B, 1, 1, 1), (1, N, 1, 1), (1, 1, T, 1), (1, 1, 1, S)
    b, h, q, k = (jnp.arange(max(shape)).reshape(shape) for shape in shapes)
    return b, h, q + q_offset, k


def block(b, q_offset=0):
    """Places as the blockwise path has them: b a scalar, h [G, 1, 1], q [1, bq, 1], k [1, 1, bk]."""
    h, q, k = (jnp.arange(n).reshape(shape) for n, shape in ((N, (N, 1, 1)), (T, (1, T, 1)), (S, (1, 1, S))))
    return jnp.asarray(b), h, q + q_offset, k


@pytest.mark.parametrize("name", MODS)
def test_mods_on_both_layouts_of_places(name):
    mod, oracle = MODS[name]
    want = looped(oracle, SCORES, 3)
    whole = jax.jit(mod)(jnp.asarray(SCORES), *full_rank(3))
    assert whole.dtype == jnp.float32
    np.testing.assert_allclose(whole, want, rtol=2e-6, atol=2e-6)
    for b in range(B):
        part = jax.jit(mod)(jnp.asarray(SCORES[b]), *block(b, 3))
        assert part.shape == (N, T, S)
        np.testing.assert_allclose(part, want[b], rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ["alibi", "relative", "own"])
def test_mods_of_places_that_vary_together_and_of_single_places(name):
    """An offset for each batch row gives q an axis of batch; heads may share one with rows; and all may be scalars."""
    mod, oracle = MODS[name]
    b, h, q, k = full_rank()
    got = jax.jit(mod)(jnp.asarray(SCORES), b, h, q + jnp.array([0, 4]).reshape(B, 1, 1, 1), k)
    want = np.stack([looped(oracle, SCORES)[0], looped(oracle, SCORES, 4)[1]])
    np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-6)
    grids = (jnp.asarray(places) for places in np.indices(SCORES.shape))
    np.testing.assert_allclose(jax.jit(mod)(jnp.asarray(SCORES), *grids), looped(oracle, SCORES), rtol=2e-6, atol=2e-6)
    for h in (0, jnp.array(2)):
        single = jax.jit(mod)(jnp.float32(0.5), 1, h, 6, 2)
        np.testing.assert_allclose(single, oracle(0.5, 1, int(h), 6, 2), rtol=2e-6)


@pytest.mark.parametrize("name", MODS)
def test_mods_are_exact_in_float64_and_keep_the_dtype(name, x64):
    mod, oracle = MODS[name]
    scores = SCORES.astype(np.float64)
    got = jax.jit(mod)(jnp.asarray(scores), *full_rank())
    assert got.dtype == jnp.float64
    np.testing.assert_allclose(got, looped(oracle, scores), rtol=1e-12, atol=1e-12)
    assert jax.eval_shape(mod, jnp.asarray(SCORES, jnp.bfloat16), *full_rank()).dtype == jnp.bfloat16


def weighted_sum(mod, c, *places):
    return jnp.sum(c * mod(jnp.asarray(SCORES), *places))


def test_gradients_reach_every_parameter():
    """By loops: the gradient of sum(c * mod(scores)) of each parameter, for cotangents c."""
    c = RNG.normal(size=SCORES.shape)
    places = full_rank()
    slopes, table, capped, gain = np.zeros(N), np.zeros((6, N)), 0.0, np.zeros(B)
    for b, h, t, s in np.ndindex(SCORES.shape):
        ct, score = c[b, h, t, s], float(SCORES[b, h, t, s])
        slopes[h] -= ct * abs(t - s)
        table[bucket(s - t, 6, 4, True), h] += ct
        x = score / 2.5
        capped += ct * (math.tanh(x) - x / math.cosh(x) ** 2)
        gain[b] += ct * score
    wanted = {"alibi": [slopes], "relative": [table], "soft cap": [capped], "own": [gain]}
    for name, want in wanted.items():
        mod = jax.tree.map(jnp.asarray, MODS[name][0])
        grad = jax.jit(jax.grad(weighted_sum))(mod, jnp.asarray(c, jnp.float32), *places)
        assert type(grad) is type(mod)
        for got, exact in zip(jax.tree.leaves(grad), want, strict=True):
            np.testing.assert_allclose(got, exact, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", ["relative", "soft cap", "composed"])
def test_forward_reverse_and_second_derivatives_agree(name, x64):
    mod, scores = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), MODS[name][0]), jnp.asarray(SCORES, jnp.float64)
    at = (mod, scores)
    along = jax.tree.map(lambda x: jnp.asarray(np.random.default_rng(1).normal(size=x.shape)), at)

    def f(mod, scores):
        return jnp.sum(jnp.sin(mod(scores, *full_rank())))

    def inner(a, b):
        return sum(
            float(np.sum(np.asarray(x) * np.asarray(y)))
            for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
        )

    def moved(step):
        return jax.tree.map(lambda x, d: x + step * d, at, along)

    grad = jax.jit(jax.grad(f, (0, 1)))
    value = jax.jit(f)
    slope = (value(*moved(1e-5)) - value(*moved(-1e-5))) / 2e-5
    np.testing.assert_allclose(inner(grad(*at), along), slope, rtol=1e-6)
    np.testing.assert_allclose(jax.jvp(value, at, along)[1], slope, rtol=1e-6)
    curvature = (inner(grad(*moved(1e-5)), along) - inner(grad(*moved(-1e-5)), along)) / 2e-5
    np.testing.assert_allclose(inner(jax.jvp(grad, at, along)[1], along), curvature, rtol=1e-5)


def test_soft_cap_keeps_masked_pairs_masked_in_value_and_gradient():
    score = jnp.array([-jnp.inf, 1.0, 1e30, -1e30], jnp.float32)
    np.testing.assert_allclose(SoftCap(3.0)(score, 0, 0, 0, 0), [-np.inf, 3 * math.tanh(1 / 3), 3, -3], rtol=1e-6)
    by_cap, by_score = jax.jit(jax.jacrev(lambda cap, s: SoftCap(cap)(s, 0, 0, 0, 0), (0, 1)))(jnp.float32(3.0), score)
    np.testing.assert_allclose(by_cap, [0, math.tanh(1 / 3) - 1 / (3 * math.cosh(1 / 3) ** 2), 1, -1], rtol=1e-5)
    np.testing.assert_allclose(np.diagonal(by_score), [0, 1 / math.cosh(1 / 3) ** 2, 0, 0], rtol=1e-5)


@pytest.mark.programs(40)
def test_compose_applies_left_to_right():
    alibi, cap = MODS["alibi"][0], SoftCap(2.0)
    one, other = (jax.jit(mod)(jnp.asarray(SCORES), *full_rank()) for mod in (compose(alibi, cap), compose(cap, alibi)))
    one_by_one = alibi(cap(jnp.asarray(SCORES), *full_rank()), *full_rank())
    np.testing.assert_allclose(other, one_by_one, rtol=1e-6, atol=1e-6)
    assert abs(one).max() <= 2
    assert abs(other).max() > 2
    np.testing.assert_array_equal(compose()(jnp.asarray(SCORES), *full_rank()), SCORES)


def test_compose_says_what_it_cannot_take():
    assert isinstance(compose(SoftCap(1.0), compose(SoftCap(2.0))), ScoreModification)
    assert not isinstance(compose(SoftCap(1.0), by_batch_and_head), ScoreModification)
    with pytest.raises(ValueError, match=r"compose: got float as mods\[1\], wanted a ScoreModification or a function"):
        compose(SoftCap(1.0), 2.0)


@pytest.mark.programs(60)
def test_mods_are_pytrees_that_do_not_retrace():
    traces = []

    @jax.jit
    def run(mod, scores):
        traces.append(1)
        return mod(scores, *full_rank())

    for cap in (1.0, 2.0):
        mod = compose(
            ALiBi(jnp.asarray(cap * SLOPES)), RelativeBias(jnp.asarray(cap * TABLE), max_distance=4), SoftCap(cap)
        )
        own = ScoreMod(by_batch_and_head, {"gain": jnp.asarray(cap * GAIN)})
        np.testing.assert_allclose(
            run(mod, jnp.asarray(SCORES)), mod(jnp.asarray(SCORES), *full_rank()), rtol=1e-5, atol=1e-6
        )
        run(own, jnp.asarray(SCORES))
    assert len(traces) == 2
    run(RelativeBias(jnp.asarray(TABLE), bidirectional=False), jnp.asarray(SCORES))
    run(RelativeBias(jnp.asarray(TABLE), bidirectional=True), jnp.asarray(SCORES))
    assert len(traces) == 4


def test_mods_map_over_their_parameters():
    caps = jnp.array([1.0, 4.0], jnp.float32)
    run = partial(jax.vmap, in_axes=(0, None))(lambda mod, scores: mod(scores, *full_rank()))
    got = run(SoftCap(caps), jnp.asarray(SCORES))
    for row, cap in zip(got, caps, strict=True):
        np.testing.assert_allclose(row, looped(lambda s, *_, c=float(cap): c * math.tanh(s / c), SCORES), atol=2e-6)
    named = jax.vmap(lambda mod, scores: mod(scores, *full_rank()), in_axes=(SoftCap(0), None))
    np.testing.assert_array_equal(named(SoftCap(caps), jnp.asarray(SCORES)), got)


def test_a_head_without_parameters_is_nan_never_another_heads():
    b, h, q, k = full_rank()
    for mod in (ALiBi(SLOPES[:2]), RelativeBias(TABLE[:, :2], max_distance=4)):
        for heads in (h, jnp.asarray(np.indices(SCORES.shape)[1])):
            got = jax.jit(mod)(jnp.asarray(SCORES), b, heads, q, k)
            assert np.isfinite(got[:, :2]).all()
            assert np.isnan(got[:, 2]).all()


@pytest.mark.parametrize(
    ("mod", "message"),
    [
        (ALiBi(SLOPES[:2]), r"ALiBi\.slopes: got float32\[2\], wanted floats \[N\] = \[3\]"),
        (ALiBi(np.arange(3)), r"ALiBi\.slopes: got int"),
        (RelativeBias(TABLE[:, :2]), r"RelativeBias\.table: got float32\[6, 2\], wanted floats \[num_buckets, N\]"),
        (RelativeBias(TABLE[0]), r"RelativeBias\.table: got float32\[3\]"),
        (RelativeBias(TABLE[:5]), "num_buckets: got 5, wanted an even number"),
        (RelativeBias(TABLE, max_distance=1), "max_distance: got 1, wanted more than the 1 distances"),
        (SoftCap(0.0), r"SoftCap\.cap: got 0.0, wanted a number > 0"),
        (SoftCap(np.ones(3)), r"SoftCap\.cap: got shape \(3,\), wanted a scalar"),
        (compose(ALiBi(SLOPES), SoftCap(-1.0)), r"SoftCap\.cap: got -1.0"),
    ],
)
def test_check_names_what_does_not_fit(mod, message):
    with pytest.raises(ValueError, match=message):
        mod.check(N)
    for fine in (mod for mod, _ in MODS.values() if isinstance(mod, ScoreModification)):
        fine.check(N)


def test_a_cap_is_checked_where_it_is_used():
    with pytest.raises(ValueError, match=r"SoftCap\.cap: got -2.0, wanted a number > 0"):
        SoftCap(-2.0)(jnp.zeros(3), 0, 0, 0, 0)
