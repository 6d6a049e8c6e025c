"""environment.json: on what a study runs, and whether it would get the same numbers here."""

from pathlib import Path
from typing import Any

from attn_jax.config.differences import differences
from attn_jax.errors import MachineError
from attn_jax.files import read_json
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import damaged

GONE = "is gone: whether the same config gives the same numbers here, nobody knows"


def record_environment(directory: Path, environment: dict[str, Any]) -> None:
    """Writes what the study runs on; a resumption elsewhere is added to it, and the newest command is kept.

    Raises:
      MachineError: the rest would be trained where the same config gives other numbers, or nobody knows if it does.
    """
    path = directory / "environment.json"
    refuse_other_numbers(directory, environment.get("numbers"))
    if not path.exists():
        write_json(path, environment)
        return
    written = read_json(path)
    first = {key: value for key, value in written.items() if key not in ("resumed", "newest_argv")}
    resumed, changes = written.get("resumed", []), {}
    known = [{**seen, "argv": None} for seen in [first, *resumed]]
    if {**environment, "argv": None} not in known:
        changes["resumed"] = [*resumed, environment]
    if (argv := environment.get("argv")) != written.get("newest_argv", first.get("argv")):
        changes["newest_argv"] = argv  # a study that has grown is refused to the command that it began with
    if changes:
        write_json(path, written | changes)


def refuse_other_numbers(directory: Path, numbers: Any) -> None:
    """Refuses to train where the study's own config gives other numbers than it gave so far.

    Raises:
      MachineError: names what differs, or the file is gone that would say so, of blocks that have begun.
    """
    path = directory / "environment.json"
    if not path.exists():
        if any((directory / "blocks").glob("*/metrics.jsonl")):
            raise MachineError(f"{path}: {GONE}; restore it, or give another --workdir")
        return
    first = read_json(path)
    if not (isinstance(first, dict) and isinstance(first.get("resumed", []), list)):
        raise damaged(path, "it is no table")
    changes = list(differences(first.get("numbers"), numbers))
    if changes:
        raise MachineError(
            f"{directory}: was begun where the same config gives other numbers ({'; '.join(changes[:3])}); "
            "go on there, or give another --workdir"
        )
