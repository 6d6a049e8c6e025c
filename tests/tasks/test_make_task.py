"""What `make_task` and `string_task` do once for all tasks."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawn import as_strings, sample, solve

from attn_jax.tasks import Task, TaskConfig
from attn_jax.tasks.fields import check_at_least, check_one_of
from attn_jax.tasks.floors import uniform_floor
from attn_jax.tasks.make_task import make_task
from attn_jax.tasks.sampling import first_places, split_key
from attn_jax.tasks.string_task import string_task
from attn_jax.tasks.strings import Strings
from attn_jax.types import IO, Batch

SPEC = {"chance": "uniform", "train_lengths": (2, 4), "test_lengths": (2, 4), "length_unit": "bits", "source": "-"}


@dataclass(frozen=True)
class Bits(TaskConfig):
    """Each bit is asked for at its own place; of a finite set, so that the draw is told the split."""

    finite: bool = False
    size: int = 2
    kind: Literal["a", "b", "c"] = "a"
    side: Literal["left", "right"] = "left"

    def __post_init__(self):
        check_at_least(self, 2, "size")
        check_one_of(self, "kind", "side")

    def make(self) -> Task:
        io, lengths = IO(num_classes=3, vocab_size=3), {"smallest": 2, "step": 2}
        answer = lambda config, tokens: [*tokens, 7]  # noqa: E731
        floors = lambda config, length: {"uniform": uniform_floor(config.size)}  # noqa: E731
        return make_task(self, draw, answer, floors, io=io, lengths=lengths, finite=self.finite, **SPEC)


def draw(config, key, batch_size, length, max_length, split=None):
    bits = jax.random.randint(key, (batch_size, max_length), 0, 2, jnp.int32)
    valid = first_places(batch_size, max_length, length)
    return Batch.of(bits + (split == "test"), bits, valid, valid)


def test_the_key_is_that_of_the_split():
    for split in ("train", "validation", "test"):
        wanted = jax.jit(lambda split=split: draw(Bits(), split_key(jax.random.key(0), split), 3, 2, 4))()
        found = sample(Bits(), jax.random.key(0), 3, 2, 4, split=split)
        assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(found, wanted, strict=True))


def test_a_finite_set_is_told_the_split():
    plain, told = (sample(Bits(finite), jax.random.key(0), 3, 2, 4, split="test") for finite in (False, True))
    assert (told.inputs[:, :2] == plain.inputs[:, :2] + 1).all()


def test_lengths_are_those_of_sample_spec_and_floors():
    task = Bits().make()
    assert task.spec.lengths(2, 7) == (2, 4, 6)
    for refused in (lambda: sample(Bits(), jax.random.key(0), 1, 3, 3), lambda: task.floors(3), lambda: task.floors(1)):
        with pytest.raises(ValueError, match=r"max_length: got 3, wanted at least 2, in steps of 2|lengths: got low"):
            refused()
    assert list(task.floors(4)) == ["uniform"]


def test_the_oracle_reads_what_is_in_use():
    inputs, valid = np.array([[1, 1, 1], [1, 0, 1]]), np.array([[True, True, False], [True, True, True]])
    assert solve(Bits(), inputs, valid).tolist() == [[1, 1, 0], [1, 0, 1]]


def test_what_is_not_said_is_accuracy_of_which_95_percent_solve():
    spec = Bits().make().spec
    assert (spec.metric, spec.best, spec.threshold, spec.loss_places) == ("accuracy", 1.0, 0.95, "scored")
    assert spec.strings_vocab_size is None
    assert Bits().make().strings is None


def test_fields_are_named():
    with pytest.raises(ValueError, match=r"^Bits: size is 1, wanted at least 2$"):
        Bits(size=1)
    with pytest.raises(ValueError, match=r"^Bits: kind is 'd', wanted one of 'a', 'b', 'c'$"):
        Bits(kind="d")
    with pytest.raises(ValueError, match=r"^Bits: side is 'up', wanted 'left' or 'right'$"):
        Bits(side="up")


@dataclass(frozen=True)
class Signalled(TaskConfig):
    """Letters 0 and 1 among blanks 2, the signal 3, then the letters said at blanks, and the end 4."""

    def make(self) -> Task:
        answer = lambda config, question: [token for token in question if token < 2]  # noqa: E731
        floors = lambda config, length: {"uniform": uniform_floor(5)}  # noqa: E731
        sizes = {"num_classes": 5, "empty": 2, "signal": 3, "end": 4, "num_tokens": lambda length: length + 4}
        return string_task(self, drawn, answer, floors, **sizes, **SPEC)


def drawn(config, key, batch_size, length, max_length):
    question = jnp.broadcast_to(jnp.array([2, 1, 2, 0, 3, 9]), (batch_size, 6))
    return Strings(question, 5, jnp.broadcast_to(jnp.array([1, 0]), (batch_size, 2)), 2)


def test_a_signal_ends_a_question_that_holds_empty_tokens():
    spec = Signalled().make().spec
    assert (spec.io.num_classes, spec.io.vocab_size, spec.strings_vocab_size) == (5, 4, 6)
    batch = sample(Signalled(), jax.random.key(0), 1, 5, 6)
    assert batch.inputs.tolist() == [[2, 1, 2, 0, 3, 2, 2, 2, 2, 0]]
    assert batch.targets.tolist() == [[0, 0, 0, 0, 0, 1, 0, 4, 0, 0]]
    assert batch.scored[0].tolist() == [False] * 5 + [True] * 3 + [False] * 2
    for end in (3, 5, 7, 10):
        wanted = np.where(np.arange(end) < 9, np.asarray(batch.targets)[:, :end], 0)
        assert (solve(Signalled(), np.asarray(batch.inputs)[:, :end], np.asarray(batch.valid)[:, :end]) == wanted).all()
    found = as_strings(Signalled(), jax.random.key(0), 1, 5, 6)
    assert found.source.tolist() == [[2, 1, 2, 0, 3, 0]]
    assert found.target.tolist() == [[1, 0, 5]]
    assert found.target_in.tolist() == [[4, 1, 0]]
