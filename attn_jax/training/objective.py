"""What a run learns and how it is scored: an answer at each place of a sequence, or one string from another."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias

import jax.numpy as jnp

from attn_jax.layers.decay import SparedFn
from attn_jax.mixers.base import InitFn, Places, apply_at, cut
from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.models.greedy import greedy_decode
from attn_jax.tasks.base import Split, Task
from attn_jax.training.inside import Inside, inside_answers, inside_strings, targets
from attn_jax.training.losses import loss
from attn_jax.training.metrics import measures
from attn_jax.training.tally import Tally
from attn_jax.types import Array, Batch, Key, Params, StringBatch

# Tallies by name, "loss", "metric" and "whole" (sequences whose every answer is right) among them: of M batches, [M]
# each, in the order of the lengths asked for; scalars of one batch.
Evaluation: TypeAlias = dict[str, Tally]


class SampleFn(Protocol):
    """A batch from a key, as a task gives it: a `Batch` or `StringBatch`."""

    def __call__(
        self, key: Key, batch_size: int, length: int | Array, max_length: int, /, *, split: Split = "train"
    ) -> Any:
        """`attn_jax.tasks.Task` says more."""
        ...


class LossFn(Protocol):
    """What is descended."""

    def __call__(self, params: Params, batch: Any, /, *, padded: bool, key: Key | None) -> Tally:
        """The loss of a batch; key draws dropout, None is without."""
        ...


class ScoreFn(Protocol):
    """How good it is."""

    def __call__(self, params: Params, batch: Any, /, *, padded: bool) -> Evaluation:
        """Tallies of one batch."""
        ...


class Objective(NamedTuple):
    """A model on a task: all that a training step and an evaluation call.

    `padded` is static: False says that no row of the batch is shorter than the others.
    """

    init: InitFn
    sample: SampleFn
    loss: LossFn
    score: ScoreFn
    spared: SparedFn  # what weight decay leaves alone
    inside: Inside  # the same, cut open, for probes
    clip: float = math.inf  # the largest norm that a gradient keeps


def answers(model: Model, task: Task, *, label_smoothing: float = 0.0, clip: float = math.inf) -> Objective:
    """One answer a place, scored by the task's own metric.

    Args:
      model: of a sequence model's `make`.
      task: its `sample` gives the batches.
      label_smoothing: of the loss that is trained on, `cross_entropy`'s.
      clip: the largest norm that its gradient keeps in training.
    """
    return Objective(
        init=model.init,
        spared=model.spared,
        sample=task.sample,
        loss=partial(_answers_loss, model, task.spec.num_answered, label_smoothing),
        score=partial(_answers_score, model, task.spec.num_answered, measures(task.spec.metric)),
        inside=inside_answers(model),
        clip=clip,
    )


def strings(model: EncoderDecoder, task: Task, *, label_smoothing: float = 0.0, clip: float = math.inf) -> Objective:
    """The answer as a string: trained with the right one as its input, scored by what is said without it.

    The loss is the cross entropy of the target and its EOS. The score is the share of targets that greedy decoding says
    whole, EOS included.

    Args:
      model: an encoder-decoder, or a sequence model's `over_strings`.
      task: its `strings` gives the batches.
      label_smoothing: of the loss that is trained on, `cross_entropy`'s.
      clip: the largest norm that its gradient keeps in training.
    """
    assert task.strings is not None and task.spec.strings_vocab_size is not None  # the study's plan asked
    return Objective(
        init=model.init,
        spared=model.spared,
        sample=task.strings,
        loss=partial(_strings_loss, model, label_smoothing),
        score=partial(_strings_score, model, task.spec.strings_vocab_size),
        inside=inside_strings(model),
        clip=clip,
    )


def _answers_loss(
    model: Model,
    num_answered: Callable[[int], int] | None,
    label_smoothing: float,
    params: Params,
    batch: Batch,
    *,
    padded: bool,
    key: Key | None,
) -> Tally:
    outputs, batch = _answered(model, num_answered, params, batch, padded=padded, key=key)
    return loss(outputs, batch, label_smoothing=label_smoothing)


def _answers_score(
    model: Model,
    num_answered: Callable[[int], int] | None,
    scored_by: dict[str, Callable[[Array, Batch], Tally]],
    params: Params,
    batch: Batch,
    *,
    padded: bool,
) -> Evaluation:
    outputs, batch = _answered(model, num_answered, params, batch, padded=padded)
    return {name: measure(outputs, batch) for name, measure in scored_by.items()}


def _answered(
    model: Model,
    num_answered: Callable[[int], int] | None,
    params: Params,
    batch: Batch,
    *,
    padded: bool,
    key: Key | None = None,
) -> tuple[Array, Batch]:
    """A model's outputs at the places that may have weights, and the batch at these; with weights elsewhere, of NaN."""
    valid, length = batch.valid if padded else None, batch.inputs.shape[1]
    number = length if num_answered is None else min(int(num_answered(length)), length)
    if number == length:
        return model.apply(params, batch.inputs, valid, key=key), batch
    # the rows of a batch are of one length; one shorter than `number` places begins at the first
    places = Places(length - number if valid is None else jnp.maximum(jnp.sum(valid[0]) - number, 0), number)
    asked = cut(batch, places)
    # a task that says too few of its places must not be trained on these unnoticed
    all_there = jnp.sum(asked.weights > 0) == jnp.sum(batch.weights > 0)
    asked = asked._replace(weights=jnp.where(all_there, asked.weights, jnp.nan))
    return apply_at(model.apply, params, batch.inputs, places, valid, key=key), asked


def _strings_loss(
    model: EncoderDecoder, label_smoothing: float, params: Params, batch: StringBatch, *, padded: bool, key: Key | None
) -> Tally:
    del padded  # rows of one length may still be strings of several, a sum's
    logits = model.apply(params, batch.source, batch.source_valid, batch.target_in, key=key)
    return loss(logits, targets(batch), label_smoothing=label_smoothing)


def _strings_score(
    model: EncoderDecoder, vocab_size: int, params: Params, batch: StringBatch, *, padded: bool
) -> Evaluation:
    del padded
    logits = model.apply(params, batch.source, batch.source_valid, batch.target_in)
    bos, eos, longest = vocab_size - 2, vocab_size - 1, batch.target.shape[1]
    said = greedy_decode(model, params, batch.source, batch.source_valid, longest, bos=bos, eos=eos)
    whole = jnp.all(said == batch.target, axis=1)  # both are 0 after EOS
    right = Tally(jnp.sum(whole, dtype=jnp.float32), jnp.array(whole.size, jnp.float32))
    freely = {"metric": right, "whole": right}  # what is left is measured with the right answer as its input
    told = {name: measure for name, measure in measures("exact_match").items() if name not in freely}
    return {name: measure(logits, targets(batch)) for name, measure in told.items()} | freely
