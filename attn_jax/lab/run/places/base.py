"""What a place is: an executor that others wrote or we did, and the little that the lab must know of it."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from attn_jax.errors import MachineError
from attn_jax.lab.plan.numerics import recorded


class WorkerDiedError(MachineError):
    """A worker ended without an answer: killed, or out of memory."""


def worker_died(error: BaseException) -> bool:
    """What `Place.died` is where an executor keeps to Python's own word for it."""
    return isinstance(error, WorkerDiedError | BrokenExecutor)


class Place(NamedTuple):
    """Where jobs run.

    Args:
      executor: takes a function and its arguments, strings and numbers, to a worker; shut down at the end.
      workers: jobs side by side; a study that begins has blocks for all of them.
      num_devices: over which the runs of one job are split.
      died: whether this error says that a job's worker was lost: the job is tried once more.
      words: what the title line calls it; of a function of the user's, where there are none, the function's name.
      hand_over: of a batch system, which takes jobs instead of the executor, ends this command by an exception, and is
        asked again by the next one.
    """

    executor: Executor
    workers: int
    num_devices: int = 1
    died: Callable[[BaseException], bool] = worker_died
    words: str = ""
    hand_over: Callable[[Sequence[Any], "Terms", Path], NoReturn] | None = None


class Terms(NamedTuple):
    """What a command asks of every worker, whatever the job: strings, as a job is.

    Args:
      platform: what jax runs on there, "cpu", "gpu" or "tpu"; "" = what it has.
      numbers: `recorded()` of the command, JSON: a worker where it is otherwise gives other numbers; "" = any.
      token: of the command that the study belongs to; "" = none.
    """

    platform: str = ""
    numbers: str = ""
    token: str = ""


def terms_here(platform: str, token: str = "") -> Terms:
    """The terms of a command on this machine."""
    return Terms(platform, json.dumps(recorded()), token)
