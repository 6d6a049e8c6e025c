"""No rows, no queries, no keys: an empty result, or rows that attended nothing. Shapes decide: nothing is compiled."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.conv import causal_conv, long_conv
from attn_jax.ops.attention.cache import init_cache
from attn_jax.ops.attention.decode import cached_attention
from attn_jax.ops.attention.dense import attention_weights
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.scores import ALiBi
from attn_jax.ops.recurrence.cells import rnn_step, scan_cell
from attn_jax.ops.recurrence.delta_rule import delta_product, delta_rule
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.ops.recurrence.linear_attention import linear_attention
from attn_jax.ops.recurrence.linear_scan import linear_scan
from attn_jax.ops.recurrence.mlstm import mlstm
from attn_jax.ops.recurrence.newton_scan import newton_scan

SIZES = [(0, 5), (2, 0), (2, 1)]  # (B, T)


def floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def shapes(function, *arrays):
    """The shapes of all that a function gives, once its gradients are known to be there."""

    def total(*arrays):
        return sum(leaf.sum() for leaf in jax.tree.leaves(function(*arrays)))

    gradients = jax.eval_shape(jax.grad(total, range(len(arrays))), *arrays)
    assert [g.shape for g in gradients] == [x.shape for x in arrays]
    return [leaf.shape for leaf in jax.tree.leaves(jax.eval_shape(function, *arrays))]


@pytest.mark.sampled(6)
@pytest.mark.parametrize(("B", "T"), SIZES)
@pytest.mark.parametrize("form", ["recurrent", "chunked", "parallel", None])
def test_matrix_memories(form, B, T):
    x, gate = floats(B, T, 2, 4), floats(B, T, 2)
    y, state = (B, T, 2, 4), (B, 2, 4, 4)
    linear = lambda x: linear_attention(x, x, x, form=form, normalise=True)  # noqa: E731
    assert shapes(linear, x) == [y, (B, 2, 4, 5)]
    assert shapes(lambda x, g: gated_linear_attention(x, x, x, g, form=form), x, gate) == [y, state]
    assert shapes(lambda x: gated_linear_attention(x, x, x, x, form=form), x) == [y, state]
    assert shapes(lambda x, g: delta_rule(x, x, x, g, log_decay=g, form=form), x, gate) == [y, state]
    twice = lambda x, k, b: delta_product(x, k, k, b, form=form)  # noqa: E731
    assert shapes(twice, x, floats(B, T, 3, 2, 4), floats(B, T, 3, 2)) == [y, state]
    assert shapes(lambda x, g: mlstm(x, x, x, g, g, form=form), x, gate) == [y, (B, 2, 4, 5), (B, 2)]


@pytest.mark.parametrize(("B", "T"), SIZES)
def test_scans_and_convolutions(B, T):
    x = floats(B, T, 3)
    for form in ("sequential", "associative", "chunked"):
        assert shapes(partial(linear_scan, form=form), x, x, floats(B, 3)) == [x.shape, (B, 3)]
    for unconverged in ("finish", "nan"):
        solve = partial(newton_scan, lambda p, h, x: jnp.tanh(p * h + x), unconverged=unconverged)
        states = lambda p, h, x: solve(p, h, x).states  # noqa: B023, E731
        assert shapes(jax.vmap(states, (None, 0, 0)), floats(3), floats(B, 3), x) == [x.shape]
    cell = {"w_x": jnp.ones((3, 4)), "w_h": jnp.ones((4, 4)), "b": jnp.ones(4)}
    assert shapes(partial(scan_cell, rnn_step, cell), x, floats(B, 4)) == [(B, T, 4), (B, 4)]
    assert shapes(lambda x, w: causal_conv({"w": w}, x), x, floats(4, 3)) == [x.shape, (B, 3, 3)]
    for lags in (T, 0, 9):
        assert shapes(long_conv, x, floats(lags, 3)) == [x.shape]


def test_newton_solves_nothing_at_once():
    solve = jax.jit(partial(newton_scan, lambda p, h, x: h + x, None))
    result = solve(np.ones(2, np.float32), np.ones((0, 2), np.float32))
    assert (result.states.shape, int(result.iterations), bool(result.converged)) == ((0, 2), 0, True)


ASKED = {
    "plain": {},
    "by rule": {"is_causal": True, "mask": lambda b, h, q, k: q >= k, "score_mod": lambda score, b, h, q, k: score + q},
    "sinks": {"sinks": jnp.zeros(4), "score_mod": ALiBi(jnp.ones(4)), "local_window_size": 2},
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("implementation", ["dense", "blockwise", None])
@pytest.mark.parametrize(("B", "T", "S"), [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 300, 300)])
def test_attention(implementation, asked, B, T, S):
    arrays = floats(B, T, 4, 8), floats(B, S, 2, 8), floats(B, S, 2, 6)
    attend = partial(dot_product_attention, implementation=implementation, return_lse=True, **ASKED[asked])
    assert shapes(attend, *arrays) == [(B, T, 4, 6), (B, T, 4)]
    weigh = partial(attention_weights, **{name: value for name, value in ASKED[asked].items() if name != "sinks"})
    assert jax.eval_shape(weigh, *arrays[:2]).shape == (B, 4, T, S)


@pytest.mark.parametrize("implementation", ["dense", "blockwise"])
def test_a_query_without_keys_attends_nothing(implementation):
    arrays = [np.ones(shape, np.float32) for shape in ((1, 1, 2, 4), (1, 0, 2, 4), (1, 0, 2, 3))]
    attend = jax.jit(partial(dot_product_attention, implementation=implementation, return_lse=True))
    out, lse = attend(*arrays)
    assert out.tolist() == [[[[0] * 3] * 2]]
    assert lse.tolist() == [[[-np.inf] * 2]]
    assert attend(*arrays, sinks=np.ones(2, np.float32))[1].tolist() == [[[1, 1]]]
    assert jax.jit(jax.grad(lambda q: attend(q, *arrays[1:])[0].sum()))(arrays[0]).tolist() == [[[[0] * 4] * 2]]


@pytest.mark.parametrize(("B", "T", "M"), [(0, 3, 5), (2, 0, 5), (2, 3, 0), (0, 0, 0)])
def test_caches(B, T, M):
    for window in (None, 2):
        cache = init_cache(B, M, num_kv_heads=2, head_dim=8, value_dim=6, window=window)
        decode = lambda q, k, v: cached_attention(q, k, v, cache, score_mod=ALiBi(jnp.ones(4)))[0]  # noqa: B023, E731
        assert shapes(decode, floats(B, T, 4, 8), floats(B, T, 2, 8), floats(B, T, 2, 6)) == [(B, T, 4, 6)]


def test_a_step_into_a_cache_of_no_places_is_past_its_end():
    one = np.ones((1, 1, 1, 2), np.float32)
    out, cache = jax.jit(lambda x: cached_attention(x, x, x, init_cache(1, 0, num_kv_heads=1, head_dim=2)))(one)
    assert np.isnan(out).all()
    assert cache.length.tolist() == [1]
