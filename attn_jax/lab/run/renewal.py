"""A model whose own source changed since it began is trained anew, alone: its blocks are set aside, all others stay."""

import shutil
from pathlib import Path
from typing import Any

from attn_jax.lab.plan.sources import changed_file, refuse_changed
from attn_jax.lab.record.directory import block_directory, read_rows
from attn_jax.lab.record.holding import held

_HANDOVER_SECONDS = 60.0  # how long a worker whose command died may take to finish its chunk


def renewed(directory: Path, begun: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str]:
    """The models that began with another source, each with a file that changed since.

    Args:
      directory: of the study.
      begun: what study.json holds.
      wanted: what it would hold, were the study begun now.

    Raises:
      ConfigError: the task's source changed, be it in a file that a model lies in too: data are not what they were.
    """
    started = [name for name in begun["models"] if has_begun(directory, begun, name)]
    if started:
        refuse_changed("task", begun["task_sources"], wanted["task_sources"])
    files = {name: changed_file(begun["sources"][name], wanted["sources"].get(name, {})) for name in started}
    return {name: file for name, file in files.items() if file is not None}


def has_begun(directory: Path, begun: dict[str, Any], name: str) -> bool:
    """Whether a block of a model has rows."""
    return any(read_rows(folder / "metrics.jsonl") for folder in _folders(directory, begun, name))


def set_aside(directory: Path, begun: dict[str, Any], name: str) -> Path:
    """Moves a model's blocks, and copies of its source, to a folder of their own; the next command ends what was begun.

    Args:
      directory: of the study, which is held.
      begun: what study.json holds.
      name: of the model.

    Returns:
      The folder.

    Raises:
      MachineError: a worker of a command that died is still at it, and does not stop.
    """
    numbers = (directory / "replaced" / str(number) for number in range(1, 1_000_000))
    aside = next(folder for folder in numbers if not any(folder.glob(f"{name}-*")))
    for file in begun["sources"][name]:
        copy = aside / f"{name}-sources" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(directory / "sources" / file, copy)
    for folder in _folders(directory, begun, name):
        if folder.is_dir():
            with held(folder, wait_seconds=_HANDOVER_SECONDS):
                folder.rename(aside / folder.name)
    return aside


def _folders(directory: Path, begun: dict[str, Any], name: str) -> list[Path]:
    return [block_directory(directory, name, k) for k in range(len(begun["runs"][name]))]
