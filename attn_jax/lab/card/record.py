"""The folder of cards: what lies where, and parts that are made once.

results/cards/               unless --workdir names another
  <mixer>/card.json          all that the page says, the same bytes each time but for `timing`
  <mixer>/card.html          the page
  <mixer>/parts/*.json       contract, profile and gradients, as they were made
  <mixer>/studies/<task>/    the folder of a study, as `attn-jax compare` makes it
  beside/*.json              profile and gradients of attention, LSTM and GRU on this machine
  baselines/<mixer>/         studies of `--baselines`
  baselines.json             their scores; where it is there, cards in this folder are held against these
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.run.host import instruction_set

CARD_SCHEMA = 1


def study_directory(directory: Path, task: str) -> Path:
    """Where one of the eight studies of a card lives."""
    return directory / "studies" / task


def kept(
    directory: Path, name: str, made_of: Any, make: Callable[[], Any], lasts: Callable[[Any], bool] = lambda value: True
) -> Any:
    """A part as its file has it, made and written first where there is no whole one of the same things and machine.

    Args:
      directory: it is made.
      name: of the file.
      made_of: what it follows from, as JSON types: a configuration and its source.
      make: gives JSON types.
      lasts: whether a value may be read again; one that is not is made anew each time.
    """
    path, key = directory / f"{name}.json", {"of": made_of, "numbers": recorded(), "device": instruction_set()}
    with contextlib.suppress(ConfigError):  # damaged: it is made anew
        found = read_json(path) if path.exists() else None
        if isinstance(found, dict) and found.get("key") == key and "value" in found and lasts(found["value"]):
            return found["value"]
    directory.mkdir(parents=True, exist_ok=True)
    write_json(path, {"key": key, "value": make()})
    return read_json(path)["value"]  # as JSON has it, made now or before
