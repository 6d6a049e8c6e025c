"""Every model is `apply_embedded` after `embed`, bit for bit, and tells its layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_decoder_checks import VALID, VOCABULARY, strings

from attn_jax.mixers import GRU, LSTM, Attention
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer, classic
from attn_jax.models.stack import layer_at, make_groups

PAIRS = {
    "transformer": Transformer(8, 1, num_heads=2),
    "recurrent": RecurrentEncoderDecoder(8, 2, attention="bilinear"),
    "decoder_only": ModelConfig(8, 1, (GRU(),)),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", PAIRS)
def test_a_source_may_come_embedded(name):
    model = PAIRS[name].over_strings(VOCABULARY, 5, 4)
    source, target = strings()

    @jax.jit
    def both(key):
        params = model.init(key)
        x = model.embed(params, source)
        whole = model.apply(params, source, VALID, target)
        padded = jnp.where(VALID[..., None], x, jnp.nan)  # what stands in the padding has no influence here either
        return whole, *(model.apply_embedded(params, read, VALID, target) for read in (x, padded))

    whole, embedded, padded = map(np.asarray, both(jax.random.key(0)))
    np.testing.assert_array_equal(embedded, whole)
    np.testing.assert_array_equal(padded, whole)


def test_layers_are_the_parameters_by_name():
    model = Transformer(8, 7, num_heads=2).make(VOCABULARY, 5)  # seven equal layers are scanned
    params = jax.eval_shape(model.init, jax.random.key(0))
    parts = jax.eval_shape(model.layers, params)
    stacks = [f"{name}_{i}" for name in ("encoder", "decoder") for i in range(7)]
    assert parts.keys() - {*stacks} == params.keys() - {"encoder", "decoder"}
    assert _size(parts) == _size(params) and _size(parts["encoder_0"]) * 7 == _size(params["encoder"])


def test_layers_of_a_sequence_model_and_of_recurrent_ones():
    one = classic(GRU(), d_model=4, num_layers=2).make(VOCABULARY, 5)
    mixed = ModelConfig(4, 2, (GRU(), Attention(num_heads=1))).make(VOCABULARY, 5)
    for model in (one, mixed):
        params = jax.eval_shape(model.init, jax.random.key(0))
        parts = model.layers(params)
        assert list(parts) == ["embedding", "layer_0", "layer_1", "norm", "readout"]
        assert parts["layer_1"] is params["layers"][1]
    pair = RecurrentEncoderDecoder(4, 2, attention="none").make(VOCABULARY, 5)
    parts = pair.layers(jax.eval_shape(pair.init, jax.random.key(0)))
    assert {*parts} == {"embedding", "encoder_0", "encoder_1", "decoder_0", "decoder_1", "readout"}


def test_a_scanned_layer_is_found_behind_others():
    groups = make_groups([GRU(8), *[LSTM(8)] * 6, GRU(8)])
    params = [{"w": np.array(7)}, {"stacked": {"w": np.arange(6)}}, {"w": np.array(8)}]
    assert [int(layer_at(groups, params, index)[1]["w"]) for index in range(8)] == [7, *range(6), 8]


def _size(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
