"""Blocks of runs split over four devices: as on one, and resumed in the middle. For test_devices.py, in a process."""

import pathlib
import sys
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from attn_jax.mixers import GRU, LSTM, MIXERS, MLSTM, Attention, GatedDeltaNet, LinearAttention, Mixer, MixerConfig
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer
from attn_jax.tasks import Copy
from attn_jax.training import compiling
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.checkpoint import Checkpoints
from attn_jax.training.loop import compile_programs, run_chunks, start_runs
from attn_jax.training.objective import answers, strings
from attn_jax.training.runs import advance_runs, init_runs, over_devices

TASK = Copy().make()
DEVICES, RUNS = 4, 8
COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


@dataclass(frozen=True)
class Own(MixerConfig):
    """A mixer as a user writes it: its states begin as plain zeros, a count among them."""

    def make(self):
        return Mixer(lambda key: {"w": jax.random.normal(key, (self.width,))}, apply, init_state, extend, inspect)


def init_state(params, batch_size, max_length, *, dtype=jnp.float32):
    return jnp.zeros((batch_size, params["w"].shape[0]), dtype), jnp.zeros(batch_size, jnp.int32)


def extend(params, x, state, valid=None):
    def step(carry, at):
        h, read = carry
        h = jnp.tanh(h * params["w"] + at) / (1 + read[:, None])
        return (h, read + 1), h

    state, h = jax.lax.scan(step, state, x.swapaxes(0, 1))
    return h.swapaxes(0, 1), state


def apply(params, x, valid=None, *, key=None):
    return extend(params, x, init_state(params, x.shape[0], 0), valid)[0]


def inspect(params, x, valid=None):
    return {}


def stack(mixers):
    mixers = tuple(mixers)
    return ModelConfig(8, len(mixers), mixers, d_ff=0)


def make_plan(objective):
    # no Adam: it turns the rounding of a gradient that is 0 into a step as long as any
    return BlockPlan(objective, optax.trace(0.9), 2, (2, 3), 2, 2, validation_lengths=(3,), test_lengths=(3,))


def sequences(config):
    return answers(config.make(TASK.spec.io, TASK.spec.num_tokens(3)), TASK)


def over_strings(config):
    io = replace(TASK.spec.io, vocab_size=TASK.spec.strings_vocab_size, num_classes=TASK.spec.strings_vocab_size)
    return strings(config.over_strings(io, 3, 4), TASK)


NUMBERS = {
    "mixers": sequences(stack((LSTM(), Own()))),
    "forms": sequences(stack((GRU(form="newton"), GatedDeltaNet(num_heads=1, form="chunked")))),
    "recurrent encoder-decoder": over_strings(RecurrentEncoderDecoder(8, attention="bilinear")),
    "transformer": over_strings(Transformer(8, 1, num_heads=2)),
}
# one model of all of them: no layer's type may hinder the split
FORMS = (
    LinearAttention(form="recurrent"),
    MLSTM(form="chunked"),
    LSTM(form="newton"),
    Attention(implementation="blockwise"),
)
EVERY = [*MIXERS.values(), *FORMS, Own()]
# one of each kind: softmax, gates, a scan, complex numbers, a transform, a memory that is moved
KINDS = sequences(stack(MIXERS[name] for name in ("attention", "slstm", "mamba", "lru", "hyena", "tape_rnn")))
TYPES = {"every mixer": sequences(stack(EVERY)), "decoder only": over_strings(stack([LSTM(), Own()]))}


def check_types(plan):
    """A chunk on all devices can be traced: no layer's types are refused."""
    state = jax.eval_shape(partial(init_runs, plan), jnp.arange(RUNS), jnp.ones(RUNS))
    jax.eval_shape(over_devices(partial(advance_runs, plan), DEVICES, num_shared=1), state, jnp.int32(0))


def check_numbers(plan, folder, rate):
    """The runs on one device and on all; then on all from the checkpoint in the middle."""
    start = partial(start_runs, plan, jnp.arange(RUNS), jnp.linspace(rate / 10, rate, RUNS))
    told = []

    def train(programs, state, saved=None, begin=0):
        def after(chunk):
            told.append(jax.tree.leaves((chunk.loss, chunk.validation)))
            if saved:
                saved.save(chunk.step, chunk.state)
            return True

        state = run_chunks(programs, state, start=begin, steps=4, every=2, after=after)
        return jax.tree.leaves((state, programs.test(state)))

    one, several = compile_programs(plan, start(), 1), compile_programs(plan, start(), DEVICES)
    for program in (several.advance, several.test):
        assert not any(name in program.as_text() for name in COLLECTIVES)
    alone, saved = train(one, start()), Checkpoints(folder)
    split = train(several, start(), saved)
    assert all(len(leaf.sharding.device_set) == DEVICES for leaf in split)
    for a, b in zip([*alone, *told[0], *told[1]], [*split, *told[2], *told[3]], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)
    (folder / "4.npz").rename(folder / "unreadable-4.npz")
    step, state = Checkpoints(folder).restore(start())
    assert step == 2
    for a, b in zip(split, train(several, state, None, step), strict=True):
        np.testing.assert_array_equal(a, b)


if __name__ == "__main__":
    compiling._LONG, compiling._FASTER = compiling._TWICE, compiling._OLDER  # four steps: compiling is what they take
    folder, *names = sys.argv[1:]
    for name, objective in [] if names else TYPES.items():
        check_types(make_plan(objective))
        print(name, flush=True)
    for name in names or ["mixers"]:
        # six mixers in a row make much of rounding: of a larger step another network would come
        rate = 1e-5 if name == "kinds" else 1e-1
        check_numbers(make_plan((NUMBERS | {"kinds": KINDS})[name]), pathlib.Path(folder) / name, rate)
        print(name, flush=True)
