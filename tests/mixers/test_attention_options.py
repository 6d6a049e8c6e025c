"""Attention's options: the contract, and each against loops in float64, whole, token by token and inspected.

The contract takes ten seconds a row. So options share rows, here, in test_contract.py and test_attention_both_ways.py.
"""

import math
from dataclasses import replace

import jax
import numpy as np
import pytest

from attn_jax.mixers import Attention
from attn_jax.ops.positions import randomised_positions
from attn_jax.testing import check_mixer
from attn_jax.testing.oracles import attention_oracle

B, T, D = 2, 7, 16
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


def drawn(config, seed=0):
    """A mixer, parameters away from any start, and x."""
    mixer, rng = replace(config, d_model=D).make(), np.random.default_rng(seed)
    params = jax.eval_shape(lambda: mixer.init(jax.random.key(seed)))
    params = jax.tree.map(lambda leaf: (0.5 * rng.normal(size=leaf.shape)).astype(np.float32), params)
    return mixer, params, rng.normal(size=(B, T, D)).astype(np.float32)


def places_of(config):
    """The position of each place in evaluation."""
    if config.head_positions != "randomised":
        return np.arange(T)
    sizes = config.eval_length, config.max_position
    return np.asarray(jax.jit(lambda: randomised_positions(jax.random.key(config.eval_seed), *sizes))())


def turned(heads, places, base):
    """Channel i and i + H/2 as a complex number, times e^(i angle)."""
    half = heads.shape[-1] // 2
    for i in range(half):
        for t in range(T):
            z = (heads[:, t, :, i] + 1j * heads[:, t, :, i + half]) * np.exp(1j * places[t] / base ** (i / half))
            heads[:, t, :, i], heads[:, t, :, i + half] = z.real, z.imag
    return heads


def bucket(distance, side, max_distance):
    """The paper's formula for one distance >= 0."""
    exact = side // 2
    if distance < exact:
        return distance
    share = math.log(distance / exact) / math.log(max_distance / exact)
    return min(side - 1, exact + math.floor((side - exact) * share + 1e-9))


def what_places_add(config, table, n, q, k):
    """What positions add to the score of head n, query q and key k."""
    if config.head_positions == "alibi":
        return -(2.0 ** (-8 * (n + 1) / config.num_heads)) * abs(q - k)
    if config.head_positions != "t5":
        return 0.0
    if config.causal:
        return table[bucket(max(q - k, 0), config.num_buckets, config.max_distance), n]
    side = config.num_buckets // 2
    return table[bucket(abs(q - k), side, config.max_distance) + side * (k > q), n]


def oracle(config, params, x, lengths):
    """(y [B, T, D], weights [B, N, T, T]): projection, norm, turn, bias, cap, sinks and merge, as they are written."""
    p, x = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}, np.asarray(x, np.float64)
    q, k, v = (np.einsum("btd,dnh->btnh", x, p[f"w_{c}"]) + p.get(f"b_{c}", 0) for c in "qkv")
    if config.qk_norm:
        q, k = (a / np.sqrt((a**2).mean(-1, keepdims=True) + 1e-6) * p[g] for a, g in ((q, "g_q"), (k, "g_k")))
    if config.head_positions in ("rotary", "randomised"):
        q, k = (turned(a, places_of(config), config.rotary_base) for a in (q, k))
    bias = np.zeros((config.num_heads, T, T))
    seen = np.zeros((B, 1, T, T), bool)
    for t, s in np.ndindex(T, T):
        near = config.window is None or abs(t - s) <= config.window
        seen[:, :, t, s] = (near and (s <= t or not config.causal)) & (s < lengths)[:, None]
        for n in range(config.num_heads):
            bias[n, t, s] = what_places_add(config, p.get("b_relative"), n, t, s)
    one_hot = np.broadcast_to(np.eye(T)[:, None], (B, T, k.shape[2], T))
    options = {"mask": seen, "logits_soft_cap": config.soft_cap, "sinks": p.get("b_sinks")}
    weights = attention_oracle(q, k, one_hot, bias, **options)[0].swapaxes(1, 2)
    heads = np.einsum("bnts,bsnh->btnh", weights, np.repeat(v, config.num_heads // v.shape[2], 2))
    return np.einsum("btnh,nhd->btd", heads, p["w_o"]) + p.get("b_o", 0), weights


@pytest.mark.parametrize("name", OPTIONS)
def test_loops_in_float64_whole_by_token_and_inspected(name):
    config, lengths = OPTIONS[name], np.array([T, 4])
    mixer, params, x = drawn(config)
    valid = np.arange(T) < lengths[:, None]
    y, weights = oracle(config, params, x, lengths)
    whole, shown = jax.jit(lambda *args: (mixer.apply(*args), mixer.inspect(*args)["weights"]))(params, x, valid)
    np.testing.assert_allclose(np.asarray(whole)[valid], y[valid], atol=1e-5)
    shown, rows = np.asarray(shown).swapaxes(1, 2)[valid], weights.swapaxes(1, 2)[valid]
    np.testing.assert_allclose(shown, rows, atol=1e-6)
    assert (shown.sum(-1) < 1 - 1e-5).all() == config.sinks
    if config.causal:
        step, state = jax.jit(mixer.extend), jax.jit(lambda: mixer.init_state(params, B, T))()
        for t in range(T):
            one, state = step(params, x[:, t : t + 1], state, valid[:, t : t + 1])
            np.testing.assert_allclose(np.asarray(one)[valid[:, t], 0], y[valid[:, t], t], atol=1e-5)


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
