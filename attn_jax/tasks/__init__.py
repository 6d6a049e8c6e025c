"""Tasks: what a model is asked, in batches, with exact floors and an oracle.

`TASKS` maps a name to a default instance; `dataclasses.replace(TASKS["parity"], labels="running").make()` is a task.
A task of your own is one file after the pattern of copy_memory.py; a row here gives it a name for the command.
"""

from attn_jax.tasks.associative_recall import AssociativeRecall
from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.copy_memory import CopyMemory
from attn_jax.tasks.digits import Digits
from attn_jax.tasks.parity import Parity

TASKS: dict[str, TaskConfig] = {
    "associative_recall": AssociativeRecall(),
    "copy_memory": CopyMemory(),
    "parity": Parity(),
    "parity_running": Parity(labels="running"),
    "digits": Digits(),
    "digits_permuted": Digits(order="permuted"),
}

__all__ = [
    "TASKS",
    "AssociativeRecall",
    "CopyMemory",
    "Digits",
    "Floor",
    "Parity",
    "Split",
    "Task",
    "TaskConfig",
    "TaskSpec",
]
