"""What a study's scores are held against: the task's own metric and floors, or, over strings, whole answers."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from attn_jax.errors import ConfigError
from attn_jax.tasks import Floor, Task, TaskSpec
from attn_jax.types import IO

ENDLESS = "endless"


class Yardstick(NamedTuple):
    """A description of what models read, say and are scored by, and the floors of that score."""

    spec: TaskSpec
    floors: Callable[[int], dict[str, Floor]]


def yardstick(task: Task, *, strings: bool) -> Yardstick:
    """The task's own, or, where a study asks for strings, the share of answers that are right as a whole.

    Raises:
      ConfigError: strings of a task whose answers are no strings.
    """
    if not strings:
        return Yardstick(task.spec, task.floors)
    size = task.spec.strings_vocab_size
    if task.strings is None or size is None:
        raise ConfigError(
            "strings: got True for a task that gives none, wanted one whose answers are strings, such as copy, "
            "reverse, sort or digit_addition; `attn-jax list tasks --json` says which"
        )
    io = IO(num_classes=size, vocab_size=size)
    spec = replace(task.spec, io=io, metric="exact_match", chance=ENDLESS, best=1.0, loss_places="scored")
    return Yardstick(spec, lambda length: {ENDLESS: Floor(0.0, None, partial(_never_ends, size))})


def _never_ends(vocab_size: int, source: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Probabilities [B, S + 1, V] of the first letter at every place: without EOS no answer is whole, 0 is exact."""
    del valid
    return np.tile(np.eye(vocab_size)[0], (len(source), source.shape[1] + 1, 1))
