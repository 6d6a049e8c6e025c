"""A loss and a score of answers ask a model for the places that may have weights alone, and are the same ones."""

from dataclasses import replace
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import made_up
from tiers import first

from attn_jax.mixers import GRU, Attention
from attn_jax.mixers.base import CutApply, Places, apply_at, cut
from attn_jax.models import ModelConfig, stack
from attn_jax.tasks import Adding, AssociativeRecall, Parity, StringCopy
from attn_jax.training.objective import answers
from attn_jax.types import IO

SHAPES = {
    "pre norm": ModelConfig(8, 2, (Attention(num_heads=2),), positions="learned"),
    "post norm, tied": ModelConfig(8, 1, (Attention(num_heads=2, window=4),), norm="rms", norm_place="post", tied=True),
    "another last": ModelConfig(8, 2, (Attention(num_heads=2), GRU()), mlp="swiglu"),
    "scanned last": ModelConfig(8, 3, (Attention(num_heads=2),), d_ff=4),
}
# a task, the longest of its lengths, and that of a batch
BATCHES = {
    "a third of them": (AssociativeRecall(num_keys=4, num_values=4), 4, 4),
    "a third of longer ones": (AssociativeRecall(num_keys=4, num_values=4), 4, 3),
    "half of longer ones": (StringCopy(num_letters=4), 6, 2),
    "one, of real numbers": (Adding(), 9, 9),
    "one of longer ones": (Parity(), 9, 5),
}


def wide(task):
    """The task without a word on where it answers."""
    return task._replace(spec=replace(task.spec, num_answered=None))


@pytest.mark.parametrize("shape", first(SHAPES, "pre norm", "scanned last"))
def test_a_model_at_some_places_is_what_it_is_there(shape, monkeypatch):
    if shape == "scanned last":
        monkeypatch.setattr(stack, "SCAN_FROM", 2)
    model = SHAPES[shape].make(IO(num_classes=7, vocab_size=7), 9)
    assert isinstance(model.apply, CutApply)
    params, tokens = made_up(model.init), np.random.default_rng(1).integers(0, 7, (2, 9))
    valid = np.arange(9) < np.array([[8], [8]])

    def both(params, place):
        whole = (
            cut(model.apply(params, tokens, valid), Places(place, 3)),
            cut(model.apply(params, tokens), Places(2, 4)),
        )
        alone = (
            apply_at(model.apply, params, tokens, Places(place, 3), valid),
            apply_at(model.apply, params, tokens, Places(2, 4)),
        )
        return whole, alone

    chex.assert_trees_all_close(*jax.jit(both)(params, 5), atol=2e-5)


@pytest.mark.parametrize("name", first(BATCHES, "one of longer ones", "a third of them"))
def test_loss_gradient_and_score_are_those_of_all_places(name):
    config, longest, length = BATCHES[name]
    task = config.make()
    model = SHAPES["pre norm"].make(task.spec.io, task.spec.num_tokens(longest))
    params, padded = made_up(model.init), length < longest
    counts = []

    def found(task, model, params, length):
        objective = answers(model, task)
        batch = task.sample(jax.random.key(0), 4, length, longest)
        loss = lambda params: objective.loss(params, batch, padded=padded, key=None).mean  # noqa: E731
        return jax.value_and_grad(loss)(params), objective.score(params, batch, padded=padded)

    def counted(params, inputs, valid=None, *, key=None):
        logits = model.apply(params, inputs, valid, key=key)
        counts.append(logits.shape[1])
        return logits

    def counted_at(params, inputs, places, valid=None, *, key=None):
        counts.append(places.number)
        return apply_at(model.apply, params, inputs, places, valid, key=key)

    seen = model._replace(apply=CutApply(counted, counted_at))
    both = jax.jit(lambda *given: [found(told, seen, *given) for told in (wide(task), task)])
    whole, alone = both(params, jnp.int32(length))
    chex.assert_trees_all_close(whole, alone, rtol=1e-4, atol=2e-6)
    tokens = task.spec.num_tokens(longest)
    assert counts == [tokens] * 2 + [task.spec.num_answered(tokens)] * 2


def test_a_window_one_place_off_is_another_loss():
    """The twin: a model whose shorter form stands one place too early."""
    task = Parity().make()
    model = SHAPES["pre norm"].make(task.spec.io, 10)

    def early(params, inputs, places, valid=None, *, key=None):
        return apply_at(model.apply, params, inputs, Places(places.first - 1, places.number), valid, key=key)

    def loss(model, params):
        return answers(model, task).loss(params, batch, padded=False, key=None).mean

    batch, params = task.sample(jax.random.key(0), 4, 9, 9), made_up(model.init)
    off = model._replace(apply=CutApply(model.apply, early))
    right, wrong = jax.jit(lambda params: [loss(model, params), loss(off, params)])(params)
    assert abs(right - wrong) > 1e-3


def test_another_apply_takes_its_places_with_it():
    """Nobody trains the last layer of an `apply` that has been replaced."""
    task = Parity().make()
    model = SHAPES["pre norm"].make(task.spec.io, 10)
    blind = model._replace(apply=lambda params, inputs, valid=None, *, key=None: jnp.zeros((*inputs.shape, 2)))
    batch = task.sample(jax.random.key(0), 4, 9, 9)
    loss = jax.jit(partial(answers(blind, task).loss, padded=False, key=None))(made_up(model.init), batch)
    np.testing.assert_allclose(loss.mean, np.log(2), rtol=1e-6)


def test_a_model_that_drops_does_so_in_the_whole():
    """What is dropped hangs on the shape that is drawn."""
    dropping = replace(SHAPES["pre norm"], dropout=0.1).make(IO(num_classes=7, vocab_size=7), 9)
    assert not isinstance(dropping.apply, CutApply)


def test_a_weight_that_no_answer_has_ends_the_run():
    """A task that says too few of its places: the loss is none, whatever the model."""
    task = Parity(labels="running").make()
    model = SHAPES["pre norm"].make(task.spec.io, 9)
    told = task._replace(spec=replace(task.spec, num_answered=lambda num_tokens: num_tokens - 1))
    batch = task.sample(jax.random.key(0), 4, 9, 9)
    loss = lambda task, params: answers(model, task).loss(params, batch, padded=False, key=None).mean  # noqa: E731
    of_all, of_some = jax.jit(lambda params: [loss(task, params), loss(told, params)])(made_up(model.init))
    assert np.isfinite(of_all) and np.isnan(of_some)
