"""The contract of attention (ATTENTION.md section 2), point by point, against NumPy loops in float64."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.test_util import check_grads

from attn_jax.ops.attention import dot_product_attention
from attn_jax.ops.dense import attention_reference, attention_weights
from attn_jax.ops.masks import Causal, Lengths, Mask
from attn_jax.testing.oracles import attention_oracle, gradient_oracle

PATHS = {
    "dense": functools.partial(dot_product_attention, implementation="dense"),
    "blockwise": functools.partial(dot_product_attention, implementation="blockwise", block_sizes=(32, 16)),
    "reference": attention_reference,
}
each_path = pytest.mark.parametrize("attention", PATHS.values(), ids=PATHS)


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


def draw(seed, lead=(2,), T=5, S=7, N=4, K=2, H=3, Hv=None, dtype=np.float32):
    """Query, key and value from a seed."""
    random = np.random.default_rng(seed)
    shapes = ((*lead, T, N, H), (*lead, S, K, H), (*lead, S, K, H if Hv is None else Hv))
    return tuple(jnp.asarray(random.standard_normal(shape), dtype) for shape in shapes)


def plain(query, key, value, bias=None, mask=None, logits_soft_cap=None):
    """The textbook formula in the inputs' dtype, no care taken: its rounding is the yardstick, its NaN the twin."""
    groups = query.shape[-2] // key.shape[-2]
    key, value = jnp.repeat(key, groups, -2), jnp.repeat(value, groups, -2)
    scores = jnp.einsum("...tnh,...snh->...nts", query, key) * jnp.asarray(query.shape[-1] ** -0.5, query.dtype)
    scores = scores if bias is None else scores + jnp.broadcast_to(bias, scores.shape).astype(scores.dtype)
    scores = scores if logits_soft_cap is None else logits_soft_cap * jnp.tanh(scores / logits_soft_cap)
    if mask is not None:
        scores = jnp.where(jnp.broadcast_to(mask, scores.shape), scores, jnp.finfo(scores.dtype).min)
    return jnp.einsum("...nts,...snh->...tnh", jax.nn.softmax(scores, axis=-1), value)


def compiled(attention, **options):
    """One program instead of dozens of small ones: an eager call compiles each operation alone."""
    return jax.jit(functools.partial(attention, **options))


def worst(got, want):
    return np.abs(np.asarray(got, np.float64) - np.asarray(want, np.float64)).max(initial=0)


# Beyond twice the error of the plain formula: 1e-6 for a plain formula that happens to hit the exact result.
FLOOR = {"float32": 1e-6, "bfloat16": 1e-6, "float64": 1e-14}

# A pairwise cover of dtype, heads (N, K), (T, S), Hv, leading dimensions, mask, bias and cap.
GRID = [
    # dtype, (N, K), (T, S), Hv, lead, mask, bias, cap
    ("float32", (4, 4), (7, 7), 3, (2,), "causal", None, None),
    ("float32", (4, 2), (63, 65), 5, (), "array", "full", 2.0),
    ("float32", (6, 1), (1, 7), 3, (2, 3), "lengths", "small", None),
    ("float32", (2, 2), (0, 7), 5, (2,), "causal", "full", None),
    ("float32", (2, 1), (7, 0), 3, (2,), "lengths", None, 2.0),
    ("float32", (1, 1), (65, 1), 5, (2, 3), None, None, 2.0),
    ("bfloat16", (4, 2), (7, 65), 3, (2, 3), "causal", "small", 2.0),
    ("bfloat16", (4, 4), (65, 63), 5, (), "lengths", "full", None),
    ("bfloat16", (6, 1), (63, 7), 5, (2,), None, None, None),
    ("bfloat16", (2, 2), (1, 1), 3, (), "array", None, 2.0),
    ("bfloat16", (2, 1), (0, 0), 3, (2,), "array", "small", None),
    ("float64", (4, 2), (65, 7), 5, (2,), "array", "small", None),
    ("float64", (6, 1), (7, 63), 3, (), "causal", "full", 2.0),
    ("float64", (4, 4), (1, 65), 5, (2, 3), None, "full", 2.0),
    ("float64", (2, 2), (63, 0), 5, (), "lengths", "small", 2.0),
]


def mask_and_bias(mask, bias, lead, N, T, S, dtype):
    """(arguments for attention, the same as one boolean array for the oracle, the bias)."""
    random = np.random.default_rng(1)
    batch = int(np.prod(lead))
    biases = {None: None, "small": random.standard_normal((T, 1)), "full": random.standard_normal((*lead, N, T, S))}
    bias = None if bias is None else jnp.asarray(biases[bias], dtype)
    if mask == "causal":
        return {"is_causal": True, "bias": bias}, np.tril(np.ones((T, S), bool)), bias
    if mask == "array":
        array = random.random((N, 1, S)) < 0.7
        return {"mask": jnp.asarray(array), "bias": bias}, array, bias
    if mask == "lengths":
        rows, keys = random.integers(0, T + 1, batch), random.integers(0, S + 1, batch)
        array = (np.arange(T)[:, None] < rows[:, None, None]) & (np.arange(S) < keys[:, None, None])
        options = {"query_seq_lengths": jnp.asarray(rows), "key_value_seq_lengths": jnp.asarray(keys)}
        if not lead:
            options = {name: x[0] for name, x in options.items()}
        return options | {"bias": bias}, array.reshape(*lead, 1, T, S), bias
    return {"bias": bias}, np.ones((T, S), bool), bias


@each_path
@pytest.mark.parametrize("case", GRID, ids=lambda case: "-".join(map(str, case)).replace(" ", ""))
def test_value_and_lse_are_as_exact_as_the_plain_formula(attention, case):
    dtype, (N, K), (T, S), Hv, lead, mask, bias, cap = case
    with jax.enable_x64(dtype == "float64"):
        arrays = draw(0, lead, T, S, N, K, 3, Hv, dtype)
        options, visible, bias = mask_and_bias(mask, bias, lead, N, T, S, dtype)
        out, lse = compiled(attention, return_lse=True, logits_soft_cap=cap, **options)(*arrays)
        want, want_lse = attention_oracle(*arrays, bias, visible, logits_soft_cap=cap)
        assert out.dtype == dtype
        assert lse.dtype == ("float64" if dtype == "float64" else "float32")
        assert out.shape == want.shape
        assert lse.shape == want_lse.shape
        counts = np.isfinite(want_lse)  # the plain formula knows no empty rows
        yardstick = compiled(plain, bias=bias, mask=visible, logits_soft_cap=cap)(*arrays) if S and T else want
        allowed = 2 * worst(np.asarray(yardstick)[counts], want[counts]) + FLOOR[dtype]
        assert worst(out, want) <= allowed
        np.testing.assert_array_equal(np.isfinite(lse), counts)
        np.testing.assert_allclose(lse[counts], want_lse[counts], rtol=2e-6, atol=2e-6)  # float32 sums of 65 terms


@each_path
def test_gradients_match_finite_differences_of_the_loops(attention, x64):
    arrays = draw(2, dtype=np.float64)
    directions = [np.asarray(x) for x in draw(3, dtype=np.float64)]
    bias = jnp.asarray(np.random.default_rng(4).standard_normal((4, 5, 7)))
    bias = bias.at[1, 2].set(-jnp.inf)
    cotangent = draw(5, S=5, dtype=np.float64)[0]
    options = {"is_causal": True, "bias": bias, "logits_soft_cap": 2.0}

    def loss(*arrays):
        return (attention(*arrays, **options) * cotangent).sum()

    grads = jax.jit(jax.grad(loss, (0, 1, 2)))(*arrays)
    got = sum(float((g * d).sum()) for g, d in zip(grads, directions, strict=True))
    oracle = {"bias": bias, "mask": np.tril(np.ones((5, 7), bool)), "logits_soft_cap": 2.0}
    want = gradient_oracle(*arrays, cotangent, directions=directions, **oracle)
    assert abs(got - want) < 1e-7 * max(1, abs(want))  # the central difference's own error
    assert abs(got - gradient_oracle(*arrays, 2 * cotangent, directions=directions, **oracle)) > 0.1  # it can refuse


def gradients(attention, arrays, weights, **options):
    def loss(*arrays):
        out, lse = attention(*arrays, return_lse=True, **options)
        return (out.astype(weights[0].dtype) * weights[0]).sum() + (lse * weights[1]).sum()

    return jax.jit(jax.grad(loss, (0, 1, 2)))(*arrays)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_gradients_are_as_exact_as_those_of_the_plain_formula(dtype, x64):
    arrays = draw(6, T=33, S=33, dtype=dtype)
    weights = draw(7, T=33, S=33)[0]
    mask = np.tril(np.ones((33, 33), bool))
    exact = [x.astype(np.float64) for x in arrays]

    def grads(attention, arrays):
        return jax.jit(jax.grad(lambda *a: (attention(*a).astype(np.float64) * weights).sum(), (0, 1, 2)))(*arrays)

    want = grads(functools.partial(plain, mask=mask), exact)
    yardstick = grads(functools.partial(plain, mask=mask), arrays)
    got = grads(functools.partial(dot_product_attention, is_causal=True), arrays)
    for g, y, w, x in zip(got, yardstick, want, arrays, strict=True):
        assert g.dtype == x.dtype
        assert worst(g, w) <= 2 * worst(y, w) + 1e-6


def test_lse_is_differentiable(x64):
    query, key, value = draw(8, N=2, K=2, dtype=np.float64)
    lse = functools.partial(dot_product_attention, is_causal=True, return_lse=True)
    grad = jax.jit(jax.grad(lambda q: lse(q, key, value)[1].sum()))(query)
    weights = compiled(attention_weights, is_causal=True)(query, key)
    np.testing.assert_allclose(grad, jnp.einsum("bnts,bsnh->btnh", weights, key) * 3**-0.5, atol=1e-12)


def test_every_mode_of_differentiation_to_second_order(x64):
    arrays = draw(9, (), T=3, S=4, N=2, K=1, H=2, dtype=np.float64)
    bias = jnp.asarray(np.random.default_rng(1).standard_normal((3, 4))).at[2].set(-jnp.inf)
    attention = compiled(dot_product_attention, is_causal=True, logits_soft_cap=3.0, bias=bias, q_offset=-1)
    check_grads(attention, arrays, order=2, modes=("fwd", "rev"), atol=1e-5, rtol=1e-5)


def test_jvp_agrees_with_the_transposed_gradient(x64):
    arrays, directions = draw(10, dtype=np.float64), draw(11, dtype=np.float64)
    function = functools.partial(dot_product_attention, is_causal=True)
    _, tangent = jax.jit(functools.partial(jax.jvp, function))(arrays, directions)
    grads = jax.jit(jax.grad(lambda *a: function(*a).sum(), (0, 1, 2)))(*arrays)
    want = sum((g * d).sum() for g, d in zip(grads, directions, strict=True))
    np.testing.assert_allclose(tangent.sum(), want, rtol=1e-12)


EMPTY = {  # rows 0 and 1 of T = 5 attend nothing
    "offset": {"is_causal": True, "q_offset": -2},
    "array": {"mask": np.arange(5)[:, None] >= 2},
    "bias": {"bias": np.where(np.arange(5)[:, None] >= 2, 0, -np.inf).astype(np.float32)},
    "capped bias": {
        "bias": np.where(np.arange(5)[:, None] >= 2, 0, -np.inf).astype(np.float32),
        "logits_soft_cap": 2.0,
    },
    "rule": {"mask": ~Lengths(q=2)},
}


def empty_rows_are_zero(attention, arrays, **options):
    """Whether rows 0 and 1 are 0 with lse -inf and gradients 0, and no gradient is NaN."""
    weights = draw(12, S=5)[0], jnp.ones((2, 5, 4))
    out, lse = compiled(attention, return_lse=True, **options)(*arrays)
    grads = gradients(attention, arrays, weights, **options)
    out, lse, *grads = (np.asarray(x) for x in (out, lse, *grads))
    finite = all(np.isfinite(x).all() for x in (out, *grads))
    zero = not (out[:, :2].any() or grads[0][:, :2].any()) and (lse[:, :2] == -np.inf).all()
    return finite and zero and out[:, 2:].any() and grads[0][:, 2:].any()


@each_path
@pytest.mark.parametrize("options", EMPTY.values(), ids=EMPTY)
def test_rows_that_may_attend_nothing(attention, options):
    assert empty_rows_are_zero(attention, draw(13), **options)


def test_rows_that_may_attend_nothing_twin():
    def jax_nn(query, key, value, return_lse, mask):
        out, lse = jax.nn.dot_product_attention(query, key, value, mask=mask[None, None], return_residual=True)
        return out, jax.lax.stop_gradient(lse)

    with jax.numpy_rank_promotion("allow"):
        assert not empty_rows_are_zero(jax_nn, draw(13), mask=np.arange(5)[:, None] >= jnp.full(7, 2))


def is_contained(attention, bad):
    """Whether NaN or inf in key and value 3, and query 4, stay in the rows that see them: rows 3 and 4 under causality.

    Values are compared to those with finite numbers there, gradients where the tainted rows have zero cotangents.
    """
    query, key, value = draw(14, S=5)
    tainted = query.at[:, 4].set(bad), key.at[:, 3, 0].set(bad), value.at[:, 3, 1, 0].set(bad)
    clean = query, key, value
    weights = draw(15, S=5)[0].at[:, 3:].set(0), jnp.ones((2, 5, 4)).at[:, 3:].set(0)
    run = compiled(attention, is_causal=True, return_lse=True)
    dirty = run(*tainted)
    same = [np.array_equal(got[:, :3], want[:, :3]) for got, want in zip(dirty, run(*clean), strict=True)]
    grads = gradients(attention, tainted, weights, is_causal=True)
    wanted = gradients(attention, clean, weights, is_causal=True)
    close = [np.allclose(g, w, atol=1e-6) for g, w in zip(grads, wanted, strict=True)]
    seen = [np.isnan(got[:, 3:]).all() for got in dirty]
    return all(same) and all(close) and all(seen)


@each_path
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_in_the_rows_that_see_it(attention, bad):
    assert is_contained(attention, bad)


def test_what_is_not_finite_twin():
    def leaky(query, key, value, is_causal, return_lse):
        del is_causal, return_lse
        out = plain(query, key, value, mask=np.tril(np.ones((5, 5), bool)))
        return out, out.sum(-1)

    assert not is_contained(leaky, np.nan)


def test_a_bias_of_minus_infinity_contains_too():
    query, key, value = draw(16, S=5)
    bias = jnp.zeros((5, 5)).at[:, 3].set(-jnp.inf)
    tainted = query, key.at[:, 3].set(jnp.nan), value.at[:, 3].set(jnp.nan)
    weights = draw(17, S=5)[0], jnp.ones((2, 5, 4))
    got = gradients(dot_product_attention, tainted, weights, bias=bias)
    want = gradients(dot_product_attention, (query, key, value), weights, bias=bias)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g, w)
    in_bias = np.asarray(jax.jit(jax.grad(lambda b: dot_product_attention(*tainted, b).sum()))(bias))
    assert np.isfinite(in_bias).all()
    assert not in_bias[:, 3].any()
    assert in_bias[:, 2].any()


def test_unseen_nan_in_a_bias_reaches_no_gradient():
    query, key, value = draw(18, S=5)
    bias = jnp.asarray(np.where(np.tril(np.ones((5, 5), bool)), 0.5, np.nan), jnp.float32)
    attention = functools.partial(dot_product_attention, is_causal=True, logits_soft_cap=2.0)
    grads = jax.jit(jax.grad(lambda q, b: attention(q, key, value, b).sum(), (0, 1)))(query, bias)
    assert all(np.isfinite(g).all() and np.any(g) for g in grads)


def test_weights_are_the_softmax_and_sum_to_one_or_zero():
    query, key, value = draw(19)
    options = {"key_value_seq_lengths": jnp.array([0, 5]), "is_causal": True}
    weights = np.asarray(compiled(attention_weights, **options)(query, key))
    assert weights.shape == (2, 4, 5, 7)
    np.testing.assert_allclose(weights.sum(-1), np.broadcast_to([[[0]], [[1]]], (2, 4, 5)), atol=1e-6)
    assert not weights[:, :, ~np.tril(np.ones((5, 7), bool))].any()
    out = compiled(dot_product_attention, **options)(query, key, value)
    np.testing.assert_allclose(np.einsum("bnts,bsnh->btnh", weights, np.repeat(value, 2, 2)), out, atol=1e-6)


def test_weights_of_a_row_that_sees_a_bad_key_are_nan():
    query, key, _ = draw(20, S=5)
    weights = np.asarray(compiled(attention_weights, is_causal=True)(query, key.at[:, 3].set(jnp.inf)))
    assert np.isfinite(weights[:, :, :3]).all()
    assert np.isnan(weights[:, :, 3:]).all()


@pytest.mark.parametrize("kind", ["int", "traced", "per row"])
def test_q_offset_continues_a_causal_sequence(kind):
    query, key, value = draw(21, T=7)
    whole = compiled(dot_product_attention, is_causal=True)(query, key, value)
    offset = {"int": 3, "traced": jnp.int32(3), "per row": jnp.array([3, 3])}[kind]
    for options in ({"is_causal": True}, {"mask": Causal()}):
        fixed = {"q_offset": offset} if kind == "int" else {}
        attention = compiled(dot_product_attention, **options, **fixed)
        got = attention(query[:, 3:], key, value, **({} if fixed else {"q_offset": offset}))
        np.testing.assert_allclose(got, whole[:, 3:], atol=1e-6)


def test_q_offset_of_each_row_and_lengths_that_count_rows():
    arrays = draw(22)
    offsets, rows = np.array([0, 2]), np.array([4, 3])
    attention = compiled(dot_product_attention, is_causal=True)
    out = attention(*arrays, q_offset=jnp.array(offsets), query_seq_lengths=jnp.array(rows))
    t, s = np.arange(5)[:, None], np.arange(7)
    mask = (s <= t + offsets[:, None, None]) & (t < rows[:, None, None])
    np.testing.assert_allclose(out, attention_oracle(*arrays, mask=mask[:, None])[0], atol=1e-5)


def test_lengths_may_have_the_shape_of_the_leading_dimensions():
    arrays, lengths = draw(23, (2, 3)), jnp.arange(6)
    attention = jax.jit(dot_product_attention)
    flat = attention(*arrays, key_value_seq_lengths=lengths)
    np.testing.assert_array_equal(attention(*arrays, key_value_seq_lengths=lengths.reshape(2, 3)), flat)


@dataclasses.dataclass(frozen=True)
class Thirds(Mask):
    """A user's own mask, of every index."""

    def __call__(self, b, h, q, k):
        return (q + k + h + b) % 3 > 0


def test_a_mask_is_called_with_heads_batch_rows_and_positions():
    arrays = draw(24, (2, 1))
    b, h, q, k = np.ogrid[:2, :4, :5, :7]
    want = attention_oracle(*arrays, mask=((q + 1 + k + h + b) % 3 > 0)[:, None])[0]
    out = compiled(dot_product_attention, mask=Thirds(), q_offset=1)(*arrays)
    np.testing.assert_allclose(out, want, atol=1e-5)


@pytest.mark.parametrize("axes", [(0, None, None, None), (None, 0, 0, 0), (0, 0, 0, None), (1, 1, 1, 0)])
def test_vmap_over_any_argument(axes):
    stacked = draw(25, (3, 3))
    offsets = jnp.array([0, 1, 2])
    arguments = [*(x if a is not None else x[0] for x, a in zip(stacked, axes, strict=False))]
    arguments.append(offsets if axes[3] is not None else offsets[2])

    def attention(query, key, value, offset):
        return dot_product_attention(query, key, value, is_causal=True, q_offset=offset)

    got = jax.jit(jax.vmap(attention, axes))(*arguments)
    attention = jax.jit(attention)
    for i in range(3):
        one = [x if a is None else jnp.take(x, i, a) for x, a in zip(arguments, axes, strict=True)]
        np.testing.assert_allclose(got[i], attention(*one), atol=1e-6)


@pytest.mark.parametrize("K", [2, 4])
def test_agrees_with_jax_nn_where_the_contracts_do(K):
    arrays = draw(26, T=6, S=6, K=K)
    random = np.random.default_rng(0)
    options = {
        "bias": jnp.asarray(random.standard_normal((2, 4, 6, 6)), jnp.float32),
        "mask": jnp.asarray((random.random((2, 1, 6, 6)) < 0.7) | np.eye(6, dtype=bool)),
        "is_causal": True,
        "query_seq_lengths": jnp.array([6, 4], jnp.int32),
        "key_value_seq_lengths": jnp.array([6, 5], jnp.int32),
        "scale": 0.7,
    }
    cotangent = draw(27, T=6)[0]

    def pulled_back(attention):
        run = jax.jit(lambda *a: jax.vjp(functools.partial(attention, **options), *a)[1](cotangent))
        return compiled(attention, **options)(*arrays), *run(*arrays)

    with jax.numpy_rank_promotion("allow"):
        want = pulled_back(jax.nn.dot_product_attention)
    for g, w in zip(pulled_back(dot_product_attention), want, strict=True):
        np.testing.assert_allclose(g, w, atol=1e-5)


def test_implementations_that_run():
    arrays = draw(28)
    want = jax.jit(dot_product_attention)(*arrays)
    for implementation in ("dense", ("cudnn", "dense"), ["dense"]):
        got = compiled(dot_product_attention, implementation=implementation)(*arrays)
        np.testing.assert_array_equal(got, want)


def test_products_take_the_precision():
    for function in (dot_product_attention, attention_reference):
        jaxpr = str(jax.make_jaxpr(functools.partial(function, precision="highest"))(*draw(29)))
        assert jaxpr.count("Precision.HIGHEST") == 4, "both products, a pair of precisions each"


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_exports_forward_and_gradient(platform):
    arrays = draw(30)

    def loss(query, key, value, lengths):
        out, lse = dot_product_attention(
            query, key, value, is_causal=True, key_value_seq_lengths=lengths, logits_soft_cap=5.0, return_lse=True
        )
        return out.sum() + jnp.where(jnp.isfinite(lse), lse, 0).sum()

    function, arguments = jax.jit(jax.value_and_grad(loss, (0, 1, 2))), (*arrays, jnp.array([7, 0]))
    artifact = export.deserialize(export.export(function, platforms=[platform])(*arguments).serialize())
    assert artifact.platforms == (platform,)
    if platform == "cpu":
        for got, want in zip(
            jax.tree.leaves(artifact.call(*arguments)), jax.tree.leaves(function(*arguments)), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-6)


QUERY, KEY, VALUE = (np.zeros(shape, np.float32) for shape in ((2, 5, 4, 3), (2, 7, 2, 3), (2, 7, 2, 6)))
WRONG = {  # name: (arguments changed, what the message says)
    "query rank": ({"query": QUERY[0, 0]}, r"query: got rank 2"),
    "key rank": ({"key": KEY[0]}, r"key: got rank 3 .*did you pass \[B, N, T, H\]\?"),
    "query dtype": ({"query": QUERY.astype(int)}, r"query: got dtype int"),
    "value dtype": ({"value": VALUE.astype(int)}, r"value: got dtype int"),
    "leading": ({"key": KEY[:1]}, r"key: got leading dimensions \(1,\), wanted query's \(2,\)"),
    "head size": ({"key": KEY[..., :2]}, r"key: got head size H = 2, query 3"),
    "no head size": ({"query": QUERY[..., :0], "key": KEY[..., :0]}, r"key: got head size H = 0"),
    "groups": ({"query": QUERY[:, :, :3]}, r"key: got K = 2 heads, wanted a divisor of N = 3"),
    "no heads": ({"key": KEY[:, :, :0], "value": VALUE[:, :, :0]}, r"key: got K = 0 heads"),
    "swapped layout": ({"value": VALUE.swapaxes(1, 2)}, r"value: got \[S, K\] = \(2, 7\).*did you pass"),
    "bias shape": ({"bias": np.zeros((5, 4, 7), np.float32)}, r"bias: got shape \(5, 4, 7\).*\(2, 4, 5, 7\)"),
    "bias rank": ({"bias": np.zeros((1, 2, 4, 5, 7), np.float32)}, r"bias: got shape"),
    "bias dtype": ({"bias": np.zeros((5, 7), int)}, r"bias: got dtype int"),
    "mask shape": ({"mask": np.ones((7, 5), bool)}, r"mask: got shape \(7, 5\)"),
    "mask dtype": ({"mask": np.ones((5, 7), np.float32)}, r"mask: got dtype float32, wanted bool"),
    "mask batch": ({"mask": Causal(np.zeros(3, int))}, r"Causal.offset: got"),
    "cap": ({"logits_soft_cap": 0.0}, r"logits_soft_cap: got 0.0, wanted a number > 0"),
    "cap shape": ({"logits_soft_cap": np.ones(2)}, r"logits_soft_cap: got shape \(2,\)"),
    "scale shape": ({"scale": np.ones(2)}, r"scale: got shape \(2,\), wanted a scalar"),
    "query lengths": ({"query_seq_lengths": np.ones(3, int)}, r"query_seq_lengths: got"),
    "key lengths": ({"key_value_seq_lengths": np.ones(2)}, r"key_value_seq_lengths: got float"),
    "offset": ({"q_offset": np.zeros(3, int)}, r"q_offset: got"),
}
@each_path
@pytest.mark.parametrize(("changed", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_named(attention, changed, message):
    with pytest.raises(ValueError, match=message):
        attention(**{"query": QUERY, "key": KEY, "value": VALUE} | changed)


@pytest.mark.parametrize(
    ("implementation", "error"),
    [
        ("flash", ValueError),
        ((), ValueError),
        (("dense", "flash"), ValueError),
        ("blockwise", NotImplementedError),
        (("cudnn", "splash"), NotImplementedError),
    ],
)
def test_implementations_that_do_not_run_are_named(implementation, error):
    with pytest.raises(error, match=r"^implementation: got "):
        dot_product_attention(QUERY, KEY, VALUE, implementation=implementation)
