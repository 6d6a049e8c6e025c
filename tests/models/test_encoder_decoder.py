"""Encoder-decoders: the contract, its broken twins, options, attention maps, and learning to copy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from encoder_decoder_checks import VALID, VOCABULARY, B, S, T, V, check_encoder_decoder, strings
from made_up import made_up
from tiers import first

from attn_jax.layers.embedding import embedding
from attn_jax.mixers import Attention
from attn_jax.models import EncoderDecoder, RecurrentEncoderDecoder, Transformer, greedy_decode, stack
from attn_jax.models.decoder_block import Memory, apply_decoder_layer, init_decoder_block
from attn_jax.types import IO

CONFIGS = {
    "transformer": Transformer(8, 1, num_heads=2),
    "transformer pre": Transformer(
        8, 1, num_heads=2, norm="rms", norm_place="pre", mlp="swiglu", positions="learned", tied=False, use_bias=True
    ),
    "transformer scanned": Transformer(4, 2, num_heads=2, d_ff=4),
    "additive": RecurrentEncoderDecoder(8),
    "bilinear": RecurrentEncoderDecoder(6, 2, cell="gru", attention="bilinear", bidirectional=False, tied=True),
    "dot": RecurrentEncoderDecoder(6, 1, cell="rnn", attention="dot"),
    "no attention": RecurrentEncoderDecoder(8, attention="none"),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", first(CONFIGS, "transformer pre", "bilinear"))
def test_the_contract(name, monkeypatch):
    monkeypatch.setattr(stack, "SCAN_FROM", 2 if name == "transformer scanned" else 99)
    check_encoder_decoder(CONFIGS[name].make(VOCABULARY, max(S, T)))


def heard(params, source, source_valid):
    """The sum of the source's rows of a table."""
    return jnp.where(source_valid[..., None], embedding(params, source), 0).sum(1, keepdims=True)


def plain_apply(params, source, source_valid, target_in, *, key=None):
    return heard(params, source, source_valid) + jnp.cumsum(embedding(params, target_in), 1)


def plain_encode(params, source, source_valid, max_length):
    return heard(params, source, source_valid)


def plain_extend(params, target_in, state):
    logits = state + jnp.cumsum(embedding(params, target_in), 1)
    return logits, logits[:, -1:]


PLAIN = EncoderDecoder(
    init=lambda key: {"table": jax.random.normal(key, (V, V))},
    apply=plain_apply,
    encode=plain_encode,
    extend=plain_extend,
    inspect=lambda *arguments: {},
)


def reads_padding(params, source, source_valid, target_in, *, key=None):
    return plain_apply(params, source, jnp.ones_like(source_valid), target_in)


def zeroes_too_late(params, source, source_valid, target_in, *, key=None):
    """The square root is taken at the padding, where it has no slope, and masked only then."""
    rows = source_valid[..., None] * params["table"][source] ** 2
    roots = jnp.where(source_valid[..., None], jnp.sqrt(rows), 0)
    return plain_apply(params, source, source_valid, target_in) + 0 * roots.sum()


def sees_the_future(params, source, source_valid, target_in, *, key=None):
    return (
        heard(params, source, source_valid)
        + embedding(params, target_in).sum(1, keepdims=True)
        + plain_apply(params, source, source_valid, target_in)
    )


def sees_its_piece(params, target_in, state):
    return plain_extend(params, target_in[:, ::-1], state)


def deaf_apply(params, source, source_valid, target_in, *, key=None):
    return plain_apply(params, jnp.zeros_like(source), source_valid, target_in)


def forgetful(params, target_in, state):
    return plain_extend(params, target_in, state)[0], state


def speechless(params, source, source_valid, target_in, *, key=None):
    return heard(params, source, source_valid) + jnp.zeros((B, T, 1))


BROKEN = {
    "reads padding": ({"apply": reads_padding}, "the source's padding has an influence"),
    "NaN in gradients": ({"apply": zeroes_too_late}, "outputs or gradients are not finite"),
    "sees the future": ({"apply": sees_the_future}, "logits depend on a later token"),
    "sees its piece": ({"extend": sees_its_piece}, "in pieces of 2 differ from apply"),
    "deaf": ({"apply": deaf_apply}, "the source has no influence"),
    "forgetful": ({"extend": forgetful}, "in pieces of 1 differ from apply"),
    "speechless": ({"apply": speechless}, "a token of the target has no influence"),
}


def test_the_plain_one_passes():
    check_encoder_decoder(PLAIN)


@pytest.mark.parametrize("flaw", BROKEN)
def test_a_broken_one_is_refused(flaw):
    change, sentence = BROKEN[flaw]
    with pytest.raises(AssertionError, match=sentence):
        check_encoder_decoder(PLAIN._replace(**change))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["transformer scanned", "additive"])
def test_attention_maps(name, monkeypatch):
    """Every row sums to 1, and nothing looks at padding or ahead."""
    monkeypatch.setattr(stack, "SCAN_FROM", 2)
    model = CONFIGS[name].make(VOCABULARY, S)
    source, target = strings()
    seen = jax.jit(model.inspect)(made_up(model.init), source, VALID, target)
    layers = range(CONFIGS[name].num_layers)
    if name == "additive":
        assert sorted(seen) == ["decoder/cross", "decoder/hidden"]
        crosses = [seen["decoder/cross"]]
    else:
        kinds = ("encoder_{}/weights", "decoder_{}/weights", "decoder_{}/cross")
        assert sorted(seen) == sorted(kind.format(i) for kind in kinds for i in layers)
        crosses = [seen[f"decoder_{i}/cross"] for i in layers]
        assert not np.triu(seen["decoder_0/weights"], 1).any()
        assert not seen["encoder_0/weights"][1, :, :, 3:].any()
    for cross in crosses:
        assert cross.shape == (B, getattr(CONFIGS[name], "num_heads", 1), T, S)
        np.testing.assert_allclose(cross.sum(-1), 1, atol=1e-6)
        assert not cross[1, :, :, 3:].any()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("config", [Transformer(8, 1, dropout=0.5), RecurrentEncoderDecoder(8, dropout=0.5)])
def test_dropout_draws_by_the_key_alone(config):
    model = config.make(VOCABULARY, S)
    params = made_up(model.init)
    source, target = strings()
    apply = jax.jit(lambda seed: model.apply(params, source, VALID, target, key=jax.random.key(seed)))
    still = jax.jit(lambda: model.apply(params, source, VALID, target))()
    np.testing.assert_array_equal(apply(1), apply(1))
    assert not np.allclose(apply(1), apply(2))
    assert not np.allclose(apply(1), still)


def test_every_layer_of_a_decoder_drops_by_a_key_of_its_own():
    config, mixer = Transformer(8, 1, num_heads=2, dropout=0.5), Attention(8, 2).make()
    params = made_up(partial(init_decoder_block, config, mixer))
    x, key = np.ones((B, T, 8), np.float32), jax.random.key(0)
    layer = lambda index: (index, params, None)  # noqa: E731
    drop = jax.jit(lambda index: apply_decoder_layer(config, Memory(x, None), key, mixer, x, layer(index))[0])
    assert not np.allclose(drop(0), drop(1))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Transformer(32, num_heads=3), "num_heads: got 3, wanted a divisor of d_model=32"),
        (lambda: Transformer(norm_place="middle"), "norm_place: got 'middle', wanted one of pre, post"),
        (lambda: Transformer(dropout=1.0), "dropout: got 1.0"),
        (lambda: Transformer(d_ff=0), "d_ff: got 0"),
        (lambda: Transformer(d_model=0), "d_model: got 0, wanted an integer"),
        (lambda: RecurrentEncoderDecoder(attention="luong"), "attention: got 'luong', wanted one of none, additive"),
        (lambda: RecurrentEncoderDecoder(cell="elman"), "cell: got 'elman', wanted one of lstm, gru, rnn"),
        (lambda: RecurrentEncoderDecoder(7), "d_model: got 7, wanted an even width"),
        (lambda: RecurrentEncoderDecoder(dropout=-0.1), "dropout: got -0.1"),
        (lambda: Transformer().make(VOCABULARY, 4), r"Transformer: d_model is None, wanted a width: Transformer\(d_mo"),
        (
            lambda: RecurrentEncoderDecoder().make(VOCABULARY, 4),
            "RecurrentEncoderDecoder: d_model is None, wanted",
        ),
        (lambda: RecurrentEncoderDecoder(tied=True, d_embedding=8), "d_embedding: got 8, wanted d_model=None"),
        (lambda: Transformer().make(IO(num_classes=3, channels=2), 4), "wanted one vocabulary"),
    ],
)
def test_a_wrong_option_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


LETTERS, LENGTH = 4, 3
BOS, EOS = LETTERS, LETTERS + 1


def copies(key, batch_size):
    """Strings of 1 to LENGTH letters as (source, source_valid, target_in, target, target_valid)."""
    key_length, key_letters = jax.random.split(key)
    length = jax.random.randint(key_length, (batch_size, 1), 1, LENGTH + 1)
    source = jax.random.randint(key_letters, (batch_size, LENGTH), 0, LETTERS)
    place = jnp.arange(LENGTH + 1)
    valid = place < length
    target = jnp.where(valid, jnp.pad(source, ((0, 0), (0, 1))), jnp.where(place == length, EOS, 0))
    target_in = jnp.concatenate([jnp.full((batch_size, 1), BOS), target[:, :-1]], 1)
    return source, valid[:, :-1], target_in, target, place <= length


@pytest.mark.parametrize(
    "config",
    [Transformer(16, 1, num_heads=2), RecurrentEncoderDecoder(16)],
    ids=["transformer", "additive"],
)
@pytest.mark.exhaustive
def test_greedy_decoding_of_a_learned_copy(config):
    model = config.make(IO(num_classes=LETTERS + 2, vocab_size=LETTERS + 2), LENGTH + 1)
    optimizer = optax.adam(1e-2)

    def loss(params, key):
        source, source_valid, target_in, target, target_valid = copies(key, 64)
        logits = model.apply(params, source, source_valid, target_in)
        return jnp.mean(optax.losses.softmax_cross_entropy_with_integer_labels(logits, target), where=target_valid)

    def step(state, key):
        params, opt_state = state
        update, opt_state = optimizer.update(jax.grad(loss)(params, key), opt_state)
        return (optax.apply_updates(params, update), opt_state), None

    def train(keys):
        params = model.init(jax.random.key(0))
        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]

    params = jax.jit(train)(jax.random.split(jax.random.key(1), 400))
    source, source_valid, _, target, _ = copies(jax.random.key(2), 128)
    said = jax.jit(partial(greedy_decode, model, max_length=LENGTH + 1, bos=BOS, eos=EOS))(params, source, source_valid)
    assert (said == target).all(1).mean() > 0.95
