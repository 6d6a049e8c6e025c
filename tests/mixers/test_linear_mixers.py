"""Mixers with a matrix of memory a head: the contract by option, what each reduces to, wrong options refused."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.multi_head import project_heads
from attn_jax.mixers.delta_net import DeltaNet, DeltaProduct, GatedDeltaNet
from attn_jax.mixers.gated_linear_attention import GatedLinearAttention
from attn_jax.mixers.linear_attention import LinearAttention
from attn_jax.mixers.parts.matrix_memory import read_out
from attn_jax.mixers.retention import Retention, decays
from attn_jax.ops.recurrence.gated_linear_attention import gated_linear_attention
from attn_jax.testing import check_mixer

# the rows of MIXERS run the contract in test_contract.py; these are their options
OPTIONS = {
    "linear relu": LinearAttention(feature_map="relu"),
    "linear random": LinearAttention(feature_map="random", num_features=6),
    "retention unturned": Retention(num_heads=2, rotary_base=None, form="chunked"),
    "gated by head": GatedLinearAttention(decay="head"),
    "delta double": DeltaNet(num_heads=2, beta="double", form="chunked"),
    "product gated": DeltaProduct(num_steps=3, gated=True, beta="unit"),
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(OPTIONS[name])


def drawn(config, d_model=8, T=7):
    mixer = replace(config, d_model=d_model, num_heads=2).make()
    x = jax.random.normal(jax.random.key(1), (2, T, d_model))
    return mixer, jax.jit(mixer.init)(jax.random.key(0)), x


def test_one_write_is_delta_net():
    product, params, x = drawn(DeltaProduct(num_steps=1, beta="unit"))
    np.testing.assert_allclose(
        jax.jit(product.apply)(params, x), jax.jit(drawn(DeltaNet())[0].apply)(params, x), atol=1e-6
    )


def test_gated_delta_that_keeps_all_is_delta():
    """At a forgetting rate of 0; the readout's gate is the other part of GatedDeltaNet, here left out of both."""
    gated, params, x = drawn(GatedDeltaNet())
    del params["w_gate"]
    want = jax.jit(drawn(DeltaNet())[0].apply)(params, x)
    assert np.abs(jax.jit(gated.apply)(params, x) - want).max() > 1e-3
    kept = params | {"b_log_rate": jnp.full(2, -jnp.inf)}
    np.testing.assert_allclose(jax.jit(gated.apply)(kept, x), want, atol=1e-6)


def test_retention_is_gated_linear_attention_of_constant_decay():
    retention, params, x = drawn(Retention(rotary_base=None))
    log_decay = np.log(decays(Retention(num_heads=2)))[:, None]  # by channel, all alike

    def gated(params, x):
        q, k, v = project_heads(params, x)
        heads, _ = gated_linear_attention(q, k / 2, v, jnp.broadcast_to(log_decay, q.shape))  # H = 4
        return read_out(params, x, heads)

    np.testing.assert_allclose(jax.jit(retention.apply)(params, x), jax.jit(gated)(params, x), atol=1e-5)


def test_retention_turns_by_the_places_that_are_valid():
    retention, params, x = drawn(Retention())
    valid = np.arange(4) < np.array([[3], [4]])

    @jax.jit
    def both(params, x):
        _, state = retention.extend(params, x[:, :4], retention.init_state(params, 2, 7), valid)
        alone = jnp.concatenate([x[:1, :3], x[:1, 4:]], 1)
        return state["length"], retention.extend(params, x[:, 4:], state, None)[0][0], retention.apply(params, alone)[0]

    length, pieces, alone = both(params, x)
    assert length.tolist() == [3, 4]
    np.testing.assert_allclose(pieces, alone[3:], atol=1e-5)


@pytest.mark.parametrize("form", ["recurrent", "chunked", "parallel"])
def test_linear_attention_is_what_its_weights_say(form):
    mixer, params, x = drawn(LinearAttention(form=form))
    weights = jax.jit(mixer.inspect)(params, x)["weights"]
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    v = project_heads(params, x)[2]
    want = np.einsum("bnts,bsnp,npd->btd", weights, v, params["w_o"])
    np.testing.assert_allclose(jax.jit(mixer.apply)(params, x), want, atol=1e-5)


@pytest.mark.parametrize("config", [GatedLinearAttention(), GatedLinearAttention(decay="head"), GatedDeltaNet()])
def test_padding_keeps_all_and_decays_are_decays(config):
    mixer, params, x = drawn(config)
    valid = jnp.arange(7) < jnp.array([[7], [3]])
    decay = jax.jit(mixer.inspect)(params, jnp.where(valid[..., None], x, jnp.nan), valid)["decay"]
    assert (decay[1, 3:] == 1).all()
    assert ((decay[0] > 0) & (decay[0] < 1)).all()


def test_rates_reach_as_far_as_they_are_told():
    for beta, most in (("unit", 1), ("double", 2)):
        mixer, params, x = drawn(DeltaNet(beta=beta))
        rates = jax.jit(mixer.inspect)(params, 100 * x)["beta"]
        assert rates.shape == (2, 7, 1, 2)
        np.testing.assert_allclose([rates.min(), rates.max()], [0, most], atol=1e-3)


def test_the_states_size_is_that_of_its_matrices():
    for config, floats in ((LinearAttention(), 2 * 4 * 5), (Retention(), 2 * 4 * 4), (DeltaProduct(), 2 * 4 * 4)):
        mixer, params, _ = drawn(config)
        leaves = jax.tree.leaves(mixer.init_state(params, 3, 1000))  # pyright: ignore[reportOptionalCall]
        assert sum(leaf.size for leaf in leaves if leaf.dtype == jnp.float32) == 3 * floats


def test_memories_start_long():
    """Softplus of the decays' bias is within [.001, .1], as in Mamba 2."""
    params = jax.jit(replace(GatedDeltaNet(), d_model=64, num_heads=64).make().init)(jax.random.key(0))
    start = np.log1p(np.exp(params["b_decay"]))
    assert ((start > 0.9e-3) & (start < 0.11)).all()
    assert (start < 0.01).sum() in range(20, 45)  # even on a logarithmic scale


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: LinearAttention(num_heads=0), "num_heads: got 0"),
        (lambda: LinearAttention(form="scan"), "form: got 'scan'"),
        (lambda: LinearAttention(feature_map="softmax"), "feature_map: got 'softmax'"),
        (lambda: LinearAttention(num_features=4), "num_features: got 4 with feature_map='elu'"),
        (lambda: Retention(rotary_base=0.0), "rotary_base: got 0.0"),
        (lambda: Retention(d_model=6, num_heads=2).make(), "rotary_base wants heads of even size"),
        (lambda: GatedLinearAttention(decay="row"), "decay: got 'row'"),
        (lambda: DeltaNet(beta="triple"), "beta: got 'triple'"),
        (lambda: DeltaProduct(num_steps=0), "num_steps: got 0"),
        (lambda: DeltaNet(d_model=9, num_heads=2).make(), "num_heads: got 2, wanted a divisor of d_model=9"),
    ],
)
def test_a_wrong_option_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
