"""Losses, metrics, streams and the optimiser against hand counts."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import get_args

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from attn_jax.layers.decay import spared
from attn_jax.mixers import MIXERS, Attention, MixerConfig
from attn_jax.mixers.base import Mixer
from attn_jax.models import ModelConfig
from attn_jax.tasks.base import Metric
from attn_jax.training.losses import cross_entropy, loss, squared_error
from attn_jax.training.metrics import METRICS, accuracy, bits_per_token, exact_match, mse
from attn_jax.training.optim import learning_rate_schedule, make_optimizer
from attn_jax.training.streams import stream_key
from attn_jax.types import IO, Batch

TARGETS = jnp.array([[0, 1, 2], [2, 2, 0]])
SCORED = jnp.array([[True, True, False], [False, True, True]])
BATCH = Batch(TARGETS, TARGETS, jnp.array([[1.0, 2.0, 0.0], [0.0, 1.0, 0.5]]), SCORED, jnp.ones((2, 3), bool))
LOGITS = jax.nn.one_hot(jnp.array([[0, 1, 1], [0, 2, 1]]), 3) * 4.0  # wrong at [0, 2], [1, 0] (unscored) and [1, 2]


def test_cross_entropy_is_the_weighted_sum():
    log_p = np.asarray(LOGITS, np.float64)
    log_p = log_p - np.log(np.exp(log_p).sum(-1, keepdims=True))
    want = sum(-BATCH.weights[b, t] * log_p[b, t, TARGETS[b, t]] for b in range(2) for t in range(3))
    tally = cross_entropy(LOGITS, BATCH)
    np.testing.assert_allclose(tally.total, want, rtol=1e-6)
    assert float(tally.number) == 4.5


def test_what_is_not_weighted_reaches_neither_loss_nor_gradient():
    spoilt = LOGITS.at[0, 2].set(jnp.nan)
    loss, gradient = jax.jit(jax.value_and_grad(lambda logits: cross_entropy(logits, BATCH).mean))(spoilt)
    assert jnp.isfinite(loss)
    chex.assert_tree_all_finite(gradient)
    assert not gradient[0, 2].any()


def test_logits_of_another_shape_are_refused():
    with pytest.raises(AssertionError, match="shape"):
        cross_entropy(LOGITS[:, :2], BATCH)


def test_accuracy_and_exact_match_count():
    assert [float(x) for x in accuracy(LOGITS, BATCH)] == [3, 4]
    assert [float(x) for x in exact_match(LOGITS, BATCH)] == [1, 2]


def decayed(model, params):
    """The paths of the leaves that weight decay pulls to 0."""
    ones = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), params)
    optimizer = make_optimizer(lambda step: 1.0, weight_decay=0.5, clip=1.0, spared=model.spared)
    update, _ = jax.jit(lambda ones: optimizer.update(jax.tree.map(jnp.zeros_like, ones), optimizer.init(ones), ones))(
        ones
    )
    leaves = jax.tree_util.tree_flatten_with_path(update)[0]
    assert {float(leaf.max()) for _, leaf in leaves} <= {0.0, 0.5}
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, leaf in leaves if leaf.max() > 0}


@pytest.mark.parametrize("num_layers", [1, 6])
def test_decay_leaves_biases_and_gains_alone(num_layers):
    """Six equal layers are scanned: their gains are [6, D], and are gains all the same."""
    model = ModelConfig(8, num_layers, (Attention(num_heads=2, use_bias=True),)).make(IO(5, 5), 9)
    layer = "layers/0/stacked" if num_layers == 6 else "layers/0"
    matrices = {"mixer/w_q", "mixer/w_k", "mixer/w_v", "mixer/w_o", "mlp/up/w", "mlp/down/w"}
    tables = {"embedding/table", "readout/w"}
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert decayed(model, params) == tables | {f"{layer}/{name}" for name in matrices}


@dataclass(frozen=True)
class Own(MixerConfig):
    """A user's mixer, whose names mean what the user wants."""

    def make(self):
        shapes = {"b_proj": jnp.ones((3, 3)), "log_table": jnp.ones((2, 3)), "w": jnp.ones(3)}
        apply = lambda params, x, valid=None, *, key=None: x @ params["b_proj"]  # noqa: E731
        return Mixer(lambda key: shapes, apply, None, None, lambda params, x, valid=None: {}, causal=False)


def test_a_name_of_the_users_decides_nothing():
    model = ModelConfig(3, 1, (Own(),), d_ff=0, norm="none").make(IO(5, 5), 9)
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert {name for name in decayed(model, params) if "mixer" in name} == {
        "layers/0/mixer/b_proj",
        "layers/0/mixer/log_table",
    }


def test_decay_spares_what_sets_a_memory():
    """Of every registered mixer: log_a, frequencies, skips and biases have two axes in some, and are left alone."""
    decayed = set()
    for name, mixer in MIXERS.items():
        made = replace(mixer, d_model=16).make()
        shapes = jax.eval_shape(made.init, jax.random.key(0))
        for path, left_alone in jax.tree_util.tree_flatten_with_path(made.spared(shapes))[0]:
            if not left_alone:
                decayed.add((name, path[-1].key))
    assert {leaf for _, leaf in decayed if not leaf.startswith("w")} == {"c"}  # s4d's weights that read its state
    assert {name for name, _ in decayed} == set(MIXERS)


def test_nan_is_never_right():
    assert float(accuracy(jnp.full_like(LOGITS, jnp.nan), BATCH).total) == 0


VALUES = jnp.array([[[1.0, 2.0], [0.0, 0.0], [3.0, 3.0]], [[0.0, 1.0], [2.0, 2.0], [1.0, 1.0]]])
REAL = BATCH._replace(targets=VALUES)


def test_real_answers_are_trained_by_their_squared_error():
    outputs = VALUES + jnp.array([0.5, 1.0])  # 1.25 a place, .625 a channel
    assert [float(x) for x in squared_error(outputs, REAL)] == [1.25 * 4.5, 4.5]
    assert [float(x) for x in loss(outputs, REAL)] == [1.25 * 4.5, 4.5]
    assert [float(x) for x in mse(outputs, REAL)] == [0.625 * 4, 4]
    assert [float(x) for x in loss(LOGITS, BATCH)] == [float(x) for x in cross_entropy(LOGITS, BATCH)]


def test_what_is_not_counted_reaches_no_real_loss():
    spoilt = VALUES.at[0, 2].set(jnp.nan)  # neither weighted nor scored
    value, gradient = jax.value_and_grad(lambda outputs: squared_error(outputs, REAL).mean)(spoilt)
    assert value == 0
    chex.assert_tree_all_finite(gradient)
    assert float(mse(spoilt, REAL).total) == 0
    with pytest.raises(AssertionError, match="shape"):
        squared_error(VALUES[..., :1], REAL)


def test_real_answers_are_right_when_close():
    outputs = VALUES.at[0, 0, 0].add(0.03).at[1, 1, 0].add(0.05).at[0, 2].add(9.0)
    assert [float(x) for x in exact_match(outputs, REAL)] == [1, 2]
    assert float(exact_match(jnp.full_like(VALUES, jnp.nan), REAL).total) == 0


def test_bits_are_nats_over_ln_2():
    bits, nats = bits_per_token(LOGITS, BATCH), cross_entropy(LOGITS, BATCH)
    np.testing.assert_allclose(bits.mean, nats.mean / np.log(2), rtol=1e-6)


def test_every_metric_has_its_function():
    assert set(METRICS) == set(get_args(Metric))


def test_streams_share_no_key():
    keys = [
        tuple(np.asarray(jax.random.key_data(stream_key(stream, seed, step))).tolist())
        for stream in ("init", "train", "dropout", "validation", "test", "order")
        for seed in range(3)
        for step in range(3)
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", ["constant", "cosine"])
def test_schedule(kind):
    schedule = learning_rate_schedule(kind, warmup_steps=4, steps=12)
    factors = [float(schedule(step)) for step in range(12)]
    np.testing.assert_allclose(factors[:4], [0.2, 0.4, 0.6, 0.8], rtol=1e-6)
    if kind == "constant":
        assert factors[4:] == [1.0] * 8
    else:
        np.testing.assert_allclose(factors[4:], [(1 + np.cos(np.pi * i / 8)) / 2 for i in range(8)], atol=1e-6)


def test_no_warm_up_starts_at_the_peak():
    assert float(learning_rate_schedule("constant", warmup_steps=0, steps=5)(0)) == 1.0


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("clip", [0.5, 1e20])
def test_sgd_by_hand(momentum, clip):
    """Clip, keep a share of the step before, then decay and the rate, both outside of what is kept."""
    ours = make_optimizer(
        lambda step: 1.0, optimizer="sgd", momentum=momentum, weight_decay=0.1, clip=clip, spared=partial(spared, [])
    )
    theirs = optax.chain(optax.clip_by_global_norm(clip), optax.sgd(0.03, momentum or None))
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(2, 3)).astype(np.float32), "b": rng.normal(size=3).astype(np.float32)}
    state, their_state, kept, wanted = ours.init(params), theirs.init(params), dict.fromkeys(params, 0.0), params
    update, their_update = jax.jit(ours.update), jax.jit(theirs.update)
    for _ in range(3):
        gradient = {name: 40 * rng.normal(size=leaf.shape).astype(np.float32) for name, leaf in params.items()}
        step, state = jax.device_get(update(gradient, state, params))
        their_step, their_state = jax.device_get(their_update(gradient, their_state))
        norm = math.sqrt(sum((leaf.astype(np.float64) ** 2).sum() for leaf in gradient.values()))
        kept = {name: momentum * kept[name] + min(1, clip / norm) * leaf for name, leaf in gradient.items()}
        for name, leaf in params.items():
            np.testing.assert_allclose(-0.03 * (step[name] - (leaf.ndim > 1) * 0.1 * leaf), their_step[name], rtol=1e-5)
        params = {name: leaf - np.float32(0.03) * step[name] for name, leaf in params.items()}
        wanted = {name: w - 0.03 * (kept[name] + (w.ndim > 1) * 0.1 * w) for name, w in wanted.items()}
    chex.assert_trees_all_close(params, wanted, rtol=2e-5)


def test_a_gradient_that_a_clip_of_1e20_would_clip_has_no_finite_norm():
    """So that it clips nothing: a run whose norm is not finite has diverged."""
    norm = jax.jit(optax.tree.norm)
    assert np.isfinite(norm({"w": np.array([1.8e19, 1.0], np.float32)}))
    assert not np.isfinite(norm({"w": np.array([1e20, 1.0], np.float32)}))


def test_the_optimiser_is_adamw_with_the_rate_outside():
    """rate * update equals optax.adamw's own step, decay on matrices only, after clipping to the global norm."""
    params = {"w": jnp.ones((2, 2)), "b": jnp.ones(2), "b_q": jnp.ones((2, 2))}
    ours = make_optimizer(lambda step: 1.0, weight_decay=0.1, clip=0.5, spared=partial(spared, ["b_q"]))
    mask = {"w": True, "b": False, "b_q": False}
    theirs = optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.03, weight_decay=0.1, mask=mask))
    state, want_state, want = ours.init(params), theirs.init(params), params
    update_ours, update_theirs = jax.jit(ours.update), jax.jit(theirs.update)
    for step in range(3):
        gradient = jax.tree.map(lambda p, k=step: np.sin(p + np.float32(k)), params)
        update, state = update_ours(gradient, state, params)
        params = jax.tree.map(lambda p, u: p - 0.03 * u, params, update)
        gradient = jax.tree.map(lambda p, k=step: np.sin(p + np.float32(k)), want)
        update, want_state = update_theirs(gradient, want_state, want)
        want = optax.apply_updates(want, update)
    chex.assert_trees_all_close(params, want, rtol=1e-6)
