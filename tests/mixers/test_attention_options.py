"""Attention's options: the contract, and each against loops in float64, whole, token by token and inspected.

The contract takes ten seconds a row. So options share rows, here, in test_contract.py and test_attention_both_ways.py.
"""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest
from attention_loops import B, D, T, drawn, require_loops

from attn_jax.mixers import Attention
from attn_jax.ops.positions import randomised_positions
from attn_jax.testing import check_mixer

RANDOMISED = Attention(head_positions="randomised", max_position=40, eval_length=12, eval_seed=3)

CONTRACT = {
    "randomised": RANDOMISED,
    "t5 grouped sinks": Attention(head_positions="t5", num_buckets=4, max_distance=6, num_kv_heads=2, sinks=True),
}


@pytest.mark.parametrize("name", CONTRACT)
@pytest.mark.exhaustive
def test_contract(name):
    check_mixer(CONTRACT[name])


OPTIONS = {
    "rotary": Attention(head_positions="rotary", rotary_base=50.0),
    "alibi": Attention(num_heads=2, head_positions="alibi"),
    "alibi window": Attention(num_heads=2, head_positions="alibi", window=2),
    "alibi both ways": Attention(num_heads=2, head_positions="alibi", causal=False),
    "t5": Attention(num_heads=2, head_positions="t5", num_buckets=4, max_distance=6),
    "t5 both ways": Attention(num_heads=2, head_positions="t5", num_buckets=8, max_distance=6, causal=False, window=4),
    "randomised": replace(RANDOMISED, num_heads=2),
    "randomised window": replace(RANDOMISED, num_heads=2, window=2),
    "sinks": Attention(num_heads=2, sinks=True),
    "qk-norm, rotary": Attention(num_heads=2, qk_norm=True, head_positions="rotary"),
    "soft-cap": Attention(num_heads=2, soft_cap=0.4),
    "soft-cap, t5": Attention(num_heads=2, soft_cap=0.4, head_positions="t5", num_buckets=4, max_distance=6),
    "grouped, sinks, soft-cap": Attention(num_kv_heads=2, use_bias=True, sinks=True, soft_cap=0.4),
    "sinks both ways": Attention(num_heads=2, sinks=True, causal=False),
}


@pytest.mark.sampled(10)
@pytest.mark.parametrize("name", OPTIONS)
def test_loops_in_float64_whole_by_token_and_inspected(name):
    require_loops(OPTIONS[name])


def test_sinks_and_the_bias_of_t5_start_at_zero_and_learn():
    config = Attention(num_heads=2, sinks=True, head_positions="t5", num_buckets=4, max_distance=6)
    mixer, _, x = drawn(config)
    params = jax.device_get(jax.jit(mixer.init)(jax.random.key(0)))
    assert params["b_sinks"].shape == (2,)
    assert params["b_relative"].shape == (4, 2)
    gradients = jax.jit(jax.grad(lambda params: (mixer.apply(params, x) ** 2).sum()))(params)
    for name in ("b_sinks", "b_relative"):
        assert not params[name].any()
        assert (np.abs(gradients[name]) > 1e-4).all()


def test_random_positions_differ_by_key_and_by_row_in_training_alone():
    mixer, params, x = drawn(RANDOMISED)
    alike = np.broadcast_to(x[:1], x.shape)
    apply = jax.jit(lambda seed: mixer.apply(params, alike, None, key=jax.random.key(seed)))
    one, again, other = (np.asarray(apply(seed)) for seed in (1, 1, 2))
    reseeded = replace(RANDOMISED, d_model=D, eval_seed=4).make()
    evaluated, evaluated_again, evaluated_other = (
        np.asarray(jax.jit(lambda made=made: made.apply(params, alike))()) for made in (mixer, mixer, reseeded)
    )
    np.testing.assert_array_equal(one, again)
    for a, b in ((one, other), (one, evaluated), (one[0], one[1])):
        assert np.abs(a - b).max() > 1e-2
    np.testing.assert_array_equal(evaluated[0], evaluated[1])
    np.testing.assert_array_equal(evaluated, evaluated_again)
    assert np.abs(evaluated_other - evaluated).max() > 1e-2


def test_training_draws_from_all_positions_for_a_short_row_too():
    """Where a row has as many places as there are positions it has them all; a shorter row has any of them."""
    config = replace(RANDOMISED, max_position=T, eval_length=T)
    mixer, params, x = drawn(config)
    valid = np.arange(T) < np.array([[T], [4]])
    train = jax.jit(lambda: mixer.apply(params, x, valid, key=jax.random.key(0)))
    trained, evaluated = np.asarray(train()), np.asarray(jax.jit(mixer.apply)(params, x, valid))
    np.testing.assert_allclose(trained[0], evaluated[0], atol=1e-5)
    assert np.abs(trained - evaluated)[1, :4].max() > 1e-2
    draw = jax.vmap(lambda key: randomised_positions(key, T, 10, used=3))
    draws = np.asarray(jax.jit(lambda: draw(jax.random.split(jax.random.key(1), 400)))())
    assert (draws[:, 3:] == 10).all()
    assert (np.diff(draws[:, :3]) > 0).all()
    np.testing.assert_allclose(np.bincount(draws[:, :3].ravel()) / 400, 0.3, atol=4.5 * math.sqrt(0.21 / 400))


def test_random_positions_that_run_out_are_refused_or_nan():
    config = replace(RANDOMISED, eval_length=5, window=2)
    mixer, params, x = drawn(config)
    with pytest.raises(ValueError, match="T: got 7, wanted at most eval_length=5"):
        mixer.apply(params, x)
    with pytest.raises(ValueError, match="max_length: got 6, wanted at most eval_length=5"):
        mixer.init_state(params, B, 6)
    with pytest.raises(ValueError, match="max_position: got 6, wanted at least length = 7"):
        drawn(replace(config, max_position=6))[0].apply(params, x, key=jax.random.key(0))
    valid = np.arange(T) < np.array([[T], [4]])
    state = jax.jit(lambda: mixer.init_state(params, B, 5))()
    y, _ = jax.jit(mixer.extend)(params, x, state, valid)  # a ring goes on past max_length
    np.testing.assert_array_equal(np.isnan(y).all(-1), valid & (np.arange(T) >= 5))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"head_positions": "learned"}, "head_positions: got 'learned', wanted one of 'none', 'rotary'"),
        ({"rotary_base": 100.0}, "rotary_base: got 100.0 beside head_positions='none', wanted the default 10000.0, or"),
        (
            {"head_positions": "alibi", "num_buckets": 8},
            "num_buckets: got 8 beside head_positions='alibi', wanted the default 32",
        ),
        ({"head_positions": "rotary", "max_distance": 8}, "max_distance: got 8 beside .* or head_positions of 't5'"),
        ({"head_positions": "t5", "max_position": 8}, "max_position: got 8 beside"),
        ({"eval_length": 8}, "eval_length: got 8 beside"),
        ({"eval_seed": 1}, "eval_seed: got 1 beside"),
        ({"head_positions": "randomised", "rotary_base": -1.0}, "rotary_base: got -1.0, wanted a number > 0"),
        ({"head_positions": "randomised", "max_position": 8}, "max_position: got 8, wanted at least eval_length=512"),
        ({"head_positions": "randomised", "eval_length": 0}, "eval_length: got 0, wanted at least 1"),
        ({"head_positions": "t5", "num_buckets": 7, "causal": False}, "num_buckets: got 7, wanted an even number"),
        ({"head_positions": "t5", "max_distance": 16}, "max_distance: got 16, wanted more than the 16 distances"),
        ({"soft_cap": 0.0}, "soft_cap: got 0.0, wanted a number > 0"),
    ],
)
def test_a_wrong_option_is_refused_at_once(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Attention(**options)
