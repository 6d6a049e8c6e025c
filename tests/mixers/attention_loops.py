"""Attention pair by pair in float64, all of its options, and what each form of it is held against. No test in it."""

import math
from dataclasses import replace

import jax
import numpy as np

from attn_jax.ops.positions import randomised_positions

B, T, D = 2, 7, 16


def drawn(config, seed=0):
    """A mixer, parameters away from any start, and x."""
    mixer, rng = replace(config, d_model=D).make(), np.random.default_rng(seed)
    params = jax.eval_shape(lambda: mixer.init(jax.random.key(seed)))
    params = jax.tree.map(lambda leaf: (0.5 * rng.normal(size=leaf.shape)).astype(np.float32), params)
    return mixer, params, rng.normal(size=(B, T, D)).astype(np.float32)


def require_loops(config):
    """Whole, token by token and inspected it is the loop, rows of two lengths."""
    lengths = np.array([T, 4])
    mixer, params, x = drawn(config)
    valid = np.arange(T) < lengths[:, None]
    y, weights = oracle(config, params, x, lengths)
    whole, shown = jax.jit(lambda *args: (mixer.apply(*args), mixer.inspect(*args)["weights"]))(params, x, valid)
    np.testing.assert_allclose(np.asarray(whole)[valid], y[valid], atol=2e-5)
    shown, rows = np.asarray(shown).swapaxes(1, 2)[valid], weights.swapaxes(1, 2)[valid]
    np.testing.assert_allclose(shown, rows, atol=2e-6)
    assert (shown.sum(-1) < 1 - 1e-5).all() == config.sinks
    if config.causal:
        step, state = jax.jit(mixer.extend), jax.jit(lambda: mixer.init_state(params, B, T))()
        for t in range(T):
            one, state = step(params, x[:, t : t + 1], state, valid[:, t : t + 1])
            np.testing.assert_allclose(np.asarray(one)[valid[:, t], 0], y[valid[:, t], t], atol=2e-5)


def oracle(config, params, x, lengths):
    """(y [B, T, D], weights [B, N, T, T]): projection, norm, turn, score, bias, cap, sinks and merge, as written."""
    p, x = {name: np.asarray(leaf, np.float64) for name, leaf in params.items()}, np.asarray(x, np.float64)
    q, k, v = (np.einsum("btd,dnh->btnh", x, p[f"w_{c}"]) + p.get(f"b_{c}", 0) for c in "qkv")
    if config.qk_norm:
        q, k = (a / np.sqrt((a**2).mean(-1, keepdims=True) + 1e-6) * p[g] for a, g in ((q, "g_q"), (k, "g_k")))
    if config.head_positions in ("rotary", "randomised"):
        q, k = (turned(a, places_of(config), config.rotary_base) for a in (q, k))
    weights, heads = np.zeros((B, config.num_heads, T, T)), np.zeros((B, T, config.num_heads, v.shape[-1]))
    for b, n, t in np.ndindex(B, config.num_heads, T):
        m = n * k.shape[2] // config.num_heads
        seen = [s for s in range(lengths[b]) if (s <= t or not config.causal) and abs(t - s) <= (config.window or T)]
        scores = np.array([score(config, p, q[b, t, n], k[b, s, m], n, m) for s in seen])
        scores += [what_places_add(config, p.get("b_relative"), n, t, s) for s in seen]
        if config.soft_cap is not None:
            scores = config.soft_cap * np.tanh(scores / config.soft_cap)
        powers = np.exp(scores)
        weights[b, n, t, seen] = powers / (powers.sum() + (np.exp(p["b_sinks"][n]) if config.sinks else 0))
        heads[b, t, n] = weights[b, n, t] @ v[b, :, m]
    return np.einsum("btnh,nhd->btd", heads, p["w_o"]) + p.get("b_o", 0), weights


def score(config, p, q, k, n, m):
    """Of one query and one key: the formula, in a line."""
    if config.similarity == "additive":
        value = p["v_hidden"][n] @ np.tanh(q @ p["w_hidden_q"][n] + k @ p["w_hidden_k"][m])
    elif config.similarity == "bilinear":
        value = q @ p["w_bilinear"][n] @ k
    elif config.similarity == "cosine":
        value = q @ k / math.sqrt((q @ q) * (k @ k))
    else:
        value = q @ k
    own = len(q) ** -0.5 if config.similarity == "scaled_dot" else 1.0
    if config.learn_scale:
        return math.exp(p["log_scale"][n]) * value
    return (own if config.logit_scale is None else config.logit_scale) * value


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
