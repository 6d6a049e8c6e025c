"""The linen and nnx shells give what `multi_head_attention` gives with the same parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import errors, nnx

from attn_jax.layers.multi_head import init_multi_head_attention, multi_head_attention
from attn_jax.nn import linen
from attn_jax.nn.nnx import MultiHeadAttention
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal
from attn_jax.ops.positions import rotary

B, T, S, D = 2, 5, 7, 8
SIZES = {"num_heads": 4, "num_kv_heads": 2, "head_dim": 4, "use_bias": True, "qk_norm": True}


def draw(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), np.float32)


def trained(sizes):
    """Parameters with no zeros, so that a lost one shows."""
    params = init_multi_head_attention(jax.random.key(0), d_model=D, **sizes)
    return {name: w + 0.1 * draw(i, *w.shape) for i, (name, w) in enumerate(params.items())}


def linen_shell(params, *, make=linen.MultiHeadAttention, **options):
    return functools.partial(make(**options).apply, {"params": {"multi_head": params}})


def nnx_shell(params, **options):
    layer = MultiHeadAttention(D, rngs=nnx.Rngs(0), **options)
    assert {name: w.shape for name, w in layer.weights.items()} == {name: w.shape for name, w in params.items()}
    nnx.update(layer.weights, params)
    return layer


SHELLS = [linen_shell, nnx_shell]
LENGTHS = np.array([3, 5])
CASES = {
    "self causal": ({"num_heads": 2}, {"is_causal": True}, {}),
    "cross grouped, biases, norms": (SIZES, {"key_value_seq_lengths": LENGTHS}, {}),
    "one value a head": (
        {"num_heads": 4, "num_kv_heads": 1, "value_dim": 1},
        {"mask": Causal(1), "q_offset": 2},
        {"position": rotary},
    ),
    "soft cap": (SIZES, {}, {"attention": functools.partial(dot_product_attention, logits_soft_cap=0.5)}),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("sizes", "call", "options"), CASES.values(), ids=CASES)
def test_a_shell_is_the_function(shell, sizes, call, options):
    @jax.jit
    def both(params, x, x_kv):
        x_kv = None if "is_causal" in call else x_kv
        ours = shell(params, **sizes, **options)(x, x_kv, **call)
        return ours, multi_head_attention(params, x, x_kv, **options, **call)

    got, want = both(trained(sizes), draw(20, B, T, D), draw(21, B, S, D))
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_is_the_function_twin(shell):
    params, x = trained(SIZES), draw(20, B, T, D)
    call = jax.jit(lambda params: shell(params, **SIZES)(x, is_causal=True))
    want = call(params)
    for name in params:
        other = params[name].at[-1].add(0.5)
        assert np.abs(call(params | {name: other}) - want).max() > 1e-4, name


def linen_init():
    return linen.MultiHeadAttention(**SIZES).init(jax.random.key(0), jnp.ones((T, D)))["params"]["multi_head"]


def nnx_init():
    return {name: w[...] for name, w in MultiHeadAttention(D, **SIZES, rngs=nnx.Rngs(0)).weights.items()}


@pytest.mark.parametrize("init", [linen_init, nnx_init])
def test_initial_parameters_are_those_of_the_layer(init):
    got, want = jax.jit(init)(), init_multi_head_attention(jax.random.key(1), d_model=D, **SIZES)
    assert {name: (w.shape, w.dtype) for name, w in got.items()} == {n: (w.shape, w.dtype) for n, w in want.items()}
    assert len({float(w.ravel()[0]) for name, w in got.items() if name.startswith("w")}) == 4


def test_nnx_trains_and_compiles():
    layer = MultiHeadAttention(D, 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(layer, optax.sgd(0.1), wrt=nnx.Param)
    x = draw(20, B, T, D)

    @nnx.jit
    def step(layer, optimizer):
        loss, gradients = nnx.value_and_grad(lambda layer: jnp.mean((layer(x, is_causal=True) - x) ** 2))(layer)
        optimizer.update(layer, gradients)
        return loss

    losses = [float(step(layer, optimizer)) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.99 * losses[0]


def linen_dropping(**options):
    layer = linen.MultiHeadAttention(num_heads=2, dropout_rate=0.5, **options)
    params = init_multi_head_attention(jax.random.key(0), d_model=D, num_heads=2)

    @functools.partial(jax.jit, static_argnames="deterministic")
    def call(x, seed, deterministic=None):
        rngs = {"dropout": jax.random.key(seed)}
        return layer.apply({"params": {"multi_head": params}}, x, rngs=rngs, deterministic=deterministic)

    return call


def nnx_dropping(**options):
    @functools.partial(jax.jit, static_argnames="deterministic")
    def call(x, seed, deterministic=None):
        rngs = nnx.Rngs(params=0, dropout=jax.random.key(seed))
        return MultiHeadAttention(D, 2, dropout_rate=0.5, rngs=rngs, **options)(x, deterministic=deterministic)

    return call


@pytest.mark.parametrize("dropping", [linen_dropping, nnx_dropping])
def test_dropout_follows_the_key_and_deterministic(dropping):
    x = draw(20, B, T, D)
    drop, keep = dropping(deterministic=False), dropping(deterministic=True)
    np.testing.assert_array_equal(keep(x, 1), keep(x, 2))
    np.testing.assert_array_equal(drop(x, 1), drop(x, 1))
    assert np.abs(drop(x, 1) - drop(x, 2)).max() > 0.01
    np.testing.assert_array_equal(dropping()(x, 1, deterministic=True), keep(x, 1))
    np.testing.assert_array_equal(dropping()(x, 1, deterministic=False), drop(x, 1))


def test_nnx_draws_anew_at_every_call_and_not_in_evaluation():
    layer, x = MultiHeadAttention(D, 2, dropout_rate=0.5, rngs=nnx.Rngs(0)), draw(20, B, T, D)
    assert np.abs(layer(x) - layer(x)).max() > 0.01
    layer.eval()
    np.testing.assert_array_equal(layer(x), layer(x))
    layer.train()
    assert np.abs(layer(x) - layer(x)).max() > 0.01


def test_linen_wants_to_know_whether_to_drop():
    with pytest.raises(ValueError, match="deterministic"):
        linen_dropping()(draw(20, B, T, D), 1)


@pytest.mark.parametrize("shell", SHELLS)
def test_wrong_arguments_are_named(shell):
    call = shell(trained({"num_heads": 2}), num_heads=2)
    with pytest.raises(TypeError, match="is_casual"):
        call(draw(20, B, T, D), is_casual=True)
    with pytest.raises(ValueError, match=r"x_kv: got shape \(2, 7, 4\), wanted \[..., T, D\] with D = 8"):
        call(draw(20, B, T, D), draw(21, B, S, 4))
    with pytest.raises(ValueError, match="num_kv_heads: got 3, wanted a divisor of num_heads = 4"):
        MultiHeadAttention(D, 4, num_kv_heads=3, rngs=nnx.Rngs(0))


def test_linen_refuses_parameters_of_other_sizes():
    with pytest.raises(errors.ScopeParamShapeError):
        linen_shell(trained({"num_heads": 4}), num_heads=2)(draw(20, B, T, D))
