"""What a run learns over strings: the loss against a float64 sum, the score against decoding by hand."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up import made_up
from tiers import first

from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer, classic
from attn_jax.models.base import EncoderDecoder
from attn_jax.tasks import TASKS
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.evaluate import evaluate
from attn_jax.training.losses import cross_entropy
from attn_jax.training.objective import strings
from attn_jax.training.optim import learning_rate_schedule, make_optimizer
from attn_jax.training.runs import advance_runs, init_runs
from attn_jax.training.step import batch_loss
from attn_jax.types import IO, Batch, StringBatch

REVERSE = TASKS["reverse"].make()
SIZE = REVERSE.spec.strings_vocab_size
IO_STRINGS = IO(num_classes=SIZE, vocab_size=SIZE)


def reciter(answers: np.ndarray, *, size: int = SIZE) -> EncoderDecoder:
    """A model that says `answers` [B, T], whatever it reads: its state counts the places."""
    table = 20.0 * jax.nn.one_hot(answers, size)

    def apply(params, source, source_valid, target_in, *, key=None):
        return table[:, : target_in.shape[1]] + params

    def extend(params, target_in, place):
        return jax.lax.dynamic_slice_in_dim(table, place, target_in.shape[1], 1) + params, place + target_in.shape[1]

    return EncoderDecoder(
        init=lambda key: jnp.zeros(()),
        apply=apply,
        encode=lambda params, source, source_valid, max_length: jnp.zeros((), jnp.int32),
        extend=extend,
        inspect=lambda *args: {},
    )


def draw(length=3) -> StringBatch:
    assert REVERSE.strings is not None
    return jax.jit(REVERSE.strings, static_argnums=(1, 2, 3))(jax.random.key(0), 4, length, 5)


def scored(said, batch):
    return jax.jit(partial(strings(reciter(said), REVERSE).score, padded=False))(jnp.zeros(()), batch)


def test_a_string_is_right_as_a_whole_or_not_at_all():
    batch = draw()
    said = np.asarray(batch.target).copy()
    said[1, 0] = 1 - said[1, 0]  # one wrong letter
    said[2, 3] = 0  # a letter where it should have ended
    score = scored(said, batch)
    assert [float(x) for x in score["metric"]] == [2, 4]
    assert [float(x) for x in score["whole"]] == [2, 4]


def test_an_answer_that_fills_its_room_must_end_too():
    batch = draw(length=5)
    said = np.asarray(batch.target).copy()
    assert (said[:, -1] == SIZE - 1).all()
    said[0, -1] = 0  # five right letters, and no end
    score = scored(said, batch)
    assert [float(x) for x in score["metric"]] == [3, 4]


def test_what_is_said_after_the_end_does_not_matter():
    batch = draw()
    said = np.where(batch.target_valid, batch.target, 1)
    score = scored(said, batch)
    assert [float(x) for x in score["metric"]] == [4, 4]


def test_the_score_is_of_what_was_said_not_of_what_was_right_so_far():
    """A model that repeats what it has read is right where the right answer is its input, and wrong on its own."""
    batch = draw()._replace(target=jnp.array([[1, 1, 3, 0]]), target_in=jnp.array([[1, 1, 3, 0]]))
    batch = batch._replace(target_valid=jnp.arange(4) < jnp.array([[3]]))
    parrot = reciter(np.zeros((1, 4), int))._replace(
        apply=lambda params, source, valid, target_in, key=None: 20.0 * jax.nn.one_hot(target_in, SIZE),
        extend=lambda params, target_in, state: (20.0 * jax.nn.one_hot(target_in, SIZE), state),
    )
    score = strings(parrot, REVERSE).score(None, batch, padded=False)
    assert float(score["loss"].mean) < 1e-6
    assert float(score["metric"].total) == 0


def test_the_loss_is_the_mean_over_letters_and_ends():
    batch = draw()
    model = Transformer(8, 1, num_heads=2).make(IO_STRINGS, 6)
    params = made_up(model.init)
    tally = jax.jit(partial(strings(model, REVERSE).loss, padded=True, key=None))(params, batch)
    logits = np.asarray(jax.jit(model.apply)(params, batch.source, batch.source_valid, batch.target_in), np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    want = sum(-log_p[b, t, batch.target[b, t]] for b, t in zip(*np.nonzero(batch.target_valid), strict=True))
    np.testing.assert_allclose(tally.total, want, rtol=1e-5)
    assert float(tally.number) == 4 * 4  # three letters and EOS


def test_label_smoothing_is_the_cross_entropy_with_a_smoothed_target():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 5)), rng.integers(0, 5, (2, 3))
    weights = np.array([[1.0, 0.5, 0.0], [2.0, 1.0, 1.0]])
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    smooth = 0.9 * np.eye(5)[targets] + 0.1 / 5
    batch = Batch(jnp.array(targets), jnp.array(targets), jnp.array(weights), weights > 0, weights > 0)
    tally = cross_entropy(jnp.array(logits), batch, label_smoothing=0.1)
    np.testing.assert_allclose(tally.total, -(weights * (smooth * log_p).sum(-1)).sum(), rtol=1e-5)


def test_only_training_is_smoothed():
    batch = draw()
    model = reciter(np.asarray(batch.target))
    plain, smoothed = (strings(model, REVERSE, label_smoothing=e) for e in (0.0, 0.1))
    params = jnp.zeros(())
    trained = [float(o.loss(params, batch, padded=True, key=None).mean) for o in (plain, smoothed)]
    scored = [float(o.score(params, batch, padded=True)["loss"].mean) for o in (plain, smoothed)]
    assert trained[1] > trained[0] + 0.5
    assert scored[0] == scored[1]


MODELS = {
    "transformer": Transformer(16, 1, num_heads=2, dropout=0.1),
    "additive": RecurrentEncoderDecoder(16, cell="gru"),
    "bilinear": RecurrentEncoderDecoder(16, attention="bilinear"),
    "no attention": RecurrentEncoderDecoder(16, 2, attention="none", d_embedding=6),
    "decoder-only": ModelConfig(16, 1, (Attention(num_heads=2),), positions="learned"),
    "decoder-only gru": classic(GRU(), d_model=16, num_layers=1),
}


def plan_of(config, task, lengths, steps=40):
    size = task.spec.strings_vocab_size
    batch = jax.eval_shape(partial(task.strings, batch_size=1, length=max(lengths), max_length=max(lengths)), key_of())
    model = config.over_strings(IO(num_classes=size, vocab_size=size), batch.source.shape[1], batch.target.shape[1])
    schedule = learning_rate_schedule("constant", warmup_steps=5, steps=steps)
    optimizer = make_optimizer(schedule, weight_decay=0.0, clip=1.0, spared=model.spared)
    objective, last = strings(model, task, label_smoothing=0.1), lengths[-2:]
    return BlockPlan(objective, optimizer, 8, lengths, steps, 8, validation_lengths=last, test_lengths=last)


def key_of():
    return jax.random.key(0)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", first(MODELS, "additive"))
def test_every_kind_of_model_descends_over_strings(name):
    plan = plan_of(MODELS[name], REVERSE, (2, 3))
    state = jax.jit(partial(init_runs, plan))(jnp.arange(2), jnp.full(2, 1e-2))
    state, losses, validation = jax.jit(partial(advance_runs, plan))(state, jnp.int32(0))
    assert not state.diverged.any()
    assert (losses < state.initial_loss).all()
    assert validation["metric"].number.shape == (2, 2)
    assert (validation["metric"].number == 8).all()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", first(["copy", "reverse", "sort", "digit_addition"], "reverse", "digit_addition"))
def test_who_says_the_answer_is_right_and_the_gradient_reaches_every_weight(name):
    task = TASKS[name].make()
    plan = plan_of(MODELS["additive"], task, task.spec.lengths(3, 5), steps=5)
    key_params, key_data = jax.random.split(jax.random.key(0))
    params = jax.jit(plan.objective.init)(key_params)
    batch = jax.jit(plan.objective.sample, static_argnums=(1, 2, 3))(key_data, 8, 4, 5)
    gradient = jax.jit(jax.grad(partial(batch_loss, plan)))(params, batch, None)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))
    right = strings(reciter(np.asarray(batch.target), size=task.spec.strings_vocab_size), task)
    assert [float(x) for x in right.score(jnp.zeros(()), batch, padded=False)["metric"]] == [8, 8]


def test_each_batch_of_an_evaluation_is_drawn_anew():
    drawn: Any = SimpleNamespace(
        sample=lambda key, *_, split: jax.random.bits(key), score=lambda params, batch, *, padded: batch
    )
    program = jax.jit(lambda seed: evaluate(drawn, None, seed, (3, 3, 3), split="test", batch_size=2))
    found: Any = program(jnp.int32(0))
    assert len({*found.tolist()}) == 3
