"""Models of no rows, of no source and of no target; shapes decide, so nothing is compiled."""

import jax
import jax.numpy as jnp
import pytest

from attn_jax.mixers import GRU, LSTM, Attention, DeltaNet, Hyena
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer, greedy_decode
from attn_jax.types import IO

WORDS = IO(num_classes=6, vocab_size=6)
LAYERS = Attention(num_heads=2), GRU(form="newton"), DeltaNet(num_heads=2), Hyena()
STACK = ModelConfig(8, 4, LAYERS, positions="learned")
STRINGS = {
    "stack": STACK,
    "scanned": ModelConfig(8, 6, (LSTM(),)),
    "recurrent": RecurrentEncoderDecoder(8),
    "recurrent fed": RecurrentEncoderDecoder(8, attention="dot"),
    "recurrent without attention": RecurrentEncoderDecoder(8, attention="none", bidirectional=False),
    "transformer": Transformer(8, 1, num_heads=2),
}


def tokens(B, T):
    return jax.ShapeDtypeStruct((B, T), jnp.int32), jax.ShapeDtypeStruct((B, T), bool)


@pytest.mark.parametrize(("B", "T"), [(0, 5), (2, 0)])
def test_sequence_model(B, T):
    model = STACK.make(WORDS, 9)
    params = jax.eval_shape(model.init, jax.random.key(0))

    def run(params, inputs, valid):
        state = model.init_state(params, B, 9)
        total = lambda params: model.apply(params, inputs, valid).sum()  # noqa: E731
        return model.apply(params, inputs, None), model.extend(params, inputs, state, valid)[0], jax.grad(total)(params)

    whole, extended, _ = jax.eval_shape(run, params, *tokens(B, T))
    assert whole.shape == extended.shape == (B, T, 6)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", STRINGS)
@pytest.mark.parametrize(("B", "S", "T"), [(0, 5, 4), (2, 0, 4), (2, 5, 0)])
def test_strings(name, B, S, T):
    model = STRINGS[name].over_strings(WORDS, 5, 4)
    params = jax.eval_shape(model.init, jax.random.key(0))

    def run(params, source, valid, target):
        said = greedy_decode(model, params, source, valid, T, bos=4, eos=5)
        return said, *(model.apply(params, source, padding, target) for padding in (valid, None))

    said, *logits = jax.eval_shape(run, params, *tokens(B, S), tokens(B, T)[0])
    assert said.shape == (B, T)
    assert [x.shape for x in logits] == [(B, T, 6)] * 2
