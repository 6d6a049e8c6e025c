"""The skeleton: whole equals piece by piece, positions, the classic form, and what is refused."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import made_up
from tiers import diagonal

from attn_jax.mixers import GRU, LSTM, Attention
from attn_jax.models import ModelConfig, classic, stack
from attn_jax.types import IO

TOKENS, CHANNELS = IO(num_classes=5, vocab_size=7), IO(num_classes=5, channels=2)
SAME = IO(num_classes=7, vocab_size=7)
RNG = np.random.default_rng(1)
MODELS = {
    "attention sinusoidal": ModelConfig(16, 2, (Attention(num_heads=2),), positions="sinusoidal"),
    "attention learned, rms": ModelConfig(16, 1, (Attention(num_heads=4),), norm="rms", positions="learned"),
    "hybrid": ModelConfig(16, 2, (LSTM(), Attention(num_heads=2)), d_ff=8),
    "post norm, gated, tied": ModelConfig(
        8, 2, (GRU(),), norm="rms", norm_place="post", mlp="swiglu", tied=True, positions="sinusoidal"
    ),
    "scanned between": ModelConfig(8, 3, (GRU(), *(Attention(num_heads=2),) * 2), d_ff=4),
    "classic": classic(GRU(), d_model=12),
    "classic inner": classic(LSTM(d_inner=10), d_model=12),
}


IOS = {"tokens": TOKENS, "channels": CHANNELS}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("name", "io"), diagonal(MODELS, IOS))
def test_apply_equals_extend_in_pieces(name, io, monkeypatch):
    io = IOS[io]
    if name == "scanned between":
        monkeypatch.setattr(stack, "SCAN_FROM", 2)
    if MODELS[name].tied:
        io = SAME
    model = MODELS[name].make(io, 9)
    params = made_up(model.init)
    inputs = RNG.normal(size=(2, 9, 2)).astype(np.float32) if io.channels else RNG.integers(0, 7, (2, 9))
    whole = jax.jit(model.apply)(params, inputs, None)
    assert whole.shape == (2, 9, io.num_classes)
    state, pieces = model.init_state(params, 2, 9), []
    for start, end in [(0, 4), (4, 5), (5, 9)]:
        y, state = jax.jit(model.extend)(params, inputs[:, start:end], state, None)
        pieces.append(y)
    np.testing.assert_allclose(np.concatenate(pieces, 1), whole, atol=2e-5)
    assert state["position"].tolist() == [9, 9]


def test_positions_follow_each_row_through_padding():
    model = MODELS["attention sinusoidal"].make(TOKENS, 9)
    params, extend = made_up(model.init), jax.jit(model.extend)
    tokens = np.random.default_rng(1).integers(0, 7, (1, 6))
    valid = np.arange(4) < 3
    _, state = extend(params, tokens[:, :4], model.init_state(params, 1, 9), valid[None])
    y, _ = extend(params, tokens[:, 4:], state, None)
    skipped = np.concatenate([tokens[:, :3], tokens[:, 4:]], 1)
    np.testing.assert_allclose(y, jax.jit(model.apply)(params, skipped, None)[:, 3:], atol=2e-5)


def test_apply_is_apply_embedded_after_embed():
    model = MODELS["hybrid"].make(TOKENS, 9)
    params = made_up(model.init)
    tokens = RNG.integers(0, 7, (2, 9))
    chex.assert_trees_all_equal(
        jax.jit(model.apply)(params, tokens, None),
        jax.jit(lambda p: model.apply_embedded(p, model.embed(p, tokens), None))(params),
    )


def test_without_positions_attention_cannot_tell_order():
    """The last answer depends on the set of tokens before it; with positions it does not."""
    tokens = np.array([[1, 2, 3, 0], [3, 1, 2, 0]])
    for positions, alike in [("none", True), ("sinusoidal", False), ("learned", False)]:
        model = ModelConfig(16, 1, (Attention(num_heads=2),), positions=positions).make(TOKENS, 4)
        y = jax.jit(model.apply)(made_up(model.init), tokens, None)[:, -1]
        assert bool(np.allclose(y[0], y[1], atol=1e-5)) == alike


def test_learned_positions_end_where_the_table_ends():
    model = MODELS["attention learned, rms"].make(TOKENS, 3)
    params = made_up(model.init)
    assert params["positions"]["table"].shape == (3, 16)
    assert np.isnan(jax.jit(model.apply)(params, np.zeros((1, 4), int), None)[0, 3]).all()


def test_the_classic_form_is_cells_on_cells():
    config = classic(LSTM(), d_model=12)
    params = jax.jit(config.make(TOKENS, 9).init)(jax.random.key(0))
    assert [sorted(layer) for layer in params["layers"]] == [["mixer", "mixer_norm"]] * 2
    assert not jax.tree.leaves([layer["mixer_norm"] for layer in params["layers"]])
    tokens = jax.random.randint(jax.random.key(1), (2, 9), 0, 7)
    x = params["embedding"]["table"][tokens]
    mixer = LSTM(d_model=12).make()
    through = config.make(TOKENS, 9).through
    for layer in params["layers"]:
        before, x = x, jax.jit(mixer.apply)(layer["mixer"], x)
    chex.assert_trees_all_close(jax.jit(through["layer_1"])(params, before), x, atol=1e-6)
    want = x @ params["readout"]["w"] + params["readout"]["b"]
    chex.assert_trees_all_close(jax.jit(config.make(TOKENS, 9).apply)(params, tokens, None), want, atol=1e-6)


def test_inspect_names_layers():
    model = MODELS["hybrid"].make(TOKENS, 9)
    params = made_up(model.init)
    seen = jax.jit(model.inspect)(params, np.zeros((1, 4), int), None)
    assert sorted(seen) == [*(f"layer_0/{name}" for name in ("hidden", "keep", "read", "write")), "layer_1/weights"]


def test_a_non_causal_mixer_makes_a_model_without_extend():
    model = ModelConfig(16, 2, (Attention(causal=False),)).make(TOKENS, 4)
    assert model.init_state is None
    assert model.extend is None
    params = made_up(model.init)
    first, second = jax.jit(model.apply)(params, np.array([[1, 2, 3], [1, 2, 4]]), None)[:, 0]
    assert not np.allclose(first, second)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mixers": (GRU(), GRU(), GRU())}, "got 3 for num_layers=2, wanted 1 or 2"),
        ({"mixers": (GRU(d_model=8),)}, "differs from the model's 16"),
        ({"mixers": (Attention(num_heads=3),)}, "num_heads: got 3, wanted a divisor"),
        ({"d_model": None}, r"ModelConfig: d_model is None, wanted a width: ModelConfig\(d_model=32\) for instance"),
    ],
)
def test_what_does_not_fit_is_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(ModelConfig(16, 2), **change).make(TOKENS, 4)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("form", ["apply", "extend"])
def test_nan_at_padding_reaches_no_gradient(form):
    """Channels that are NaN at padding, and learned positions whose padding runs past the table."""
    model = ModelConfig(8, 1, (Attention(num_heads=2),), positions="learned").make(CHANNELS, 3)
    params = made_up(model.init)
    inputs = np.where(np.arange(4)[:, None] < 3, RNG.normal(size=(1, 4, 2)), np.nan).astype(np.float32)
    valid = np.arange(4)[None] < 3

    def total(params):
        if form == "apply":
            y = jax.jit(model.apply)(params, inputs, valid)
        else:
            y, _ = model.extend(params, inputs, model.init_state(params, 1, 3), valid)
        return jnp.where(valid[..., None], y, 0).sum()

    chex.assert_tree_all_finite(jax.jit(jax.grad(total))(params))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"norm": "layernorm"}, "norm: got 'layernorm', wanted one of layer, rms, none"),
        ({"positions": "rotary"}, "positions: got 'rotary', wanted one of none, sinusoidal, learned"),
        ({"d_model": 0}, "d_model: got 0, wanted an integer of at least 1"),
        ({"d_ff": -1}, "d_ff: got -1, wanted an integer of at least 0"),
        ({"mixers": ()}, "mixers: got none"),
        ({"mixers": (GRU(d_model=8),)}, r"mixers: got GRU\(d_model=8\) in a model without, wanted none"),
        ({"norm_place": "sandwich"}, "norm_place: got 'sandwich', wanted one of pre, post"),
        ({"mlp": "silu"}, "mlp: got 'silu', wanted one of gelu, relu, swiglu, geglu"),
        ({"dropout": 1.0}, "dropout: got 1.0, wanted a share of at least 0 and below 1"),
    ],
)
def test_a_misspelt_choice_is_refused_at_once(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        ModelConfig(**change)


DEEP = ModelConfig(8, 6, (Attention(num_heads=2),), d_ff=8, dropout=0.5)


def made(monkeypatch, config, scan_from):
    """The model whose equal layers are scanned from so many on."""
    with monkeypatch.context() as patch:
        patch.setattr(stack, "SCAN_FROM", scan_from)
        return config.make(TOKENS, 9)


def apart(tree, size):
    """The layers of a scanned run, one by one."""
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(size)]


@pytest.mark.exhaustive
def test_scanned_layers_are_the_unrolled_ones(monkeypatch):
    """The same initial numbers, outputs, gradients, dropout and insides."""
    two = replace(DEEP, num_layers=2)
    scanned, plain = made(monkeypatch, two, 2), made(monkeypatch, two, 3)
    params, each = jax.jit(scanned.init)(jax.random.key(0)), jax.jit(plain.init)(jax.random.key(0))
    assert len(params["layers"]) == 1
    assert len(each["layers"]) == 2
    chex.assert_trees_all_close(apart(params["layers"][0]["stacked"], 2), each["layers"], atol=1e-6)
    tokens = jax.random.randint(jax.random.key(1), (2, 5), 0, 7)
    valid = jnp.arange(5) < jnp.array([[5], [3]])

    def total(model, params):
        y = jax.jit(model.apply)(params, tokens, valid, key=jax.random.key(2))
        return jnp.where(valid[..., None], jnp.sin(y), 0).sum(), y

    def outcome(model):
        return jax.jit(jax.value_and_grad(lambda p: total(model, p), has_aux=True))

    (value, y), gradient = outcome(scanned)(params)
    (value_each, y_each), gradient_each = outcome(plain)(each)
    chex.assert_trees_all_close((value, y), (value_each, y_each), atol=2e-5)
    gradient["layers"] = apart(gradient["layers"][0]["stacked"], 2)
    chex.assert_trees_all_close(gradient, gradient_each, atol=5e-5)
    seen, seen_each = (jax.jit(m.inspect)(p, tokens, valid) for m, p in ((scanned, params), (plain, each)))
    chex.assert_trees_all_close(seen, seen_each, atol=1e-5)
    for name in ("layer_0", "layer_1"):
        x = jnp.ones((2, 5, two.width))
        alone, alone_each = (jax.jit(m.through[name])(p, x) for m, p in ((scanned, params), (plain, each)))
        chex.assert_trees_all_close(alone, alone_each, atol=1e-5)


@pytest.mark.exhaustive
def test_a_program_does_not_grow_with_depth():
    """As many operations at 12 layers as at 6, states and gradients too; and more where layers differ."""

    def operations(config):
        model = config.make(TOKENS, 9)
        params = jax.eval_shape(model.init, jax.random.key(0))
        tokens = jnp.zeros((1, 9), int)
        loss = jax.make_jaxpr(jax.grad(lambda p: model.apply(p, tokens, None).sum()))
        step = jax.make_jaxpr(lambda p: model.extend(p, tokens, model.init_state(p, 1, 9), None))
        return count(loss(params).jaxpr), count(step(params).jaxpr)

    def count(jaxpr):
        inner = [getattr(value, "jaxpr", value) for eqn in jaxpr.eqns for value in eqn.params.values()]
        return len(jaxpr.eqns) + sum(count(program) for program in inner if hasattr(program, "eqns"))

    assert operations(DEEP) == operations(replace(DEEP, num_layers=12))
    differ = replace(DEEP, mixers=(Attention(num_heads=2), Attention(num_heads=4)) * 3)
    twice = replace(differ, num_layers=12, mixers=differ.mixers * 2)
    assert all(a < b for a, b in zip(operations(differ), operations(twice), strict=True))


def test_initial_numbers_belong_to_a_layers_place():
    """What published results start from: one key a layer, split after embedding, readout and positions."""
    params = jax.jit(ModelConfig(8, 2, (GRU(),)).make(TOKENS, 9).init)(jax.random.key(0))
    key = jax.random.split(jax.random.key(0), 5)[4]
    want = jax.jit(GRU(d_model=8).make().init)(jax.random.split(key)[0])
    chex.assert_trees_all_equal(params["layers"][1]["mixer"], want)


def test_post_norm_normalises_what_leaves_a_part():
    """Before the readout every place has mean 0 and variance 1, and no norm follows."""
    model = ModelConfig(8, 1, (GRU(),), norm_place="post").make(TOKENS, 9)
    params = jax.jit(model.init)(jax.random.key(0))
    assert params["norm"] == {}
    params["readout"] = {"w": np.eye(8, dtype=np.float32), "b": np.zeros(8, np.float32)}
    y = jax.jit(model.apply)(params, np.array([[1, 2, 3]]), None)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(-1), 1, atol=1e-3)


def test_tied_logits_are_similarities_with_the_table():
    model = replace(classic(GRU(), d_model=4, num_layers=1), tied=True).make(SAME, 9)
    params = jax.jit(model.init)(jax.random.key(0))
    assert list(params["readout"]) == ["b"]
    tokens = np.array([[1, 2, 3]])
    table = np.asarray(params["embedding"]["table"], np.float64)
    hidden = jax.jit(GRU(d_model=4).make().apply)(params["layers"][0]["mixer"], params["embedding"]["table"][tokens])
    np.testing.assert_allclose(jax.jit(model.apply)(params, tokens, None), np.asarray(hidden) @ table.T / 2, atol=1e-5)
    with pytest.raises(ValueError, match="tied: got True"):
        replace(classic(GRU()), tied=True).make(TOKENS, 9)


def test_a_gated_mlp_costs_what_a_plain_one_costs():
    made = lambda mlp: ModelConfig(24, 1, (GRU(),), mlp=mlp).make(TOKENS, 9)  # noqa: E731
    sizes = {
        mlp: sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(made(mlp).init, jax.random.key(0))))
        for mlp in ("gelu", "geglu")
    }
    assert abs(sizes["geglu"] / sizes["gelu"] - 1) < 0.02


def test_dropout_drops_in_training_and_never_elsewhere():
    model = ModelConfig(16, 1, (GRU(),), dropout=0.3).make(TOKENS, 9)
    params = made_up(model.init)
    tokens = RNG.integers(0, 7, (2, 9))
    apply = jax.jit(lambda seed: jax.jit(model.apply)(params, tokens, None, key=jax.random.key(seed)))
    still = jax.jit(ModelConfig(16, 1, (GRU(),)).make(TOKENS, 9).apply)(params, tokens, None)
    np.testing.assert_array_equal(jax.jit(model.apply)(params, tokens, None), still)
    np.testing.assert_array_equal(apply(1), apply(1))
    assert not np.allclose(apply(1), apply(2))


def test_the_scale_of_the_embedding_moves_nothing_but_its_table():
    models = [replace(MODELS["classic"], embedding_scale=scale).make(TOKENS, 9) for scale in (1.0, 0.25)]
    plain, small = (jax.jit(model.init)(jax.random.key(0)) for model in models)
    np.testing.assert_array_equal(small["embedding"]["table"], 0.25 * plain["embedding"]["table"])
    chex.assert_trees_all_equal(*({name: x[name] for name in x if name != "embedding"} for x in (plain, small)))


def test_a_scale_of_the_embedding_is_refused_where_it_means_nothing():
    with pytest.raises(ValueError, match="embedding_scale: got -1"):
        ModelConfig(8, embedding_scale=-1)
    with pytest.raises(ValueError, match=r"embedding_scale: got 0\.5 for .*wanted 1: channels have no table"):
        ModelConfig(8, embedding_scale=0.5).make(CHANNELS, 4)
