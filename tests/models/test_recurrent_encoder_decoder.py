"""Recurrent encoder-decoders against a NumPy float64 loop, one row and one token at a time."""

import jax
import numpy as np
import pytest
from encoder_decoder_checks import VALID, VOCABULARY, S, strings
from made_up import made_up

from attn_jax.models import RecurrentEncoderDecoder

LENGTHS = (5, 3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(p, h, x):
    return np.tanh(x @ p["w_x"] + h @ p["w_h"] + p["b"])


def gru(p, h, x):
    r, u, n = np.split(x @ p["w_x"] + p["b"], 3)
    r_h, u_h, n_h = np.split(h @ p["w_h"] + p["b_h"], 3)
    u = sigmoid(u + u_h)
    return (1 - u) * np.tanh(n + sigmoid(r + r_h) * n_h) + u * h


def similarity(kind, p, query, key):
    if kind == "additive":
        return np.tanh(query @ p["w_q"] + key @ p["w_k"]) @ p["v"]
    return query @ p["weights"] @ key if kind == "bilinear" else query @ key


def look_up(kind, p, query, keys):
    scores = np.array([similarity(kind, p, query, key) for key in keys])
    weights = np.exp(scores - scores.max())
    return weights @ np.array(keys) / weights.sum()


def read(cell, layer, vectors, directions, size):
    """A layer over one row: its outputs, its last state."""
    outs, lasts = [], []
    for name in directions:
        h, seen = np.zeros(size), []
        for x in vectors if name == "forward" else vectors[::-1]:
            h = cell(layer[name], h, x)
            seen.append(h)
        outs.append(seen if name == "forward" else seen[::-1])
        lasts.append(h)
    return [np.concatenate(both) for both in zip(*outs, strict=True)], np.concatenate(lasts)


def oracle(config, cell, p, source, target):
    """Logits [T, V] of one row without padding."""
    vectors, states = [p["embedding"]["table"][token] for token in source], []
    for layer in p["encoder"]:
        size = config.d_model // len(config.directions)
        vectors, last = read(cell, layer, vectors, config.directions, size)
        states.append(last)
    fed, logits = np.zeros(config.d_model), []
    for token in target:
        x = p["embedding"]["table"][token]
        if config.attention == "additive":
            fed = look_up("additive", p["attention"], states[-1], vectors)
        if config.attention != "none":
            x = np.concatenate([x, fed])
        for i, layer in enumerate(p["decoder"]):
            states[i] = x = cell(layer, states[i], x)
        if config.attention in ("bilinear", "dot"):
            found = look_up(config.attention, p["attention"], x, vectors)
            fed = x = np.tanh(np.concatenate([x, found]) @ p["combine"]["w"] + p["combine"]["b"])
        elif config.attention == "additive":
            x = np.tanh(np.concatenate([x, fed]) @ p["combine"]["w"] + p["combine"]["b"])
        logits.append(x @ p["readout"]["w"] + p["readout"]["b"])
    return np.array(logits)


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("config", "cell"),
    [
        (RecurrentEncoderDecoder(6, 2, cell="gru"), gru),
        (RecurrentEncoderDecoder(6, 2, cell="rnn", attention="bilinear"), rnn),
        (RecurrentEncoderDecoder(6, cell="rnn", attention="dot", bidirectional=False), rnn),
        (RecurrentEncoderDecoder(6, 2, cell="gru", attention="none"), gru),
    ],
    ids=lambda x: getattr(x, "attention", ""),
)
def test_a_row_is_the_loop(config, cell):
    model = config.make(VOCABULARY, S)
    params = made_up(model.init)
    source, target = strings()
    logits = jax.jit(model.apply)(params, source, VALID, target)
    wide = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    for row, length in enumerate(LENGTHS):
        want = oracle(config, cell, wide, np.asarray(source)[row, :length], np.asarray(target)[row])
        np.testing.assert_allclose(logits[row], want, atol=1e-5)
