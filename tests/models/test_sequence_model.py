"""The skeleton: whole equals piece by piece, positions, the classic form, and what is refused."""

from dataclasses import dataclass, replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.layers.multi_head import multi_head_attention
from attn_jax.mixers import GRU, LSTM, Attention, Mixer, MixerConfig
from attn_jax.models import ModelConfig, classic
from attn_jax.types import IO

TOKENS, CHANNELS = IO(num_classes=5, vocab_size=7), IO(num_classes=5, channels=2)
MODELS = {
    "attention sinusoidal": ModelConfig(16, 2, (Attention(num_heads=2),), positions="sinusoidal"),
    "attention learned, rms": ModelConfig(16, 1, (Attention(num_heads=4),), norm="rms", positions="learned"),
    "hybrid": ModelConfig(16, 2, (LSTM(), Attention(num_heads=2)), d_ff=8),
    "classic": classic(GRU(), d_model=12),
    "classic inner": classic(LSTM(d_inner=10), d_model=12),
}


@pytest.mark.parametrize("io", [TOKENS, CHANNELS], ids=["tokens", "channels"])
@pytest.mark.parametrize("name", MODELS)
def test_apply_equals_extend_in_pieces(name, io):
    model = MODELS[name].make(io, 9)
    params = jax.jit(model.init)(jax.random.key(0))
    if io.channels:
        inputs = jax.random.normal(jax.random.key(1), (2, 9, 2))
    else:
        inputs = jax.random.randint(jax.random.key(1), (2, 9), 0, 7)
    whole = jax.jit(model.apply)(params, inputs, None)
    assert whole.shape == (2, 9, 5)
    state, pieces = model.init_state(params, 2, 9), []
    for start, end in [(0, 4), (4, 5), (5, 9)]:
        y, state = jax.jit(model.extend)(params, inputs[:, start:end], state, None)
        pieces.append(y)
    np.testing.assert_allclose(jnp.concatenate(pieces, 1), whole, atol=2e-5)
    assert state["position"].tolist() == [9, 9]


def test_positions_follow_each_row_through_padding():
    model = MODELS["attention sinusoidal"].make(TOKENS, 9)
    params = model.init(jax.random.key(0))
    tokens = jax.random.randint(jax.random.key(1), (1, 6), 0, 7)
    valid = jnp.arange(4) < 3
    _, state = model.extend(params, tokens[:, :4], model.init_state(params, 1, 9), valid[None])
    y, _ = model.extend(params, tokens[:, 4:], state, None)
    skipped = jnp.concatenate([tokens[:, :3], tokens[:, 4:]], 1)
    np.testing.assert_allclose(y, model.apply(params, skipped, None)[:, 3:], atol=2e-5)


def test_apply_is_apply_embedded_after_embed():
    model = MODELS["hybrid"].make(TOKENS, 9)
    params = model.init(jax.random.key(0))
    tokens = jax.random.randint(jax.random.key(1), (2, 9), 0, 7)
    chex.assert_trees_all_equal(
        model.apply(params, tokens, None), model.apply_embedded(params, model.embed(params, tokens), None)
    )


def test_without_positions_attention_cannot_tell_order():
    """The last answer depends on the set of tokens before it; with positions it does not."""
    tokens = jnp.array([[1, 2, 3, 0], [3, 1, 2, 0]])
    for positions, alike in [("none", True), ("sinusoidal", False), ("learned", False)]:
        model = ModelConfig(16, 1, (Attention(num_heads=2),), positions=positions).make(TOKENS, 4)
        y = model.apply(model.init(jax.random.key(0)), tokens, None)[:, -1]
        assert bool(jnp.allclose(y[0], y[1], atol=1e-5)) == alike


def test_learned_positions_end_where_the_table_ends():
    model = MODELS["attention learned, rms"].make(TOKENS, 3)
    params = model.init(jax.random.key(0))
    assert params["positions"]["table"].shape == (3, 16)
    assert np.isnan(model.apply(params, jnp.zeros((1, 4), int), None)[0, 3]).all()


def test_the_classic_form_is_cells_on_cells():
    config = classic(LSTM(), d_model=12)
    params = config.make(TOKENS, 9).init(jax.random.key(0))
    assert [sorted(layer) for layer in params["layers"]] == [["mixer", "mixer_norm"]] * 2
    assert not jax.tree.leaves([layer["mixer_norm"] for layer in params["layers"]])
    tokens = jax.random.randint(jax.random.key(1), (2, 9), 0, 7)
    x = params["embedding"]["table"][tokens]
    mixer = LSTM(d_model=12).make()
    for layer in params["layers"]:
        x = mixer.apply(layer["mixer"], x)
    want = x @ params["readout"]["w"] + params["readout"]["b"]
    chex.assert_trees_all_close(config.make(TOKENS, 9).apply(params, tokens, None), want, atol=1e-6)


def test_inspect_names_layers():
    model = MODELS["hybrid"].make(TOKENS, 9)
    params = model.init(jax.random.key(0))
    seen = model.inspect(params, jnp.zeros((1, 4), int), None)
    assert sorted(seen) == ["layer_0/hidden", "layer_1/weights"]


@dataclass(frozen=True)
class BothWays(MixerConfig):
    """Attention over the whole sequence, before and after."""

    def make(self):
        causal = Attention(d_model=self.width, num_heads=2).make()
        return Mixer(causal.init, both_ways, None, None, causal.inspect, causal=False)


def both_ways(params, x, valid=None, *, key=None):
    return multi_head_attention(params, x)


def test_a_non_causal_mixer_makes_a_model_without_extend():
    model = ModelConfig(16, 2, (BothWays(),)).make(TOKENS, 4)
    assert model.init_state is None
    assert model.extend is None
    params = model.init(jax.random.key(0))
    first, second = model.apply(params, jnp.array([[1, 2, 3], [1, 2, 4]]), None)[:, 0]
    assert not jnp.allclose(first, second)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mixers": (GRU(), GRU(), GRU())}, "got 3 for num_layers=2, wanted 1 or 2"),
        ({"mixers": (GRU(d_model=8),)}, "differs from the model's 16"),
        ({"mixers": (Attention(num_heads=3),)}, "num_heads: got 3, wanted a divisor"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(ModelConfig(16, 2), **change).make(TOKENS, 4)


@pytest.mark.parametrize("form", ["apply", "extend"])
def test_nan_at_padding_reaches_no_gradient(form):
    """Channels that are NaN at padding, and learned positions whose padding runs past the table."""
    model = ModelConfig(8, 1, (Attention(num_heads=2),), positions="learned").make(CHANNELS, 3)
    params = model.init(jax.random.key(0))
    inputs = jnp.where(jnp.arange(4)[:, None] < 3, jax.random.normal(jax.random.key(1), (1, 4, 2)), jnp.nan)
    valid = jnp.arange(4)[None] < 3

    def total(params):
        if form == "apply":
            y = model.apply(params, inputs, valid)
        else:
            y, _ = model.extend(params, inputs, model.init_state(params, 1, 3), valid)
        return jnp.where(valid[..., None], y, 0).sum()

    chex.assert_tree_all_finite(jax.grad(total)(params))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"norm": "layernorm"}, "norm: got 'layernorm', wanted one of layer, rms, none"),
        ({"positions": "rotary"}, "positions: got 'rotary', wanted one of none, sinusoidal, learned"),
        ({"d_model": 0}, "d_model: got 0, wanted an integer of at least 1"),
        ({"d_ff": -1}, "d_ff: got -1, wanted an integer of at least 0"),
        ({"mixers": ()}, "mixers: got none"),
    ],
)
def test_a_misspelt_choice_is_refused_at_once(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        ModelConfig(**change)
