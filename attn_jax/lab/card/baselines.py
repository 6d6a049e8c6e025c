"""Scores of registered mixers that cards are held against: committed with the package, or made by `--baselines`.

attn_jax/lab/card/baselines.json, and `baselines.json` in a folder of cards, whose mixers go before the same ones there:
{"schema", "mixers": {name: {"seeds", "tasks": {task: {"fingerprint", "scores", "limits", "every_run", "lengths"}},
"jaxlib", "attn_jax", "numbers", "device", "machine", "date", "seconds"}}}
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from attn_jax.errors import ConfigError
from attn_jax.files import read_json, write_whole
from attn_jax.lab.card.trials import fingerprints
from attn_jax.names import counted

BASELINES_SCHEMA = 2
COMMITTED = Path(__file__).parent / "baselines.json"
MAKE = "attn-jax card --baselines"
_NUMBERS = re.compile(r"\[\s+([^][{}]*?)\s+\]")  # a list of nothing but numbers


class Baselines(NamedTuple):
    """What there is, and what keeps some of it from being compared."""

    mixers: dict[str, dict[str, Any]]  # by name, with those tasks alone whose terms are today's
    notes: list[str]


def read_baselines(root: Path) -> Baselines:
    """The scores of registered mixers that come with the package, and those of a folder of cards in their place.

    Args:
      root: the folder of cards.

    Raises:
      ConfigError: a file is damaged, or of another version.
    """
    mixers = mixers_in(COMMITTED) | mixers_in(root / "baselines.json")
    if not mixers:
        return Baselines({}, [f"there are no baselines: {MAKE} makes them, in some hours"])
    return comparable(mixers, fingerprints())


def comparable(mixers: Mapping[str, Mapping[str, Any]], terms: Mapping[str, str]) -> Baselines:
    """Mixers with the tasks whose fingerprints agree; what does not is said.

    >>> entry = {"tasks": {"parity": {"fingerprint": "a", "scores": [1.0]}}}
    >>> comparable({"gru": entry}, {"parity": "b"}).notes[0].partition(":")[0]
    '1 baseline was trained on other terms than these and is not compared (gru)'
    """
    kept, other = {}, []
    for name, entry in mixers.items():
        tasks = {key: one for key, one in entry["tasks"].items() if terms.get(key) == one["fingerprint"]}
        if len(tasks) < len(entry["tasks"]):
            other.append(name)
        kept[name] = {**entry, "tasks": tasks}
    said = f"{counted(len(other), 'baseline was', 'baselines were')} trained on other terms than these and"
    it = "is not compared" if len(other) == 1 else "are not compared"
    notes = [f"{said} {it} ({', '.join(other)}): {MAKE} makes {'it' if len(other) == 1 else 'them'} anew"]
    return Baselines(kept, notes if other else [])


def write_baselines(path: Path, mixers: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds mixers to a file of baselines, in place of what stood there of them; one that is the same keeps its date."""
    there = mixers_in(path)
    new = {name: entry for name, entry in mixers.items() if _undated(entry) != _undated(there.get(name, {}))}
    text = json.dumps({"schema": BASELINES_SCHEMA, "mixers": {**there, **new}}, indent=1, allow_nan=False)
    write_whole(path, _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n")


def elsewhere(mixers: Mapping[str, Mapping[str, Any]], here: Mapping[str, str]) -> list[str]:
    """What to know where baselines were trained by another jaxlib or on another instruction set than this card.

    >>> elsewhere({"gru": {"jaxlib": "0.9", "device": "x"}}, {"jaxlib": "0.10", "device": "x"})[0].partition(":")[0]
    'the baselines were trained by another jaxlib (0.9, here 0.10)'
    """
    words = {"jaxlib": "by another jaxlib", "device": "on another instruction set"}
    found = []
    for key, said in words.items():
        others = sorted({entry[key] for entry in mixers.values()} - {here[key]})
        if others:
            seen = f"({', '.join(others)}, here {here[key]})"
            found.append(
                f"the baselines were trained {said} {seen}: scores may differ in their last bits, and runs with them"
            )
    return found


def mixers_in(path: Path) -> dict[str, Any]:
    """The mixers of a file of baselines; none where it is not there.

    Raises:
      ConfigError: it is damaged, or of another version.
    """
    if not path.exists():
        return {}
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == BASELINES_SCHEMA and isinstance(data.get("mixers"), dict)):
        raise ConfigError(f"{path}: is not of this version of attn_jax; delete it, and {MAKE} writes it again")
    return data["mixers"]


def _undated(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "date"}
