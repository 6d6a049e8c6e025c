"""A sequence model as an encoder-decoder: packed without a gap, and the contract of encoder-decoders."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from encoder_decoder_checks import VALID, VOCABULARY, S, T, check_encoder_decoder, strings
from made_up import made_up
from tiers import first

from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig, decoder_only, greedy_decode
from attn_jax.models.decoder_only import pack

MODEL = ModelConfig(8, 1, (Attention(num_heads=2),), d_ff=8, positions="learned").make(VOCABULARY, S + T)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", first(["attention", "gru"], "attention"))
def test_the_contract(name):
    model = MODEL if name == "attention" else ModelConfig(8, 2, (GRU(),), d_ff=0).make(VOCABULARY, S + T)
    check_encoder_decoder(decoder_only(model))


def test_rows_are_packed_without_a_gap():
    source, target = strings()
    tokens, valid, first = pack(source, VALID, target)
    for row, n in enumerate([5, 3]):
        want = [*source[row, :n].tolist(), *target[row].tolist()]
        assert tokens[row].tolist() == want + [0] * (S + T - len(want))
        assert valid[row].tolist() == [True] * len(want) + [False] * (S + T - len(want))
        assert first[row] == n


@pytest.mark.programs(80)
def test_a_packed_row_is_what_the_model_reads_alone():
    pair = decoder_only(MODEL)
    params = made_up(MODEL.init)
    source, target = strings()
    logits = jax.jit(pair.apply)(params, source, VALID, target)
    for row, n in enumerate([5, 3]):
        alone = jnp.concatenate([source[row, :n], target[row]])[None]
        np.testing.assert_allclose(logits[row], jax.jit(MODEL.apply)(params, alone, None)[0, n:], atol=2e-5)
    weights = jax.jit(pair.inspect)(params, source, VALID, target)["layer_0/weights"]
    assert weights.shape == (2, 2, S + T, S + T)


@pytest.mark.exhaustive
def test_it_decodes():
    params = jax.jit(MODEL.init)(jax.random.key(0))
    source, _ = strings()
    said = jax.jit(lambda p: greedy_decode(decoder_only(MODEL), p, source, VALID, T, bos=5, eos=6))(params)
    tokens, _, first = pack(source, VALID, jnp.concatenate([jnp.full((2, 1), 5), said[:, :-1]], 1))
    logits = jax.jit(MODEL.apply)(params, tokens, None)
    for row in range(2):
        ended = False
        for t in range(T):
            token = int(logits[row, first[row] + t].argmax())
            assert said[row, t] == (0 if ended else token)
            ended |= token == 6


def test_both_ways_is_refused():
    model = ModelConfig(8, 1, (Attention(num_heads=2, causal=False),)).make(VOCABULARY, S + T)
    with pytest.raises(ValueError, match="wanted causal mixers"):
        decoder_only(model)
