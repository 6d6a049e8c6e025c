"""The board of all registered mixers' scores: on the terminal, and in docs/cards.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from rich.console import Console

from attn_jax.lab.outcome.intervals import Limits
from attn_jax.lab.outcome.statistics import mean_interval
from attn_jax.lab.outcome.words import decimal, listing
from attn_jax.report import words
from attn_jax.report.tables import print_rows

_DIGITS = 6  # means that agree so far are tied

Mixers: TypeAlias = Mapping[str, Mapping[str, Any]]  # as baselines.json has them
Write: TypeAlias = Callable[[np.ndarray, Limits], str]  # of scores [seeds] and their limits


def print_board(baselines: Any, console: Console) -> None:
    """Prints the mean score of every baseline in every task, the best over all first.

    Args:
      baselines: `mixers` by name, and `notes`.
      console: a rich console.
    """
    print_rows(console, "cards", board_rows(baselines.mixers, _mean))
    for note in baselines.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)


def board_page(mixers: Mixers, notes: Sequence[str], registered: Sequence[str]) -> tuple[list[dict[str, str]], str]:
    """The board as docs/cards.md has it: rows with 95 % intervals, and what to know of them below.

    Args:
      mixers: those that may be compared.
      notes: what keeps others from it.
      registered: all names that there are.
    """
    rows = board_rows(mixers, _with_interval)
    missing = [f"`{name}`" for name in registered if name not in mixers]
    said = [*_made(mixers), *notes, *([f"not run: {listing(missing)}"] if missing else [])]
    return rows, "".join(f"- {line}.\n" for line in said)


def board_rows(mixers: Mixers, write: Write) -> list[dict[str, str]]:
    """A row a mixer: its place, seeds, the mean over its tasks, and each task.

    Those with most tasks come first, then the best. Mixers whose means agree to six digits share a place.

    Args:
      mixers: by name.
      write: what a cell says.

    >>> mixers = {"gru": {"seeds": 2, "tasks": {"s3_words": {"scores": [0.5, 1.0], "limits": [0, 1]}}}}
    >>> board_rows(mixers, lambda scores, limits: f"{scores.mean()}")
    [{'place': '1', 'mixer': 'gru', 'seeds': '2', 'mean': '0.75', 's3 words': '0.75'}]
    """
    tasks = list(dict.fromkeys(task for entry in mixers.values() for task in entry["tasks"]))
    order = {name: _order(entry) for name, entry in mixers.items() if entry["tasks"]}
    return [
        {
            "place": str(1 + sum(other < order[name] for other in order.values())),
            "mixer": name,
            "seeds": str(mixers[name]["seeds"]),
            "mean": write(*_overall(mixers[name])),
            **{words.plain(task): _cell(mixers[name]["tasks"].get(task), write) for task in tasks},
        }
        for name in sorted(order, key=lambda name: (order[name], name))
    ]


def _order(entry: Mapping[str, Any]) -> tuple[float, float]:
    """What decides a place, the smallest first."""
    return -len(entry["tasks"]), -round(float(_overall(entry)[0].mean()), _DIGITS)


def _overall(entry: Mapping[str, Any]) -> tuple[np.ndarray, Limits]:
    """Each seed's mean over its tasks, and the limits of that."""
    tasks = entry["tasks"].values()
    low, high = np.mean([one["limits"] for one in tasks], 0).tolist()
    return np.mean([one["scores"] for one in tasks], 0), (low, high)


def _cell(one: Mapping[str, Any] | None, write: Write) -> str:
    return "" if one is None else write(np.array(one["scores"]), tuple(one["limits"]))


def _mean(scores: np.ndarray, limits: Limits) -> str:
    del limits
    return decimal(float(scores.mean()))


def _with_interval(scores: np.ndarray, limits: Limits) -> str:
    """The mean, and in a second line the interval as a card has it, which no line breaks."""
    found = mean_interval(scores, limits)._asdict()
    interval = words.interval(found, decimal).replace(", ", ",&nbsp;").replace("] ", "]<br>")
    return f"{decimal(found['value'])}<br>{interval}"


def _made(mixers: Mixers) -> Iterator[str]:
    """When, of what and on what they were trained, those alike in a line."""
    groups: dict[str, list[str]] = {}
    for name, entry in mixers.items():
        if entry["tasks"]:
            versions = f"attn_jax {entry['attn_jax']}, jaxlib {entry['jaxlib']}"
            said = f"trained {entry['date']}, {versions}, {entry['machine']} ({entry['device']})"
            groups.setdefault(said, []).append(f"`{name}`")
    return (f"{listing(names)}: {said}" for said, names in groups.items())
