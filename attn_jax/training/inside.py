"""A model on a task, cut open: what a probe looks at between the batch and the loss."""

from functools import partial
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.types import Array, Batch, Params, StringBatch


class EmbedBatchFn(Protocol):
    """What the layers are given."""

    def __call__(self, params: Params, batch: Any, /) -> Array:
        """x [B, S, D] of a batch; over strings, of its sources."""
        ...


class OutputsFn(Protocol):
    """What comes of it."""

    def __call__(self, params: Params, x: Array, batch: Any, /) -> Array:
        """Outputs [B, T, V] of embedded inputs; nothing is random."""
        ...


class AnswersFn(Protocol):
    """What outputs are held against."""

    def __call__(self, batch: Any, /) -> Batch:
        """The targets, places and weights of the outputs."""
        ...


class AskedFn(Protocol):
    """From where one looks back."""

    def __call__(self, batch: Any, /) -> tuple[Array, Array]:
        """(place of the outputs, place of x beside it), int32 [B] each."""
        ...


class InspectBatchFn(Protocol):
    """What can be looked at."""

    def __call__(self, params: Params, batch: Any, /) -> dict[str, Array]:
        """By name, "layer_0/weights" ..."""
        ...


class Inside(NamedTuple):
    """`outputs` of `embed` are what the loss is taken of, without dropout.

    `asked` is the last place that counts in the loss; over strings, the answer's first token and the source's last.
    """

    embed: EmbedBatchFn | None  # None, as `outputs`: an encoder-decoder that does not tell them apart
    outputs: OutputsFn | None
    answers: AnswersFn
    asked: AskedFn
    inspect: InspectBatchFn


def inside_answers(model: Model) -> Inside:
    """Of one answer a place."""
    return Inside(
        embed=lambda params, batch: model.embed(params, batch.inputs),
        outputs=lambda params, x, batch: model.apply_embedded(params, x, batch.valid),
        answers=lambda batch: batch,
        asked=_last_counted,
        inspect=lambda params, batch: model.inspect(params, batch.inputs, batch.valid),
    )


def inside_strings(model: EncoderDecoder) -> Inside:
    """Of one string from another."""
    told = model.embed is not None and model.apply_embedded is not None
    return Inside(
        embed=partial(_embed_source, model) if told else None,
        outputs=partial(_say, model) if told else None,
        answers=targets,
        asked=lambda batch: (jnp.zeros(len(batch.source), jnp.int32), batch.source_valid.sum(1, dtype=jnp.int32) - 1),
        inspect=lambda params, batch: model.inspect(params, batch.source, batch.source_valid, batch.target_in),
    )


def targets(batch: StringBatch) -> Batch:
    """The target's side as a `Batch`: each of its tokens and its EOS count alike."""
    valid = batch.target_valid
    return Batch(batch.target_in, batch.target, valid.astype(jnp.float32), valid, valid)


def _last_counted(batch: Batch) -> tuple[Array, Array]:
    places = jnp.arange(batch.weights.shape[1])
    last = jnp.max(jnp.where(batch.weights > 0, places, 0), 1)
    return last, last


def _embed_source(model: EncoderDecoder, params: Params, batch: StringBatch) -> Array:
    assert model.embed is not None  # `inside_strings` asked
    return model.embed(params, batch.source)


def _say(model: EncoderDecoder, params: Params, x: Array, batch: StringBatch) -> Array:
    assert model.apply_embedded is not None  # `inside_strings` asked
    return model.apply_embedded(params, x, batch.source_valid, batch.target_in)
