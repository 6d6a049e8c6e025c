"""Every promise that `check_task` proves is broken once, and seen to be refused in words that name it."""

import dataclasses
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attn_jax.tasks import Digits, Parity, TaskConfig
from attn_jax.testing.check_task import check_task

RUNNING = Parity(labels="running")


@dataclass(frozen=True)
class Twin(TaskConfig):
    """Running parity with one fault put in by `change`: a function of the sound task."""

    change: object = None
    base: TaskConfig = RUNNING

    def make(self):
        task = self.base.make()
        spec = dataclasses.replace(task.spec, train_lengths=(2, 5), test_lengths=(2, 5, 8))
        return self.change(task if isinstance(self.base, Digits) else task._replace(spec=spec))


def edit(change, task):
    """The task whose batches `change(batch, key, length)` has passed over."""

    def sample(key, batch_size, length, max_length, *, split="train"):
        batch = task.sample(jax.random.clone(key), batch_size, length, max_length, split=split)
        return batch._replace(**change(batch, key, length))

    return task._replace(sample=sample)


def resample(change, task):
    """The task that is asked `change(key, batch_size, length, max_length, split)` instead."""

    def sample(key, batch_size, length, max_length, *, split="train"):
        *arguments, split = change(key, batch_size, length, max_length, split)
        return task.sample(*arguments, split=split)

    return task._replace(sample=sample)


def claim(task, **fields):
    """The task whose uniform floor is another one."""
    return task._replace(floors=lambda n: task.floors(n) | {"uniform": task.floors(n)["uniform"]._replace(**fields)})


def respec(task, **fields):
    return task._replace(spec=dataclasses.replace(task.spec, **fields))


def future(task):
    """Every place is asked for the parity of the whole sequence, and the oracle agrees."""
    changed = edit(lambda b, k, n: {"targets": jnp.where(b.valid, b.inputs.sum(1, keepdims=True) % 2, 0)}, task)
    return changed._replace(solve=lambda x, v: np.where(v, x.sum(1, keepdims=True) % 2, 0))


def trained_elsewhere(task):
    """A place that is trained, wrongly, and not scored."""
    change = lambda b, k, n: {"scored": b.scored.at[:, 1].set(False), "targets": b.targets.at[:, 1].set(0)}  # noqa: E731
    return respec(edit(change, task), loss_places="all")


def int_of_length(b, k, n):
    return {"valid": b.valid & (jnp.arange(b.valid.shape[1]) < int(n))}


def first_row(b, k, n):
    return {name: jnp.broadcast_to(a[:1], a.shape) for name, a in b._asdict().items()}


def by_global_generator(b, k, n):
    noise = jax.pure_callback(
        lambda: np.random.rand(*b.weights.shape).astype(np.float32),
        jax.ShapeDtypeStruct(b.weights.shape, jnp.float32),
        vmap_method="sequential",
    )
    return {"weights": b.weights * (noise + 1)}


def other_under_vmap(b, k, n):
    twice = jax.custom_batching.custom_vmap(lambda weights: weights)
    twice.def_vmap(lambda axis_size, in_batched, weights: (2 * weights, in_batched[0]))
    return {"weights": twice(b.weights + 0 * b.targets)}  # the targets make it depend on the key


def other_when_traced(b, k, n):
    return {"weights": b.weights * (2 if isinstance(n, jax.core.Tracer) else 1)}


def in_other_split(key, batch_size, length, max_length, split):
    stream = ("train", "validation", "test").index(split)
    return jax.random.fold_in(key, stream), batch_size, length, max_length, "train"


def no_floor_of_some_answer(task):
    return claim(task, value=0.5, loss=0.7, predict=lambda x, v: np.eye(2)[np.zeros(x.shape, int)])


FAULTS = {
    "wrong target": (
        partial(edit, lambda b, k, n: {"targets": jnp.where(b.valid, 1 - b.targets, 0)}),
        "targets differ from solve at",
    ),
    "one wrong target": (
        partial(edit, lambda b, k, n: {"targets": b.targets.at[3, 1].set(1 - b.targets[3, 1])}),
        "targets differ from solve at 1 of .* in row 3 at place 1",
    ),
    "later inputs": (future, "length 2: the target at place 0 depends on later inputs"),
    "shape of solve": (lambda t: t._replace(solve=lambda x, v: x[:, :1]), "solve gives shape"),
    "wrong floor": (partial(claim, value=0.6), "value of floor 'uniform': 0.60000 is stated"),
    "wrong loss": (partial(claim, loss=0.6), "loss of floor 'uniform': 0.60000 is stated"),
    "loss without mass": (no_floor_of_some_answer, "its predictor gives some answer no mass"),
    "no probabilities": (
        partial(claim, predict=lambda x, v: np.full((*x.shape, 2), 0.6)),
        "floor 'uniform' predicts no probabilities",
    ),
    "shape of predictor": (partial(claim, predict=lambda x, v: np.full(x.shape, 0.5)), "predicts shape"),
    "weights on padding": (partial(edit, lambda b, k, n: {"weights": b.weights + ~b.valid}), "weights on padding"),
    "negative weights": (partial(edit, lambda b, k, n: {"weights": -b.weights}), "weights are negative"),
    "no weights": (partial(edit, lambda b, k, n: {"weights": 0 * b.weights}), "no place with a weight"),
    "scored padding": (partial(edit, lambda b, k, n: {"scored": b.scored | ~b.valid}), "scored places on padding"),
    "nothing scored": (partial(edit, lambda b, k, n: {"scored": b.scored & False}), "no scored place"),
    "tokens in padding": (partial(edit, lambda b, k, n: {"inputs": b.inputs | ~b.valid}), "inputs at padding"),
    "padding called valid": (partial(edit, lambda b, k, n: {"valid": b.valid | True}), "valid is not the first"),
    "padding on the left": (partial(edit, lambda b, k, n: {"valid": b.valid[:, ::-1]}), "valid is not the first"),
    "dtype": (partial(edit, lambda b, k, n: {"targets": b.targets * 1.0}), "targets has dtype float32, wanted int32"),
    "shape": (partial(edit, lambda b, k, n: {"inputs": b.inputs.T}), r"inputs has shape \(8, 64\), wanted \(64, 8\)"),
    "class out of range": (partial(edit, lambda b, k, n: {"targets": b.targets + 1}), "targets lie in 1 .. 2"),
    "token out of range": (partial(edit, lambda b, k, n: {"inputs": 2 * b.inputs}), "inputs lie in 0 .. 2"),
    "retraced for every length": (partial(edit, int_of_length), "compiled again for every length"),
    "other values when traced": (partial(edit, other_when_traced), "weights differs between a traced and a plain"),
    "global generator": (partial(edit, by_global_generator), "the same key gives different batches"),
    "key ignored": (partial(resample, lambda k, *rest: (jax.random.key(7), *rest)), "the key is ignored"),
    "split ignored": (partial(resample, lambda *a: (*a[:-1], "train")), "split is ignored"),
    "validation is training": (
        partial(resample, lambda *a: (*a[:-1], "train" if a[-1] == "validation" else a[-1])),
        "splits 'train' and 'validation' give the same batch",
    ),
    "one row": (partial(edit, first_row), "all rows of a batch are the same sequence"),
    "other under vmap": (partial(edit, other_under_vmap), "vmap over keys gives another batch"),
    "unknown chance": (partial(respec, chance="coin"), "spec.chance is 'coin', the floors are uniform, memoryless"),
    "an answer that is never trained": (
        partial(edit, lambda b, k, n: {"weights": b.weights.at[:, 0].set(0)}),
        "a scored place has no weight",
    ),
    "trained on what is no answer": (trained_elsewhere, "targets differ from solve at"),
    "trained elsewhere, unsaid": (
        partial(edit, lambda b, k, n: {"scored": b.scored.at[:, 1].set(False)}),
        "weights contradict spec.loss_places, 'scored'",
    ),
    "said to be trained elsewhere": (partial(respec, loss_places="all"), "weights contradict spec.loss_places, 'all'"),
    "unknown loss places": (partial(respec, loss_places="some"), "spec.loss_places is 'some'"),
    "weights before what is said to hold all": (
        partial(respec, num_answered=lambda num_tokens: num_tokens - 1),
        "weights before the places that spec.num_answered says hold them all",
    ),
    "no place answered": (partial(respec, num_answered=lambda _: 0), r"spec.num_answered\(2\) is 0, wanted 1 to"),
    "fewer answered of more": (
        partial(respec, num_answered=lambda num_tokens: num_tokens if num_tokens < 8 else 1),
        r"spec.num_answered\(8\) is 1, wanted at least the 2 of 2 places",
    ),
    "unknown best": (partial(respec, best_floor="bayes"), "spec.best_floor is 'bayes', the floors are uniform"),
    "best as low as chance": (partial(respec, best_floor="memoryless"), "as good as the best"),
    "unknown metric": (partial(respec, metric="luck"), "spec.metric is 'luck'"),
    "best above 1": (partial(respec, best=2.0), "spec.best is 2.0"),
    "threshold above 1": (partial(respec, threshold=7.0), "spec.threshold is 7.0"),
    "lengths not ascending": (partial(respec, test_lengths=(8, 2, 2)), "wanted ascending lengths"),
    "chance as good as best": (partial(respec, best=0.5, chance="uniform"), "as good as the best"),
    "length not allowed": (partial(respec, test_lengths=(1, 5)), "not an allowed length: .*got low=1"),
    "lengths out of range": (partial(respec, lengths=lambda low, high: (high + 1,)), "wanted allowed lengths between"),
}


@pytest.mark.sampled(16)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_refused(fault):
    change, sentence = FAULTS[fault]
    with pytest.raises(AssertionError, match=sentence):
        check_task(Twin(change), num_samples=64, floor_samples=512)


@pytest.mark.parametrize("base", [RUNNING, Digits()], ids=["parity", "digits"])
def test_the_sound_twin_passes(base):
    check_task(Twin(lambda task: task, base), num_samples=64, floor_samples=4096)


def test_overlapping_splits_are_refused():
    with pytest.raises(AssertionError, match=r"splits 'train' and 'validation' overlap in .* sequences"):
        check_task(Twin(partial(resample, in_other_split), Digits()), num_samples=64, floor_samples=4096)


def test_a_finite_set_must_be_called_finite():
    with pytest.raises(AssertionError, match=r"a finite set, but spec\.finite is False"):
        check_task(Twin(partial(respec, finite=False), Digits()), num_samples=64, floor_samples=4096)


def test_inputs_must_be_finite():
    change = partial(edit, lambda b, k, n: {"inputs": b.inputs * jnp.nan})
    with pytest.raises(AssertionError, match="length 64: inputs are not finite"):
        check_task(Twin(change, Digits()), num_samples=64, floor_samples=64)
