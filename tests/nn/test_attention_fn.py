"""`attention_fn` in flax's own modules: their results with our attention, and nothing they ask for is lost."""

import functools
import inspect
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attn_jax.nn import attention_fn
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, SlidingWindow
from attn_jax.ops.attention.scores import ALiBi

B, T, D = 2, 7, 8
CAUSAL = nn.make_causal_mask(jnp.ones((B, T)))  # float32 zeros and ones: flax's default
PADDING = nn.make_attention_mask(jnp.ones((B, T)), jnp.arange(T) < jnp.array([[3], [6]]), dtype=bool)


def draw(seed, *shape, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def linen_layer(function, dtype=None, **options):
    """(a function of (weights, x) that runs flax's module over `function`, weights of it)."""
    layer = nn.MultiHeadDotProductAttention(num_heads=4, dtype=dtype, attention_fn=function)
    weights = jax.jit(layer.init)(jax.random.key(0), jnp.ones((B, T, D)))
    return lambda weights, x: layer.apply(weights, x, **options), weights


def nnx_layer(function, dtype=None, num_kv_heads=4, **options):
    """The same for nnx."""
    layer = nnx.MultiHeadAttention(
        4, D, num_kv_heads=num_kv_heads, dtype=dtype, attention_fn=function, decode=False, rngs=nnx.Rngs(0)
    )
    graph, weights = nnx.split(layer)
    return lambda weights, x: nnx.merge(graph, weights)(x, **options), weights


def value_and_gradients(layer):
    """The output of a layer on one input, and its gradients with respect to weights and input, as a flat list."""
    run, weights = layer
    x, cotangent = draw(1, B, T, D), draw(2, B, T, D)

    def both(weights, x):
        y, pull = jax.vjp(run, weights, x)
        return y, pull(cotangent.astype(y.dtype))

    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(jax.jit(both)(weights, x))]


CASES = {
    "linen": (linen_layer, nn.dot_product_attention, {}),
    "linen causal": (linen_layer, nn.dot_product_attention, {"mask": CAUSAL}),
    "linen padding": (linen_layer, nn.dot_product_attention, {"mask": PADDING}),
    "nnx": (nnx_layer, nnx.dot_product_attention, {}),
    "nnx causal": (nnx_layer, nnx.dot_product_attention, {"is_causal": True}),
    "nnx causal padding": (
        nnx_layer,
        nnx.dot_product_attention,
        {"mask": nnx.combine_masks(CAUSAL, PADDING.astype(np.float32))},
    ),
    "nnx grouped padding": (nnx_layer, nnx.dot_product_attention, {"num_kv_heads": 2, "mask": PADDING}),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("layer", "theirs", "options"), CASES.values(), ids=CASES)
def test_equals_flax_with_its_weights(layer, theirs, options):
    want = value_and_gradients(layer(theirs, **options))
    for got, expected in zip(value_and_gradients(layer(attention_fn, **options)), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [linen_layer, nnx_layer])
def test_equals_flax_twin(layer):
    theirs = {linen_layer: nn, nnx_layer: nnx}[layer].dot_product_attention
    steeper = functools.partial(attention_fn, attention=functools.partial(dot_product_attention, scale=1.0))
    want, got = (value_and_gradients(layer(function, mask=CAUSAL))[0] for function in (theirs, steeper))
    assert np.abs(got - want).max() > 0.01


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("layer", "theirs"), [(linen_layer, nn.dot_product_attention), (nnx_layer, nnx.dot_product_attention)]
)
def test_bfloat16_is_no_worse_than_flax(layer, theirs):
    exact = value_and_gradients(layer(theirs, mask=CAUSAL))
    got, other = (value_and_gradients(layer(f, jnp.bfloat16, mask=CAUSAL)) for f in (attention_fn, theirs))
    for ours, flaxs, want in zip(got, other, exact, strict=True):
        assert np.abs(ours - want).max() <= 2 * np.abs(flaxs - want).max() + 1e-6
    run, weights = layer(attention_fn, jnp.bfloat16)
    assert run(weights, draw(1, B, T, D)).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("layer", "theirs"), [(linen_layer, nn.dot_product_attention), (nnx_layer, nnx.dot_product_attention)]
)
def test_empty_rows_show_whose_attention_ran(layer, theirs):
    mask, x = PADDING & (jnp.arange(T) > 0)[:, None], draw(1, B, T, D)  # query 0 may attend nothing

    def first_row(function):
        run, weights = layer(function, mask=mask)
        return run(weights, x)[:, 0]

    np.testing.assert_array_equal(first_row(attention_fn), 0)  # 0 heads, biases 0
    assert np.abs(first_row(theirs)).max() > 0.01


@pytest.mark.parametrize("layer", [linen_layer, nnx_layer])
def test_a_mask_object_serves_as_mask(layer):
    want = value_and_gradients(layer(attention_fn, mask=CAUSAL))
    for got, expected in zip(value_and_gradients(layer(attention_fn, mask=Causal())), want, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def shapes(jaxpr):
    """The shapes of all that a program computes, nested programs included."""
    for equation in jaxpr.eqns:
        yield from (variable.aval.shape for variable in equation.outvars)
        held = jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns"))
        for inner in (getattr(value, "jaxpr", value) for value in held):
            if hasattr(inner, "eqns"):
                yield from shapes(inner)


@pytest.mark.parametrize("layer", [linen_layer, nnx_layer])
def test_blockwise_under_flax_holds_no_square(layer):
    blockwise = functools.partial(dot_product_attention, implementation="blockwise", block_sizes=(64, 64))
    x = jax.ShapeDtypeStruct((1, 300, D), np.float32)

    def squares(function):
        run, weights = layer(function, mask=Causal())
        gradient = jax.grad(lambda weights, x: run(weights, x).sum())
        return [shape for shape in shapes(jax.make_jaxpr(gradient)(weights, x).jaxpr) if shape[-2:] == (300, 300)]

    assert not squares(functools.partial(attention_fn, attention=blockwise))
    assert squares(
        functools.partial(
            attention_fn, attention=functools.partial(blockwise, implementation="dense", block_sizes=None)
        )
    )


@pytest.mark.parametrize("layer", [linen_layer, nnx_layer])
def test_a_score_modification_is_bound(layer):
    slopes = jnp.array([0.5, 0.25, 0.125, 0.0625])
    distance = jnp.abs(jnp.arange(T)[:, None] - jnp.arange(T))
    modified, biased = (
        functools.partial(attention_fn, attention=functools.partial(dot_product_attention, **options))
        for options in ({"score_mod": ALiBi(slopes)}, {"bias": -slopes[:, None, None] * distance})
    )
    want = value_and_gradients(layer(biased, mask=CAUSAL))
    for got, expected in zip(value_and_gradients(layer(modified, mask=CAUSAL)), want, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


def test_nnx_compiles_with_arrays_bound():
    alibi = functools.partial(dot_product_attention, score_mod=ALiBi(jnp.ones(4)))
    bound = functools.partial(attention_fn, attention=alibi)
    layer = nnx.MultiHeadAttention(4, D, attention_fn=bound, decode=False, rngs=nnx.Rngs(0))
    run, x = nnx.jit(lambda layer, x: layer(x)), draw(1, B, T, D)
    np.testing.assert_allclose(run(layer, x), layer(x), atol=1e-6)


def names_lost(theirs, ours):
    """The parameters of flax's function that ours has not: linen drops those without a word."""
    return set(inspect.signature(theirs).parameters) - set(inspect.signature(ours).parameters)


@pytest.mark.parametrize("theirs", [nn.dot_product_attention, nnx.dot_product_attention])
def test_has_every_name_of_flax(theirs):
    assert not names_lost(theirs, attention_fn)
    bound = functools.partial(attention_fn, attention=functools.partial(dot_product_attention, scale=1.0))
    assert not names_lost(theirs, bound)
    assert "dropout_rng" in names_lost(theirs, jax.nn.dot_product_attention)


def heads(seed=0):
    return [draw(seed + i, B, T, 4, 2) for i in range(3)]


@pytest.mark.programs(100)
def test_masks_bound_and_given_hold_together():
    window = functools.partial(dot_product_attention, mask=SlidingWindow(2))
    arrays = functools.partial(dot_product_attention, mask=jnp.arange(T) - jnp.arange(T)[:, None] >= -2)
    rule = functools.partial(dot_product_attention, mask=lambda b, h, q, k: k >= q - 2)
    want = dot_product_attention(*heads(), mask=SlidingWindow(2), key_value_seq_lengths=np.array([3, 6]))
    for attention in (window, functools.partial(arrays, is_causal=True), functools.partial(rule, is_causal=True)):
        got = attention_fn(*heads(), mask=PADDING, attention=attention)
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_options_of_the_attention_are_bound():
    capped = functools.partial(dot_product_attention, logits_soft_cap=0.1)
    got = attention_fn(*heads(), mask=CAUSAL, attention=capped)
    np.testing.assert_allclose(got, capped(*heads(), is_causal=True), atol=1e-6)
    assert np.abs(got - attention_fn(*heads(), mask=CAUSAL)).max() > 0.01


def test_bias_and_dtypes():
    query, key, value = heads()
    bias = draw(5, 4, T, T)
    got = attention_fn(query.astype(jnp.bfloat16), key, value, bias)
    assert got.dtype == np.float32
    want = nn.dot_product_attention(query.astype(jnp.bfloat16), key, value, bias)
    np.testing.assert_allclose(got, want, atol=1e-5)
    assert (
        attention_fn(query, key, value, promote_dtype=nnx.nn.dtypes.promote_dtype, dtype="bfloat16").dtype == "bfloat16"
    )


@pytest.mark.parametrize("mask", [None, CAUSAL])
def test_linen_weights_are_sown(mask):
    def sown(function):
        layer = nn.MultiHeadDotProductAttention(num_heads=4, attention_fn=function)
        weights = jax.jit(layer.init)(jax.random.key(0), jnp.ones((B, T, D)))
        _, state = layer.apply(weights, draw(1, B, T, D), mask=mask, sow_weights=True, mutable=["intermediates"])
        return state["intermediates"]["attention_weights"][0]

    np.testing.assert_allclose(sown(attention_fn), sown(nn.dot_product_attention), atol=1e-5)


def test_nnx_weights_are_sown():
    def sown(function):
        layer = nnx.MultiHeadAttention(4, D, attention_fn=function, decode=False, rngs=nnx.Rngs(0))
        _, state = nnx.capture(layer, nnx.Intermediate)(draw(1, B, T, D), mask=CAUSAL, sow_weights=True)
        return jax.tree.leaves(state)[0]

    assert sown(attention_fn).shape == (B, 4, T, T)
    np.testing.assert_allclose(sown(attention_fn), sown(nnx.dot_product_attention), atol=1e-5)


def dropping(module, rate=0.5, **options):
    """A pair (layer of flax with our attention and dropout, its call with a key)."""
    if module is nn:
        layer = nn.MultiHeadDotProductAttention(
            num_heads=4, dropout_rate=rate, broadcast_dropout=False, attention_fn=attention_fn
        )
        weights = layer.init(jax.random.key(0), jnp.ones((B, T, D)), deterministic=True)
        return jax.jit(lambda x, seed: layer.apply(weights, x, rngs={"dropout": jax.random.key(seed)}, **options))
    layer = nnx.MultiHeadAttention(
        4,
        D,
        dropout_rate=rate,
        broadcast_dropout=False,
        attention_fn=attention_fn,
        decode=False,
        rngs=nnx.Rngs(0),
    )
    return lambda x, seed: layer(x, rngs=nnx.Rngs(seed), **options)


@pytest.mark.parametrize("module", [nn, nnx])
def test_dropout_follows_the_key_and_deterministic(module):
    x = draw(1, B, T, D)
    drop, keep, none = (
        dropping(module, deterministic=False),
        dropping(module, deterministic=True),
        dropping(module, rate=0.0),
    )
    np.testing.assert_array_equal(keep(x, 1), none(x, 1))
    np.testing.assert_array_equal(drop(x, 1), drop(x, 1))
    assert np.abs(drop(x, 1) - drop(x, 2)).max() > 0.01
    assert np.abs(drop(x, 1) - keep(x, 1)).max() > 0.01


@pytest.mark.parametrize("seed", [jax.random.key, jax.random.PRNGKey])
def test_dropout_is_that_of_the_attention(seed):
    got = attention_fn(*heads(), dropout_rng=seed(3), dropout_rate=0.5, broadcast_dropout=False)
    want = dot_product_attention(*heads(), dropout_rate=0.5, dropout_key=jax.random.key(3))
    np.testing.assert_array_equal(got, want)


class Shelf:
    """Stands for a module: what is sown lies on it."""

    def sow(self, collection, name, value):
        self.weights = value


FLAX = {  # every argument of flax's two functions: (which of them have it, arguments for both)
    "nothing": ("both", {}),
    "bias": ("both", {"bias": np.linspace(-2, 2, T * T).reshape(T, T).astype(np.float32)}),
    "bias of ints": ("both", {"bias": np.arange(T * T).reshape(T, T) % 3}),
    "mask": ("both", {"mask": np.tril(np.ones((1, 1, T, T), np.float32))}),
    "mask of ints": ("both", {"mask": np.tril(np.ones((B, 1, T, T), int))}),
    "deterministic": ("both", {"dropout_rate": 0.5, "deterministic": True}),
    "no dropout": ("both", {"dropout_rate": 0.0, "dropout_rng": None, "broadcast_dropout": False}),
    "dtype": ("both", {"dtype": jnp.bfloat16}),
    "wider dtype": ("both", {"dtype": jnp.float32}),
    "precision": ("both", {"precision": "highest"}),
    "forced": ("linen", {"force_fp32_for_softmax": True}),
    "forced, causal": ("linen", {"force_fp32_for_softmax": True, "mask": np.tril(np.ones((1, 1, T, T), bool))}),
    "no products": (
        "linen",
        {"einsum_dot_general": None, "qk_attn_weights_einsum": None, "attn_weights_value_einsum": None},
    ),
    "promotion": ("nnx", {"promote_dtype": nnx.nn.dtypes.promote_dtype, "dtype": jnp.float32}),
    "causal": ("nnx", {"is_causal": True}),
}


@functools.cache
def flax_table():
    """{(library, dtype, sown or not): rows of (output, weights) of ours and of flax's}, from one program a library."""

    def rows(library, arrays, sown, only):
        for name, (has, options) in FLAX.items():
            if has in ("both", library) and (only is None or name in only):
                pairs = []
                for function in (attention_fn, {"linen": nn, "nnx": nnx}[library].dot_product_attention):
                    shelf = Shelf()
                    out = function(*arrays, **options, **({"module": shelf} if sown else {}))
                    pairs.append((out, shelf.weights if sown else out))
                yield name, pairs

    def everything(arrays):
        few = ("nothing", "forced", "causal", "dtype")
        of_dtype = {"float32": None, "bfloat16": None, "int32": few}
        table = {}
        for library, (name, only), sown in itertools.product(("linen", "nnx"), of_dtype.items(), (True, False)):
            if sown or name == "float32" or library == "linen":  # else nnx calls jax.nn, which has no bfloat16 here
                inputs = [(4 * x if name == "int32" else x).astype(name) for x in arrays]
                table[library, name, sown] = dict(rows(library, inputs, sown, only if sown else few))
        return table

    return jax.jit(everything)(heads())


@pytest.mark.exhaustive
def test_every_argument_of_flax_means_the_same():
    """Values, and dtypes of outputs and of what is sown."""
    seen = set()
    for (library, dtype, _), rows in flax_table().items():
        for name, (ours, theirs) in rows.items():
            seen |= {(library, argument) for argument in FLAX[name][1]}
            for got, want in zip(ours, theirs, strict=True):
                assert got.dtype == want.dtype, (library, dtype, name)
                tolerance = 2e-2 if dtype == "bfloat16" or want.dtype == jnp.bfloat16 else 1e-5
                got, want = (np.asarray(x, np.float64) for x in (got, want))
                np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    for library, module in (("linen", nn), ("nnx", nnx)):
        arguments = set(inspect.signature(module.dot_product_attention).parameters)
        assert arguments - {"query", "key", "value", "module"} == {name for lib, name in seen if lib == library}


@pytest.mark.exhaustive
def test_weights_are_sown_in_flax_s_dtype():
    dtypes = {name: rows[0][1].dtype for name, rows in flax_table()["linen", "bfloat16", True].items()}
    assert (dtypes["nothing"], dtypes["forced"]) == (jnp.bfloat16, jnp.float32)


@pytest.mark.parametrize("library", [nn, nnx])
def test_broadcast_dropout_is_one_pattern(library):
    """flax's default: read off equal weights of the identity, as flax's own."""
    zeros, identity = jnp.zeros((B, T, 4, 2)), jnp.broadcast_to(jnp.eye(T)[:, None], (B, T, 4, T))

    def kept(function, seed, **options):
        rate = {"dropout_rate": 0.5, "dropout_rng": jax.random.key(seed)}
        return np.asarray(function(zeros, zeros, identity, **rate, **options)).swapaxes(1, 2) > 0.1 / T

    for function in (attention_fn, library.dot_product_attention):
        pattern = kept(function, 0)
        np.testing.assert_array_equal(pattern, np.broadcast_to(pattern[:1, :1], pattern.shape))
        assert 0.2 < pattern.mean() < 0.8
        assert (pattern != kept(function, 1)).any()
        own = kept(function, 0, broadcast_dropout=False)
        assert (own[0] != own[1]).any() and (own[:, 0] != own[:, 1]).any()


@pytest.mark.parametrize("seed", [jax.random.key, jax.random.PRNGKey])
def test_broadcast_dropout_in_flax_s_module(seed):
    layer = nn.MultiHeadDotProductAttention(num_heads=4, dropout_rate=0.5, attention_fn=attention_fn)
    run = jax.jit(functools.partial(layer.init_with_output, deterministic=False))
    keys = {"params": jax.random.key(0), "dropout": seed(1)}
    assert np.isfinite(run(keys, draw(1, B, T, D))[0]).all()


SMOOTH = functools.partial(dot_product_attention, logits_soft_cap=1.0, is_causal=True, mask=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout_rate": 0.5, "dropout_rng": 0}, "dropout_rng: got int32.*, wanted one key"),
        ({"dropout_rate": 0.5}, "dropout_rng: got None, wanted a key"),
        ({"einsum_dot_general": jax.lax.dot_general}, "einsum_dot_general: got .* wanted None"),
        ({"qk_attn_weights_einsum": jnp.einsum}, "qk_attn_weights_einsum: got .* wanted None"),
        ({"attn_weights_value_einsum": jnp.einsum}, "attn_weights_value_einsum: got .* wanted None"),
        ({"is_causal": True, "attention": SMOOTH}, "is_causal: got one from the module and one bound to attention"),
    ],
)
def test_what_cannot_be_honoured_raises(options, message):
    with pytest.raises(ValueError, match=message):
        attention_fn(*heads(), **options)


def test_an_einsum_of_linen_reaches_us_and_raises():
    layer = nn.MultiHeadDotProductAttention(
        num_heads=4,
        attention_fn=attention_fn,
        qk_attn_weights_einsum_cls=lambda: jnp.einsum,
        attn_weights_value_einsum_cls=lambda: jnp.einsum,
    )
    with pytest.raises(ValueError, match="qk_attn_weights_einsum: got"):
        layer.init(jax.random.key(0), jnp.ones((B, T, D)))
