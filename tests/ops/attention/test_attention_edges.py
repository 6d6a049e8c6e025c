"""What only shows at the edges: far offsets, captured tracers, split arrays, programs that compile once."""

import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attention_cases import blockwise, dense, draw

from attn_jax.layers.multi_head import init_multi_head_attention, multi_head_attention
from attn_jax.layers.multi_head_by_vmap import multi_head_by_vmap
from attn_jax.ops.attention.cache import init_cache
from attn_jax.ops.attention.decode import cached_attention, decode_attention
from attn_jax.ops.attention.dense import attention_reference, attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.masks import Causal, Dense, Lengths, SlidingWindow
from attn_jax.ops.attention.scores import ALiBi, ScoreMod, SoftCap, compose
from attn_jax.testing.oracles import attention_oracle

each_path = pytest.mark.parametrize("attention", [dense, functools.partial(blockwise, block_sizes=(2, 3))])


@each_path
@pytest.mark.parametrize(
    "mask", [Causal(2**31 - 1), SlidingWindow(None, 2**31 - 1), SlidingWindow(sys.maxsize, sys.maxsize)]
)
def test_far_is_everything(attention, mask):
    out = jax.jit(functools.partial(attention, mask=mask))(*draw(0))
    np.testing.assert_allclose(out, attention_oracle(*draw(0))[0], atol=1e-5)


@pytest.mark.sampled(1)
@each_path
@pytest.mark.parametrize("wrap", [lambda mod: mod, lambda mod: compose(SoftCap(30.0), mod)])
@pytest.mark.programs(190)
def test_what_a_modification_captures_has_a_gradient(attention, wrap, x64):
    arrays = draw(1, dtype=np.float64)

    def loss(weight):
        mod = ScoreMod(lambda params, score, b, h, q, k: score * weight + params, 0.5)
        return (attention(*arrays, score_mod=wrap(mod)) ** 2).sum()

    step, value = 1e-5, jax.jit(loss)
    want = (value(1.3 + step) - value(1.3 - step)) / (2 * step)
    assert abs(want) > 0.1
    for grad in (jax.grad(loss), jax.jit(jax.grad(loss))):
        assert abs(grad(1.3) - want) < 1e-6 * abs(want)


@each_path
def test_values_without_size_have_an_lse(attention):
    query, key, value = draw(2)
    out, lse = attention(query, key, value[..., :0], return_lse=True)
    assert out.shape == (*query.shape[:-1], 0)
    np.testing.assert_allclose(lse, attention_oracle(query, key, value)[1], atol=1e-5)


@pytest.mark.sampled(1)
@each_path
@pytest.mark.programs(70)
def test_sinks_leave_the_gradients_of_a_row_that_saw_nan(attention):
    query, key, value = draw(3, N=2, K=2)
    tainted = query, key.at[:, 3].set(jnp.nan), value
    clean = query, key.at[:, 3].set(0), value

    def grad(arrays):
        return jax.grad(lambda q: attention(q, *arrays[1:], is_causal=True, sinks=jnp.ones(2)).sum())(arrays[0])

    got, want = grad(tainted), grad(clean)
    assert np.abs(want[:, 4]).max() > 0.01
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.exhaustive
def test_no_tracer_leaks():
    query, key, value = draw(5)
    with jax.checking_leaks():
        jax.grad(lambda q: blockwise(q, key, value, is_causal=True).sum())(query)


SPLIT = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
from attn_jax.ops.attention.dot_product import dot_product_attention as attention
mesh = jax.make_mesh((2,), ("x",), axis_types=(AxisType.Explicit,))
with jax.set_mesh(mesh):
    for T in (48, 256):
        x = np.random.default_rng(0).standard_normal((4, T, 2, 8)).astype(np.float32)
        split = jax.device_put(x, NamedSharding(mesh, P("x")))
        out = jax.jit(attention)(split, split, split)
        assert "x" in str(jax.typeof(out)), jax.typeof(out)
        np.testing.assert_allclose(out, jax.nn.dot_product_attention(split, split, split), atol=1e-5)
    try:
        attention(split, split, split, implementation="blockwise")
    except ValueError as error:
        assert "explicit axes" in str(error)
        print("ok")
"""


@pytest.mark.exhaustive
def test_arrays_split_over_explicit_axes_stay_split():
    env = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "NPROC": "4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", SPLIT], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "ok", done.stderr


@pytest.mark.programs(60)
def test_eager_decoding_compiles_once(compiles):
    cache, one = init_cache(4, 640, num_kv_heads=2, head_dim=4), jnp.ones((4, 1, 2, 4))

    def step():
        nonlocal cache
        _, cache = cached_attention(one, one, one, cache, score_mod=ALiBi(jnp.ones(2)))

    assert [compiles(step) for _ in range(5)][2:] == [0, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": Lengths(k=jnp.array([3, 3, 3]))}, "Lengths.k: got"),
        ({"mask": Causal(jnp.arange(5))}, "Causal.offset: got"),
        ({"score_mod": ALiBi(jnp.ones(3))}, "ALiBi.slopes: got"),
    ],
)
def test_decoding_checks_what_the_full_form_checks(options, message):
    cache = init_cache(2, 4, num_kv_heads=2, head_dim=3)
    with pytest.raises(ValueError, match=message):
        decode_attention(jnp.ones((2, 1, 2, 3)), cache, **options)


def test_decoding_wants_a_query_for_every_key():
    query, key, value = draw(6, T=2, S=4, N=2)
    with pytest.raises(ValueError, match=r"query: got \[B, T\] = \(2, 2\), wanted key's \(2, 4\)"):
        cached_attention(query, key, value, init_cache(2, 4, 2, 3))


def test_a_mask_has_no_truth():
    with pytest.raises(ValueError, match=r"the truth of a mask: .* wanted the operators &, \| and ~"):
        bool(Causal() and Lengths(k=3))


@pytest.mark.parametrize("function", [attention_reference, attention_weights])
def test_the_definition_has_no_blocks(function):
    query, key, value = draw(7)
    arrays = (query, key) if function is attention_weights else (query, key, value)
    with pytest.raises(ValueError, match="block_sizes: got"):
        function(*arrays, block_sizes=(4, 4))


def test_offsets_may_have_the_shape_of_the_leading_dimensions():
    arrays, offsets = draw(8, (2, 3)), jnp.arange(6)
    attention = jax.jit(functools.partial(dot_product_attention, is_causal=True))
    flat = attention(*arrays, q_offset=offsets)
    np.testing.assert_array_equal(attention(*arrays, q_offset=offsets.reshape(2, 3)), flat)


@pytest.mark.exhaustive
@pytest.mark.programs(180)
def test_a_dense_mask_in_a_combination_counts_rows_in_every_form_of_multi_head():
    params = init_multi_head_attention(jax.random.key(0), d_model=8, num_heads=2)
    x = draw(9, (), 6, 6, N=2, K=2, H=4)[0].reshape(6, 8)
    array = np.random.default_rng(0).random((6, 6)) < 0.5
    options = {"mask": Dense(jnp.asarray(array)) & Causal(5), "q_offset": 2}
    np.testing.assert_allclose(
        multi_head_by_vmap(params, x, **options), multi_head_attention(params, x, **options), atol=1e-5
    )
