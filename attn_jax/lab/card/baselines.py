"""Scores of registered mixers that cards are held against: committed with the package, or made by `--baselines`.

attn_jax/lab/card/baselines.json, and `baselines.json` in a folder of cards, whose mixers go before the same ones there:
{"schema", "mixers": {name: {"seeds", "tasks": {task: {"fingerprint", "scores", "limits", "every_run", "lengths"}},
"jaxlib", "attn_jax", "numbers", "device", "machine", "date", "seconds"}}}
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from attn_jax.errors import ConfigError
from attn_jax.files import read_json, write_whole
from attn_jax.lab.card.relabelled import read_runs
from attn_jax.lab.card.trials import fingerprints
from attn_jax.lab.outcome.words import listing
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

    >>> entry = {"tasks": {"parity": {"fingerprint": "a"}}}
    >>> comparable({"gru": entry}, {"parity": "b"}).notes[0].partition(":")[0]
    '1 baseline was trained on other terms than these and is not compared (gru)'
    """
    kept: dict[str, Any] = {}
    none, some = [], []  # names of those of which nothing is compared, or not all
    for name, entry in mixers.items():
        tasks = {key: one for key, one in entry["tasks"].items() if terms.get(key) == one["fingerprint"]}
        if len(tasks) < len(entry["tasks"]):
            (some if tasks else none).append(name)
        kept[name] = {**entry, "tasks": tasks}
    notes = [_other_terms(none, "", "")] if none else []
    return Baselines(kept, [*notes, _other_terms(some, " in some tasks", " there")] if some else notes)


def _other_terms(names: Sequence[str], where: str, there: str) -> str:
    one = len(names) == 1
    said = f"{counted(len(names), 'baseline was', 'baselines were')} trained on other terms than these{where} and"
    it, them = ("is not compared", "it") if one else ("are not compared", "them")
    return f"{said} {it}{there} ({', '.join(names)}): {MAKE} makes {them} anew"


def write_baselines(path: Path, mixers: Mapping[str, Mapping[str, Any]]) -> None:
    """Adds mixers to a file of baselines, in place of what stood there of them; one that is the same keeps its date."""
    there = mixers_in(path)
    new = {name: entry for name, entry in mixers.items() if _undated(entry) != _undated(there.get(name, {}))}
    text = json.dumps({"schema": BASELINES_SCHEMA, "mixers": {**there, **new}}, indent=1, allow_nan=False)
    write_whole(path, _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n")


def elsewhere(mixers: Mapping[str, Mapping[str, Any]], here: Mapping[str, str]) -> list[str]:
    """What to know where baselines were trained by another jaxlib or on another instruction set than this card.

    >>> mixers = {"gru": {"jaxlib": "0.9", "device": "x"}, "lru": {"jaxlib": "0.10", "device": "x"}}
    >>> elsewhere(mixers, {"jaxlib": "0.10", "device": "x"})[0].partition(":")[0]
    'gru was trained by another jaxlib (0.9, here 0.10)'
    """
    words = {"jaxlib": "by another jaxlib", "device": "on another instruction set"}
    found = []
    for key, said in words.items():
        others = {name: entry[key] for name, entry in mixers.items() if entry[key] != here[key]}
        if others:
            who = listing([*others]) if len(others) < len(mixers) else "the baselines"
            were = "was" if len(others) == 1 < len(mixers) else "were"
            seen = f"({', '.join(sorted({*others.values()}))}, here {here[key]})"
            found.append(
                f"{who} {were} trained {said} {seen}: scores may differ in their last bits, and runs with them"
            )
    return found


def mixers_in(path: Path) -> dict[str, Any]:
    """The mixers of a file of baselines; none where it is not there.

    Raises:
      ConfigError: it is damaged, a mixer in it is, or it is of another version.
    """
    if not path.exists():
        return {}
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == BASELINES_SCHEMA and isinstance(data.get("mixers"), dict)):
        raise ConfigError(f"{path}: is not of this version of attn_jax; delete it, and {MAKE} writes it again")
    for name, entry in data["mixers"].items():
        if not _is_whole(entry):
            raise ConfigError(f"{path}: {name} is damaged; delete the file, and {MAKE} writes it again")
    return data["mixers"]


def _is_whole(entry: Any) -> bool:
    """Whether an entry has all that a card and the board read, a score and a row of runs a seed."""
    try:
        return (
            all(isinstance(entry[key], str) for key in ("jaxlib", "attn_jax", "device", "machine", "date"))
            and isinstance(entry["seeds"], int)
            and all(isinstance(one["fingerprint"], str) and _has_scores(one) for one in entry["tasks"].values())
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _has_scores(one: Mapping[str, Any]) -> bool:
    (low, high), scores = np.array(one["limits"], float), np.array(one["scores"], float)
    shapes = [array.shape for array in read_runs(one["every_run"])]
    alike = len({*shapes}) == 1 and len(shapes[0]) == 2 and shapes[0][:1] == scores.shape
    return bool(alike and scores.size and np.isfinite(scores).all() and low < high)


def _undated(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "date"}
