"""What takes long is asked about once for each model of a study: its directory keeps which ones are meant."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attn_jax.files import read_json
from attn_jax.lab.plan.limits import demand, refuse_too_much
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import damaged

_FILE = "confirmed.json"


def ask(
    directory: Path,
    facts: dict[str, Any],
    layout: dict[str, Any],
    models: Sequence[str],
    *,
    confirmed: bool,
    new: bool = False,
) -> None:
    """Refuses what the machine cannot give to those of the models not confirmed before, and what is much unless it is.

    What a study grows by is `new`: asked about, whichever models were confirmed.

    Raises:
      MachineError: more disk or memory than there is.
      ConfigError: more than an hour or 10 GB, without `--yes`.
    """
    known = [] if new else confirmed_models(directory)
    if asked := [name for name in models if name not in known]:
        wanted = demand(facts, layout, asked)
        refuse_too_much(wanted, directory, on_cpu=layout["platform"] == "cpu", confirmed=confirmed)


def keep_confirmed(directory: Path, models: Sequence[str]) -> None:
    """Writes down that these models are meant: a resumption of them does not ask."""
    known = confirmed_models(directory)
    if new := [name for name in models if name not in known]:
        write_json(directory / _FILE, [*known, *new])


def confirmed_models(directory: Path) -> list[str]:
    """The models that were asked for."""
    path = directory / _FILE
    names = read_json(path) if path.exists() else []
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise damaged(path, "it is no list of models")
    return names
