"""Steps from k places back against what a reader counts by hand, layer by layer."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiers import first

from attn_jax.mixers import LSTM, Attention, MinGRU, ShortConv
from attn_jax.models import ModelConfig, classic
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.probes import PathLength
from attn_jax.training.probes.path_length import layer_steps, measure
from attn_jax.types import IO, Batch

T = 17
K = np.arange(T)
NARROW, TAPS = Attention(num_heads=1, window=3), ShortConv(kernel_size=4)
MODELS = {  # a layer each
    "attention": [Attention(num_heads=1)],
    "window": [NARROW, NARROW],
    "lstm": [LSTM(), LSTM()],
    "conv": [TAPS, TAPS, TAPS],
    "window, lstm": [NARROW, LSTM()],
    "conv, attention": [TAPS, Attention(num_heads=1)],
}


def within(steps, furthest):
    return np.where(furthest >= K, steps, np.nan)


WANTED = {
    "attention": np.minimum(K, 1),
    "window": within(np.ceil(K / 3), 6),
    "lstm": K,
    "conv": within(np.ceil(K / 3), 9),
    "window, lstm": np.where(K < 3, np.minimum(K, 1), K - 2),  # three places at once, the others one by one
    "conv, attention": np.minimum(K, 1),
}


def said(models, params):
    """What the probe measures of each model, by one program."""
    x = np.random.default_rng(0).integers(5, size=(2, T))
    batch = Batch(x, x, np.ones((2, T), np.float32), *np.ones((2, 2, T), bool))
    probes = {name: partial(measure, PathLength(num_places=T), model) for name, model in models.items()}

    def of(place, name):
        key_params, key = (jax.random.fold_in(jax.random.key(place), index) for index in range(2))
        return probes[name](params[name](key_params), batch, key)

    measured = jax.jit(lambda: {name: of(place, name) for place, name in enumerate(probes)})()
    return jax.tree.map(np.asarray, measured)


def require_steps(got, steps):
    np.testing.assert_array_equal(got["k"], K)
    np.testing.assert_allclose(got["steps"], steps)
    assert got["furthest"] == K[np.isfinite(steps)].max()
    assert got["longest"] == np.nanmax(steps)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", first(MODELS, "window, lstm", "conv"))
def test_by_hand(name):
    mixers = tuple(MODELS[name])
    config = ModelConfig(4, len(mixers), mixers, norm="none", residual=False, d_ff=0)
    model = config.make(IO(num_classes=5, vocab_size=5), T)
    require_steps(said({name: model}, {name: model.init})[name], WANTED[name])


def test_an_associative_scan_takes_a_step_a_level():
    """Two, four, eight ... places are joined in one, two, three ... levels."""
    model = classic(MinGRU(form="associative"), d_model=4, num_layers=1).make(IO(num_classes=5, vocab_size=5), T)
    params = jax.eval_shape(model.init, jax.random.key(0))
    steps = layer_steps(model.through["layer_0"], params, T, 4)
    np.testing.assert_array_equal(steps[[0, 1, 2, 4, 8, 16]], [0, 1, 1, 2, 3, 4])


def test_what_is_cut_off_does_not_arrive():
    """A layer that hides all but the last two places from the others, beside one that hides nothing."""

    def summed(params, x, valid=None, *, key=None):
        return jnp.cumsum(x, 1)

    def cut(params, x, valid=None, *, key=None):
        return jnp.concatenate([jax.lax.stop_gradient(x[:, :-2]), x[:, -2:]], 1).cumsum(1)

    embed = lambda params, inputs: jnp.ones((*inputs.shape, 4))  # noqa: E731
    bare = Model(*(None,) * 7)._replace(embed=embed)
    models = {layer.__name__: bare._replace(through={"layer_0": layer}) for layer in (summed, cut)}
    got = said(models, dict.fromkeys(models, lambda key: None))
    assert got["summed"]["furthest"] == T - 1
    require_steps(got["cut"], np.where(K < 2, K, np.nan))
    with pytest.raises(AssertionError):
        require_steps(got["summed"], np.where(K < 2, K, np.nan))


def test_models_that_do_not_tell_their_layers_apart_have_no_path():
    model = Model(*(None,) * 7)
    assert PathLength().make(model, None) is PathLength().make(EncoderDecoder(*(None,) * 5), None) is None
    with pytest.raises(ValueError, match="num_places: got 1"):
        PathLength(num_places=1)
