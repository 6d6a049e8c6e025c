"""A card on the terminal."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from rich.console import Console
from rich.text import Text

from attn_jax.lab.outcome.words import decimal
from attn_jax.report import words
from attn_jax.report.tables import print_rows

_RIVALS = ("attention", "lstm", "gru")
_SIGNS = {"more": "+", "less": "-", "undecided": "?"}
_SCORES = "scores: + more than the baseline, - less, ? undecided"
_ARRIVES = {True: "arrives", False: "does not arrive", None: "overflows"}


def print_card(card: Mapping[str, Any], console: Console) -> None:
    """Prints the contract, costs and gradients, the eight scores against those of the three rivals, and the verdict.

    Args:
      card: as card.json has it.
      console: a rich console, a terminal or not.
    """
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for row in card["contract"]:
        say(f"  {'+' if row['holds'] else '-'} {row['promise']}{_broken(row)}")
    for title, rows in (("cost", cost_rows(card)), ("at the start", flow_rows(card)), (_SCORES, task_rows(card))):
        print_rows(console, title, rows)
    for note in [*card["notes"], *remarks(card)]:
        say(f"  ! {note}")
    for place, sentence in enumerate(card["verdict"]):
        console.print(Text(sentence, style="bold" if place == 0 else ""), soft_wrap=True)


def cost_rows(card: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row a mixer: what is counted, and what was measured."""
    rows = []
    for name, counts in _each(card, "counts").items():
        timed = card["timing"]["measured"][name] or {}
        state, length = counts["state_bytes"], max(counts["state_bytes"], key=int)
        rows.append(
            {
                "mixer": name,
                "params": words.count(counts["parameters"]),
                "state": " to ".join(dict.fromkeys(map(_size, (state[min(state, key=int)], state[length])))),
                "FLOPs/token": words.flops(counts["flops_per_token"][length]),
                "steps": _known(counts["steps"][length], words.count),
                "depth": counts["depth"],
                "compile s": _known(timed.get("train_compile_s"), words.duration),
                "train us": _known(timed.get("train_us"), words.duration),
                "apply us": _known(timed.get("apply_us"), words.duration),
                "extend us": _known(timed.get("extend_us"), words.duration),
                "MB": _known(timed.get("train_mb"), words.duration),
            }
        )
    return rows


def flow_rows(card: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row a mixer: what it lets through when it has just begun."""
    counts = _each(card, "counts")
    return [
        {
            "mixer": name,
            "gradient": _known(flow["slope"], lambda value: f"{value:.3f}"),
            "position 1": _ARRIVES[flow["sees_first"]],
            "at": _known(flow["reach"]["1"], lambda value: f"1e{value:.1f}"),
            "keeps": _keeps(flow["kept"], counts.get(name)),
        }
        for name, flow in _each(card, "flow").items()
    ]


def remarks(card: Mapping[str, Any]) -> list[str]:
    """What to know before believing a score."""
    found = [
        f"{words.plain(task)}: {one['diverged']} of {one['runs']} runs diverged"
        for task, one in card["tasks"].items()
        if one["diverged"]
    ]
    if card["tasks"] and card["model"]["note"]:
        found.append(card["model"]["note"])
    return found


def task_rows(card: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row a task: the score, its interval, and each rival's mean with what the test decides."""
    tests = {(row["task"], row["rival"]): row for row in card["tests"]}
    rows = []
    for task, one in card["tasks"].items():
        value, bounds = words.score(one["score"])
        row = {"task": words.plain(task), "score": value, "95 %": bounds}
        for rival in _RIVALS:
            test = tests.get((task, rival))
            row[rival] = "" if test is None else f"{decimal(test['other'])} {_SIGNS[test['outcome']]}"
        rank = card["ranks"].get(task)
        rows.append(row | {"place": "" if rank is None else f"{rank['place']} of {rank['of']}"})
    return rows


def _each(card: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What there is of the card's mixer, then of the rivals."""
    own = {} if card[key] is None else {card["name"]: card[key]}
    return own | {name: value for name, value in card["beside"][key].items() if name != card["name"]}


def _broken(row: Mapping[str, Any]) -> str:
    return "" if row["holds"] else f": {row['said']}. To mend it: {row['fix']}"


def _keeps(places: float | None, counts: Mapping[str, Any] | None) -> str:
    """How many places can be read off a state of one size; all of one that grows; a dash where nothing is known."""
    if places is not None:
        return f"{places:.1f} places"
    sizes = [*counts["state_bytes"].values()] if counts else [None]
    return "–" if None in sizes or sizes[0] == sizes[-1] else "all that it read"


def _size(value: int | None) -> str:
    return "none" if value is None else words.size(value)


def _known(value: Any, write: Any) -> str:
    return "–" if value is None else write(value)
