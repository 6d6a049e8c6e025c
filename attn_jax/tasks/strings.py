"""Questions and answers that are strings: laid out one after the other or as a source and a target.

`Batch`         inputs   q1 ... qX | empty x answer_places     targets   . ... . | a1 ... aY terminator . . .
`StringBatch`   source   q1 ... qX                             target    a1 ... aY EOS
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from attn_jax.tasks.sampling import first_places
from attn_jax.types import Array, Batch, StringBatch


class Strings(NamedTuple):
    """A batch of questions and answers, each at the first places of its row; what lies beyond is ignored."""

    question: Array  # [B, X] int32 tokens
    question_length: int | Array  # scalar, may be traced
    answer: Array  # [B, Y] int32: class c is token c
    answer_length: int | Array  # scalar or [B], may be traced; without terminator


def strings_batch(
    strings: Strings, num_places: int, answer_places: int | Array, *, empty: int, terminator: int | None = None
) -> Batch:
    """The question, then `answer_places` empty tokens at which the answer is read.

    Args:
      strings: what is asked and answered.
      num_places: T, static; at least question_length + answer_places.
      answer_places: how many places the answer has; may be traced.
      empty: the token at which it is read.
      terminator: the class that ends an answer, which is then scored too and needs a place; None: none does.

    Returns:
      A batch whose weights are 1 at the scored places: the answer, and its terminator where there is one.

    >>> strings = Strings(jnp.array([[1, 0, 0]]), 2, jnp.array([[0, 1]]), 2)
    >>> batch = strings_batch(strings, 5, 2, empty=2)
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[1, 0, 2, 2, 0]], [[0, 0, 0, 1, 0]])
    """
    start, batch_size = strings.question_length, len(strings.question)
    place = jnp.arange(num_places)
    end = jnp.reshape(strings.answer_length, (-1, 1)) + start  # [B, 1] or [1, 1]
    valid = first_places(batch_size, num_places, start + answer_places)
    is_question = place < start
    answer = _shifted(strings.answer, start, num_places)
    if terminator is not None:
        answer, end = jnp.where(place == end, terminator, answer), end + 1
    scored = valid & ~is_question & (place < end)
    question = jnp.where(is_question, _shifted(strings.question, 0, num_places), empty)
    return Batch.of(question, answer, scored, valid)


def source_and_target(strings: Strings, *, bos: int) -> StringBatch:
    """The question as source and the answer as target, which EOS = bos + 1 ends.

    Args:
      strings: what is asked and answered.
      bos: the id that begins a target; all tokens lie below it.

    Returns:
      A batch with S = X and T = Y + 1.

    >>> strings = Strings(jnp.array([[1, 0, 0]]), 2, jnp.array([[0, 1, 1]]), 2)
    >>> batch = source_and_target(strings, bos=3)
    >>> batch.source.tolist(), batch.target_in.tolist(), batch.target.tolist()
    ([[1, 0, 0]], [[3, 0, 1, 0]], [[0, 1, 4, 0]])
    """
    batch_size, num_places = strings.answer.shape
    place = jnp.arange(num_places + 1)
    end = jnp.broadcast_to(jnp.reshape(strings.answer_length, (-1, 1)), (batch_size, 1))
    source_valid = first_places(batch_size, strings.question.shape[1], strings.question_length)
    letters = jnp.where(place < end, jnp.pad(strings.answer, ((0, 0), (0, 1))), 0)
    return StringBatch(
        source=jnp.where(source_valid, strings.question, 0),
        source_valid=source_valid,
        target_in=jnp.where(place <= end, jnp.pad(letters[:, :-1], ((0, 0), (1, 0)), constant_values=bos), 0),
        target=jnp.where(place == end, bos + 1, letters),
        target_valid=place <= end,
    )


def _shifted(row: Array, start: int | Array, num_places: int) -> Array:
    """[B, num_places]: `row` written from place `start` on, 0 elsewhere; what does not fit is left out."""
    width = row.shape[1]
    room = jnp.zeros((len(row), num_places + width), row.dtype)  # so that the slice is never clamped
    return jax.lax.dynamic_update_slice_in_dim(room, row, start, axis=1)[:, :num_places]
