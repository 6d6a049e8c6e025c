"""environment.json: on what a study runs, and whether it would get the same numbers here."""

from pathlib import Path
from typing import Any

from attn_jax.config.differences import differences
from attn_jax.errors import MachineError
from attn_jax.files import read_json
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import damaged


def record_environment(directory: Path, environment: dict[str, Any]) -> None:
    """Writes what the study runs on; a resumption elsewhere is added to it.

    Raises:
      MachineError: the rest would be trained where the same config gives other numbers.
    """
    path = directory / "environment.json"
    if not path.exists():
        write_json(path, environment)
        return
    refuse_other_numbers(directory, environment.get("numbers"))
    first = read_json(path)
    resumed = first.pop("resumed", [])
    known = [{**seen, "argv": None} for seen in [first, *resumed]]
    if {**environment, "argv": None} not in known:
        write_json(path, first | {"resumed": [*resumed, environment]})


def refuse_other_numbers(directory: Path, numbers: Any) -> None:
    """Refuses to train where the study's own config gives other numbers than it gave so far.

    Raises:
      MachineError: names what differs.
    """
    path = directory / "environment.json"
    if not path.exists():
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
