"""A task from what only it knows: how it is drawn, how a person would answer, what it is worth not to know.

A task's file holds its configuration and three functions, which `TaskConfig.make` hands to `make_task`, or, where
answers are strings, to `string_task`:

    draw(config, key, batch_size, length, max_length) -> Batch     key is the split's own, max_length is allowed
    answer(config, tokens) -> list                                 the oracle of one row, in Python
    floors(config, length) -> dict[str, Floor]
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Required, TypedDict, Unpack

import numpy as np

from attn_jax.tasks.base import Floor, LossPlaces, Metric, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.sampling import check_max_length, length_range, split_key
from attn_jax.tasks.strings import Strings, source_and_target
from attn_jax.types import IO, Array, Batch, Key


class Described(TypedDict, total=False):
    """The fields of `TaskSpec` that are handed on."""

    metric: Metric
    chance: Required[str]
    best: float
    best_floor: str | None
    threshold: float | None
    train_lengths: Required[tuple[int, int]]
    test_lengths: Required[tuple[int, ...]]
    length_unit: Required[str]
    source: Required[str]
    finite: bool
    loss_places: LossPlaces
    num_answered: Callable[[int], int] | None


def one_answer(num_tokens: int) -> int:
    """`TaskSpec.num_answered` of a task that asks at a sequence's last place alone.

    >>> one_answer(7)
    1
    """
    del num_tokens
    return 1


class Allowed(TypedDict, total=False):
    """The lengths that a task allows, as in `length_range`."""

    smallest: int
    largest: int | None
    step: int
    beyond: str


def make_task(
    config: TaskConfig,
    draw: Callable[..., Batch],
    answer: Callable[[Any, list[Any]], list[Any]] | None,
    floors: Callable[[Any, int], dict[str, Floor]],
    *,
    io: IO,
    num_tokens: Callable[[Any], Any] = lambda length: length,
    lengths: Allowed | None = None,
    strings: Callable[..., Strings] | None = None,
    bos: int = 0,
    **described: Unpack[Described],
) -> Task:
    """Binds a configuration to its functions, each of which takes it first.

    Args:
      config: the configuration.
      draw: (config, key, batch_size, length, max_length) -> Batch, as `Sample` says, but that `max_length` was checked
        and the key is the split's own. Of a finite set it is given the split too, as the last argument.
      answer: (config, tokens) -> what is asked at each place of a row, a list of what is in use, from the first on; 0
        where nothing is, and what lies beyond the row is left out. None where inputs decide no targets.
      floors: (config, length) -> floors by name.
      io: what a model reads and says.
      num_tokens: length -> T.
      lengths: those that are allowed; all from 1 on by default.
      strings: like `draw`, the same as questions and answers, for `Task.strings`.
      bos: the id that begins a target of theirs, above all tokens; EOS is the next.
      **described: the other fields of `TaskSpec`.

    Returns:
      The task.
    """
    allowed = lengths or {}

    def drawn(function: Callable[..., Any]) -> Callable[..., Any]:
        def sample(key: Key, batch_size: int, length: int | Array, max_length: int, *, split: Split = "train") -> Any:
            check_max_length(max_length, **allowed)
            part = (split,) if described.get("finite") else ()
            return function(config, split_key(key, split), batch_size, length, max_length, *part)

        return sample

    def floors_at(length: int) -> dict[str, Floor]:
        length_range(length, length, **allowed)
        return floors(config, length)

    return Task(
        sample=drawn(draw),
        floors=floors_at,
        solve=answer and partial(solve_rows, partial(answer, config), io),
        spec=TaskSpec(
            io=io,
            lengths=partial(length_range, **allowed),
            num_tokens=num_tokens,
            strings_vocab_size=bos + 2 if strings else None,
            **described,
        ),
        strings=drawn(lambda *arguments: source_and_target(strings(*arguments), bos=bos)) if strings else None,
    )


def solve_rows(answer: Callable[[list], list], io: IO, inputs: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """What `answer` says of each row, 0 where it says nothing: `Solve` for one row at a time.

    >>> inputs, valid = np.array([[4, 5, 6]]), np.array([[True, True, False]])
    >>> solve_rows(lambda tokens: tokens[1:], IO(num_classes=9, vocab_size=9), inputs, valid).tolist()
    [[5, 0, 0]]
    """
    channels = () if io.out_channels is None else (io.out_channels,)
    targets = np.zeros((*valid.shape, *channels), np.float32 if channels else np.int32)
    for row, in_use in enumerate(valid.sum(axis=1)):
        said = answer(inputs[row, :in_use].tolist())[:in_use]
        targets[row, : len(said)] = np.reshape(said, (len(said), *channels))
    return targets
