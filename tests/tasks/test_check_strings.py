"""Every promise of strings is broken once, and seen to be refused in words that name it."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.tasks.base import Task, TaskConfig, TaskSpec
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.sampling import length_range, split_key
from attn_jax.tasks.strings import Strings, source_and_target, strings_batch
from attn_jax.testing.check_task import check_task
from attn_jax.types import IO

BOS = 3


def draw(key, batch_size, length, max_length, split):
    bits = jax.random.randint(split_key(key, split), (batch_size, max_length), 0, 2, jnp.int32)
    return Strings(bits, length, bits, length)


def sample(key, batch_size, length, max_length, *, split="train"):
    return strings_batch(draw(key, batch_size, length, max_length, split), 2 * max_length, length, empty=2)


def as_strings(key, batch_size, length, max_length, *, split="train"):
    return source_and_target(draw(key, batch_size, length, max_length, split), bos=BOS)


def solve(inputs, valid):
    answers = np.zeros(inputs.shape, int)
    length = (inputs[0] != 2)[valid[0]].sum()
    answers[:, length:] = inputs[:, : inputs.shape[1] - length]
    return answers


@dataclass(frozen=True)
class Echo(TaskConfig):
    """Copies bits; `change` puts a fault into the task."""

    change: object = None

    def make(self):
        spec = TaskSpec(
            io=IO(num_classes=2, vocab_size=3),
            chance="uniform",
            train_lengths=(4, 9),
            test_lengths=(4, 9),
            length_unit="bits",
            lengths=length_range,
            num_tokens=lambda n: 2 * n,
            source="-",
            strings_vocab_size=BOS + 2,
        )
        task = Task(sample, lambda n: {"uniform": uniform_floor(2)}, solve, spec, as_strings)
        return task if self.change is None else self.change(task)


def edit(change, task):
    """The task whose strings `change(strings)` has passed over."""

    def edited(*args, **kwargs):
        drawn = as_strings(*args, **kwargs)
        return drawn._replace(**change(drawn))

    return task._replace(strings=edited)


def mixed(task, *, own_source):
    """The task whose source or answers are those of another key."""

    def drawn(key, *rest, **kwargs):
        own, other = (
            as_strings(jax.random.clone(key), *rest, **kwargs),
            as_strings(jax.random.fold_in(key, 1), *rest, **kwargs),
        )
        return other._replace(source=own.source) if own_source else own._replace(source=other.source)

    return task._replace(strings=drawn)


FAULTS = {
    "no vocabulary": (
        lambda t: t._replace(spec=dataclasses.replace(t.spec, strings_vocab_size=None)),
        "strings want both",
    ),
    "no strings": (lambda t: t._replace(strings=None), "strings want both"),
    "other answers": (
        partial(edit, lambda p: {"target": p.target.at[0, 0].set(1 - p.target[0, 0])}),
        "target_in is not",
    ),
    "answers of another key": (partial(mixed, own_source=True), "wanted the same, but for a terminator"),
    "source of another key": (
        partial(mixed, own_source=False),
        "the source of row 0 does not begin the inputs of sample",
    ),
    "split ignored": (
        lambda t: t._replace(strings=lambda *a, split: as_strings(*a, split="train")),
        "give the same: split is ignored",
    ),
    "no BOS": (partial(edit, lambda p: {"target_in": p.target}), "target_in does not begin with BOS = 3"),
    "no EOS": (partial(edit, lambda p: {"target": p.target.at[:].set(p.target % 4)}), "does not end with EOS = 4"),
    "not shifted": (
        partial(edit, lambda p: {"target_in": p.target_in.at[:, 1:3].set(0)}),
        "target_in is not BOS and then",
    ),
    "letters in padding": (partial(edit, lambda p: {"source": p.source + 1}), "source is not 0 after its end"),
    "BOS among letters": (partial(edit, lambda p: {"source": 3 * p.source}), "source has tokens outside 0 .. 2"),
    "dtype": (partial(edit, lambda p: {"target": p.target * 1.0}), "target has dtype float32"),
    "shape": (partial(edit, lambda p: {"source_valid": p.source_valid[:, 1:]}), "source_valid has shape"),
    "padding on the left": (
        partial(edit, lambda p: {"source_valid": p.source_valid[:, ::-1], "source": p.source[:, ::-1]}),
        "valid places of source are no prefix",
    ),
}


def test_the_sound_task_passes():
    check_task(Echo(), num_samples=32, floor_samples=64)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_refused(fault):
    change, sentence = FAULTS[fault]
    with pytest.raises(AssertionError, match=sentence):
        check_task(Echo(change), num_samples=32, floor_samples=64)
