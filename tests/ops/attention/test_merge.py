"""Parts of the keys, merged, are the whole: in values, in every mode of differentiation, around a ring of devices."""

import os
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from tiers import first

from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.merge import merge_attention
from attn_jax.testing.oracles import attention_oracle

CUTS = [(0, 2), (2, 3), (3, 7)]  # keys of each part; causal queries 0 and 1 see nothing of the last two


@pytest.fixture(autouse=True, scope="module")
def _strict_ranks():
    with jax.numpy_rank_promotion("raise"):
        yield


def draw(seed, dtype=np.float32):
    random = np.random.default_rng(seed)
    shapes = ((2, 5, 4, 3), (2, 7, 2, 3), (2, 7, 2, 6))
    return tuple(jnp.asarray(random.standard_normal(shape), dtype) for shape in shapes)


@jax.jit
def parts(query, key, value):
    """Attention over each part of the keys, stacked; causal, so that keys keep their positions by the offset."""
    attend = partial(dot_product_attention, is_causal=True, return_lse=True)
    pieces = [attend(query, key[:, a:b], value[:, a:b], q_offset=-a) for a, b in CUTS]
    return tuple(jnp.stack(x) for x in zip(*pieces, strict=True))


merge = jax.jit(merge_attention, static_argnames="axis")


@jax.jit
def merged(*arrays):
    return merge_attention(*parts(*arrays))


MASK = np.tril(np.ones((5, 7), bool))


def test_parts_are_the_whole():
    arrays = draw(0)
    out, lse = merged(*arrays)
    want, want_lse = attention_oracle(*arrays, mask=MASK)
    np.testing.assert_allclose(out, want, atol=2e-6)
    np.testing.assert_allclose(lse, want_lse, atol=2e-6)


def test_parts_are_the_whole_twin():
    arrays = draw(0)
    want, _ = attention_oracle(*arrays, mask=MASK)
    assert np.abs(parts(*arrays)[0].mean(0) - want).max() > 0.1  # parts weigh what they weigh


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_parts_stand_at_any_axis(axis):
    outs, lses = parts(*draw(0))
    moved = merge(jnp.moveaxis(outs, 0, axis), jnp.moveaxis(lses, 0, axis), axis)
    for got, want in zip(moved, merge(outs, lses), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)


def test_merging_in_steps_is_merging_at_once():
    outs, lses = parts(*draw(0))
    out, lse = outs[0], lses[0]
    for p in (1, 2):
        out, lse = merge(jnp.stack([out, outs[p]]), jnp.stack([lse, lses[p]]))
    want = merge(outs, lses)
    np.testing.assert_allclose(out, want[0], atol=1e-6)
    np.testing.assert_allclose(lse, want[1], atol=1e-6)


def test_sinks_are_applied_once_after_the_merge():
    arrays, sinks = draw(0), np.array([0.5, -1.0, 2.0, 0.0], np.float32)
    out, lse = merged(*arrays)
    sunk = out * jax.nn.sigmoid(lse - sinks[None, None])[..., None]
    zero = [np.concatenate([np.asarray(x), np.zeros_like(x[:, :1])], 1) for x in arrays[1:]]  # a key of score sinks[n]
    mask = np.concatenate([MASK, np.ones((5, 1), bool)], 1)
    bias = np.zeros((4, 5, 8))
    bias[:, :, 7] = sinks[:, None]
    want, want_lse = attention_oracle(arrays[0], *zero, bias, mask)
    np.testing.assert_allclose(sunk, want, atol=2e-6)
    np.testing.assert_allclose(jnp.logaddexp(lse, sinks[None, None]), want_lse, atol=2e-6)


def test_gradients_are_those_of_the_whole(x64):
    arrays, weights = draw(1, np.float64), draw(2, np.float64)[2][:, :5, :, :1].repeat(2, 2)

    def whole(*arrays):
        return dot_product_attention(*arrays, is_causal=True, return_lse=True)

    def loss(attend, *arrays):
        out, lse = attend(*arrays)
        return (out * weights).sum() + (lse * weights[..., 0] ** 2).sum()

    got, want = (jax.jit(jax.grad(partial(loss, attend), (0, 1, 2)))(*arrays) for attend in (merged, whole))
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        assert np.abs(other).max() > 1e-2


def filled(lses):
    """Finite numbers for `check_grads`, whose differences of -inf would be NaN."""
    return jnp.where(lses == -jnp.inf, 0, lses)


@pytest.mark.exhaustive
@pytest.mark.programs(50)
def test_every_mode_of_differentiation_to_second_order(x64):
    """One row has an empty part, one is empty altogether."""
    random = np.random.default_rng(3)
    outs, lses = jnp.asarray(random.standard_normal((2, 3, 1, 2))), jnp.asarray(random.standard_normal((2, 3, 1)))
    lses = lses.at[0, 1].set(-jnp.inf).at[:, 2].set(-jnp.inf)

    @jax.jit
    def shifted(outs, shift):
        out, lse = merge_attention(outs, lses + shift)
        return out, filled(lse)

    check_grads(shifted, (outs, jnp.zeros_like(lses)), order=2, modes=("fwd", "rev"))


@pytest.mark.programs(50)
def test_empty_parts_count_nothing():
    random = np.random.default_rng(4)
    outs = jnp.asarray(random.standard_normal((2, 3, 1, 2)), np.float32).at[0].set(jnp.nan)
    lses = jnp.asarray(random.standard_normal((2, 3, 1)), np.float32).at[0].set(-jnp.inf).at[1, 2].set(-jnp.inf)
    out, lse = merge(outs, lses)
    np.testing.assert_array_equal(out[:2], outs[1, :2])
    np.testing.assert_array_equal(lse[:2], lses[1, :2])
    assert (out[2] == 0).all()
    assert (lse[2] == -np.inf).all()
    _, pull = jax.vjp(merge, outs, lses)
    for g in pull((jnp.ones((3, 1, 2)), jnp.ones((3, 1)))):
        assert np.isfinite(g).all()
        assert not np.asarray(g)[0].any()
        assert not np.asarray(g)[1, 2].any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["outs", "lses"])
@pytest.mark.programs(60)
def test_what_is_not_finite_stays_in_its_rows(bad, where):
    outs, lses = parts(*draw(0))
    if where == "outs":
        outs = outs.at[0, 1, 3, 2, 0].set(bad)
    else:
        lses = lses.at[0, 1, 3, 2].set(bad)
    out, lse = merge_attention(outs, lses)
    row = np.zeros((2, 5, 4), bool)
    row[1, 3, 2] = True
    np.testing.assert_array_equal(np.isnan(lse), row)
    np.testing.assert_array_equal(np.isnan(out).any(-1), row)
    cotangent = jnp.where(row[..., None], 0, jnp.ones(out.shape))
    _, pull = jax.vjp(merge, outs, lses)
    assert all(np.isfinite(g).all() for g in pull((cotangent, cotangent[..., 0])))


def test_dtypes():
    outs, lses = parts(*(x.astype(jnp.bfloat16) for x in draw(0)))
    out, lse = merge_attention(outs, lses)
    assert (out.dtype, lse.dtype) == (jnp.bfloat16, jnp.float32)
    want, _ = merge_attention(outs.astype(jnp.float32), lses)
    np.testing.assert_array_equal(out, want.astype(jnp.bfloat16))


@pytest.mark.parametrize(
    ("outs", "lses", "axis", "message"),
    [
        ((2, 5, 4, 3), (2, 5, 3), 0, r"lses: got shape \(2, 5, 3\), wanted \(2, 5, 4\)"),
        ((2, 5, 4, 3), (2, 5, 4), 3, "axis: got 3, wanted 0 <= axis < 3"),
        ((2, 5, 4, 3), (2, 5, 4), -1, "axis: got -1"),
        ((0, 5, 4, 3), (0, 5, 4), 0, r"outs: got shape \(0, 5, 4, 3\), wanted at least one part"),
    ],
)
def test_wrong_arguments_are_named(outs, lses, axis, message):
    with pytest.raises(ValueError, match=message):
        merge_attention(jnp.zeros(outs), jnp.zeros(lses), axis)
    with pytest.raises(ValueError, match="lses: got dtype int32, wanted a floating dtype"):
        merge_attention(jnp.zeros((1, 1, 1)), jnp.zeros((1, 1), int))


RING = """
import functools, jax, jax.numpy as jnp, numpy as np
from jax.sharding import PartitionSpec as P
from attn_jax.ops.attention.dot_product import dot_product_attention
from attn_jax.ops.attention.merge import merge_attention

D = jax.device_count()
assert D == 8

def attend(query, key, value):
    # one device: its queries [B, T / D, N, H] against the keys that pass by, which have come from `source`
    me, T = jax.lax.axis_index("ring"), query.shape[1]

    def turn(carry, step):
        key, value, out, lse = carry
        source = (me - step) % D
        part = dot_product_attention(
            query, key, value, is_causal=True, q_offset=(me - source) * T, return_lse=True,
            implementation=IMPLEMENTATION,
        )
        out, lse = merge_attention(jnp.stack([out, part[0]]), jnp.stack([lse, part[1]]))
        key, value = jax.lax.ppermute((key, value), "ring", [(i, (i + 1) % D) for i in range(D)])
        return (key, value, out, lse), None

    # an empty part to begin with, which varies over devices as its successors do
    nothing = jnp.zeros_like(query), jnp.full_like(query[..., 0], -jnp.inf)
    (_, _, out, lse), _ = jax.lax.scan(turn, (key, value, *nothing), jnp.arange(D))
    return out, lse

mesh = jax.make_mesh((D,), ("ring",), axis_types=(jax.sharding.AxisType.Auto,))
spec = P(None, "ring")
around = jax.shard_map(attend, mesh=mesh, in_specs=spec, out_specs=spec)
alone = functools.partial(dot_product_attention, is_causal=True, return_lse=True)

arrays = [jax.random.normal(jax.random.key(i), (2, 32, h, 8)) for i, h in enumerate((4, 2, 2))]
weights = jax.random.normal(jax.random.key(3), (2, 32, 4, 8))

def loss(attention, *arrays):
    out, lse = attention(*arrays)
    return (out * weights).sum() + (lse * weights[..., 0]).sum()

for a, b in zip(jax.jit(around)(*arrays), jax.jit(alone)(*arrays)):
    np.testing.assert_allclose(a, b, atol=3e-6)
both = [jax.jit(jax.grad(functools.partial(loss, f), (0, 1, 2)))(*arrays) for f in (around, alone)]
for a, b in zip(*both):
    np.testing.assert_allclose(a, b, atol=2e-5)
print("ok")
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("implementation", first(["dense", "blockwise"], "blockwise"))
def test_a_ring_of_eight_devices_is_one_device(implementation):
    ring = RING.replace("IMPLEMENTATION", repr(implementation))
    env = os.environ | {"JAX_NUM_CPU_DEVICES": "8", "NPROC": "16", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", ring], env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "ok", done.stderr
