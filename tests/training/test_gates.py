"""Shares of gates that are shut and open, against NumPy's count of those that are no padding's."""

from functools import partial

import jax
import numpy as np
import pytest

from attn_jax.mixers import GRU, LSTM, RNN, Attention, MinGRU, Retention, StackRNN
from attn_jax.models import ModelConfig, decoder_only
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.tasks import TASKS
from attn_jax.training.inside import inside_answers, inside_strings
from attn_jax.training.objective import answers, strings
from attn_jax.training.probes import Gates
from attn_jax.training.probes.gates import measure
from attn_jax.types import IO, Batch, StringBatch

B, T = 3, 8
LENGTHS = np.array([8, 5, 1])
VALID = np.arange(T) < LENGTHS[:, None]


def shown(*shape):
    """Values between 0 and 1, most of them near the ends."""
    return np.random.default_rng(len(shape)).beta(0.3, 0.3, size=(B, *shape)).astype(np.float32)


def require_counts(got, name, gate, lengths):
    """The three numbers of a gate, counted row by row."""
    held = np.concatenate([row[:length].ravel() for row, length in zip(gate, lengths, strict=True)])
    want = {"mean": held.mean(), "shut": (held < 0.05).mean(), "open": (held > 0.95).mean()}
    for word, value in want.items():
        np.testing.assert_allclose(got[f"{name}/{word}"], value, rtol=1e-5)


def test_gates_are_counted_where_there_is_no_padding():
    seen = {"layer_0/keep": shown(T, 4), "layer_1/beta": shown(T, 2, 3), "layer_1/hidden": shown(T, 4)}
    seen |= {"layer_2/decay": np.ones(4, np.float32), "layer_3/gate": 5 * shown(T, 4)}
    model = Model(*(None,) * 6, lambda params, inputs, valid: seen)
    x = np.zeros((B, T), np.int32)
    batch = Batch(x, x, VALID.astype(np.float32), VALID, VALID)
    got = jax.jit(partial(measure, inside_answers(model)))(None, batch, None)
    assert {name.rpartition("/")[0] for name in got} == {"layer_0/keep", "layer_1/beta"}
    for name in ("layer_0/keep", "layer_1/beta"):
        require_counts(got, name, seen[name], LENGTHS)
        with pytest.raises(AssertionError):
            require_counts(got, name, seen[name], [T] * B)  # padding included


def test_over_strings_source_and_target_have_their_own_lengths():
    S, target_lengths = 6, np.array([1, 8, 4])
    source_lengths = np.array([6, 2, 3])
    seen = {"encoder_0/keep": shown(S, 4), "decoder_0/keep": shown(T, 4), "layer_0/keep": shown(S + T, 4)}
    model = EncoderDecoder(*(None,) * 4, lambda *args: seen)
    target = np.zeros((B, T), np.int32)
    valid = (np.arange(n) < lengths[:, None] for n, lengths in ((S, source_lengths), (T, target_lengths)))
    batch = StringBatch(np.zeros((B, S), np.int32), next(valid), target, target, next(valid))
    got = jax.jit(partial(measure, inside_strings(model)))(None, batch, None)
    require_counts(got, "encoder_0/keep", seen["encoder_0/keep"], source_lengths)
    require_counts(got, "decoder_0/keep", seen["decoder_0/keep"], target_lengths)
    require_counts(got, "layer_0/keep", seen["layer_0/keep"], source_lengths + target_lengths)


def test_which_layers_show_gates():
    task = TASKS["reverse"].make()
    size = task.spec.strings_vocab_size
    mixers = MinGRU(), Attention(num_heads=1), RNN(), Retention(num_heads=1), GRU(), LSTM(), StackRNN(controller="lstm")
    lstm = "keep", "write", "read"
    gates = {0: ("keep",), 4: ("keep", "reset"), 5: lstm, 6: (*lstm, "actions")}
    for of, bind in ((answers, lambda model: model), (strings, decoder_only)):
        io = IO(num_classes=size, vocab_size=size) if of is strings else task.spec.io
        model = bind(ModelConfig(4, len(mixers), mixers).make(io, 16))
        objective = of(model, task)

        def said(key, model=model, objective=objective):
            batch = objective.sample(key, 2, 6, 6)
            return Gates().make(model, objective).measure(model.init(key), batch, key)

        names = {f"layer_{i}/{gate}/{word}" for i in gates for gate in gates[i] for word in ("mean", "shut", "open")}
        assert jax.eval_shape(said, jax.random.key(0)).keys() == names
