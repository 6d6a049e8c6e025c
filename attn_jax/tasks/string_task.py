"""Tasks whose answers are strings, read at places of their own: a question, then an empty token for each letter.

`sample`    inputs  q1 ... qX | empty x answer places      targets  . ... . | a1 ... aY end . .
`strings`   source  q1 ... qX                              target   a1 ... aY EOS
"""

from collections.abc import Callable
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from attn_jax.tasks.base import Floor, Task, TaskConfig
from attn_jax.tasks.make_task import Allowed, Described, make_task
from attn_jax.tasks.strings import Strings, strings_batch
from attn_jax.types import IO, Array, Batch, Key


def string_task(
    config: TaskConfig,
    draw: Callable[..., Strings],
    answer: Callable[[Any, list[int]], list[int]],
    floors: Callable[[Any, int], dict[str, Floor]],
    *,
    num_classes: int,
    empty: int,
    num_tokens: Callable[[Any], Any],
    end: int | None = None,
    signal: int | None = None,
    strings: bool = True,
    lengths: Allowed | None = None,
    **described: Unpack[Described],
) -> Task:
    """Binds a configuration to its functions, as `make_task`.

    Args:
      config: the configuration.
      draw: (config, key, batch_size, length, max_length) -> Strings.
      answer: (config, question) -> its answer, without the end: the oracle.
      floors: (config, length) -> floors by name.
      num_classes: how many classes there are.
      empty: the token at which an answer is read.
      num_tokens: length -> T, question and answer; takes a traced length too.
      end: the class that ends an answer and is scored with it; None where the question says how long it is.
      signal: the token that ends a question, if empty tokens stand in it; None: the first of these ends it.
      strings: whether `Task.strings` gives them too, BOS the id after all tokens of questions.
      lengths, **described: as in `make_task`.

    Returns:
      The task.
    """
    bos = empty if signal is None else max(empty, signal) + 1

    def laid_out(config: TaskConfig, key: Key, batch_size: int, length: int | Array, max_length: int) -> Batch:
        drawn = draw(config, key, batch_size, length, max_length)
        answer_places = num_tokens(length) - drawn.question_length
        return strings_batch(drawn, num_tokens(max_length), answer_places, empty=empty, terminator=end)

    def answered(config: TaskConfig, tokens: list[int]) -> list[int]:
        if (empty if signal is None else signal) not in tokens:
            return []
        start = tokens.index(empty) if signal is None else tokens.index(signal) + 1
        return [0] * start + answer(config, tokens[:start]) + ([] if end is None else [end])

    return make_task(
        config,
        laid_out,
        answered,
        floors,
        io=IO(num_classes=num_classes, vocab_size=max(empty + 1, bos)),
        num_tokens=num_tokens,
        lengths=lengths,
        strings=draw if strings else None,
        bos=bos,
        **described,
    )


def letters(key: Key, batch_size: int, num_places: int, alphabet: int) -> Array:
    """[B, X] int32, uniform letters 0 .. alphabet - 1."""
    return jax.random.randint(key, (batch_size, num_places), 0, alphabet, jnp.int32)
