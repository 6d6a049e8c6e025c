"""Which runs a model has and where each lies: looked up in study.json, never computed, because a study may grow."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

Run: TypeAlias = tuple[int, float] | tuple[int, float, str]  # seed, learning rate and, where there are some, start


class Lane(NamedTuple):
    """Where a run lies."""

    block: int
    lane: int


def grid_of(seeds: Iterable[int], rates: Sequence[float], starts: Sequence[str] = ()) -> list[Run]:
    """Every run of a model, seed by seed and rate by rate, of each start.

    >>> grid_of(range(7, 9), [0.1, 0.2])
    [(7, 0.1), (7, 0.2), (8, 0.1), (8, 0.2)]
    >>> grid_of([0], [0.1], ["wide", "narrow"])
    [(0, 0.1, 'wide'), (0, 0.1, 'narrow')]
    """
    runs: list[Run] = [(seed, rate) for seed in seeds for rate in rates]
    return [(run[0], run[1], start) for start in starts for run in runs] if starts else runs


def whole_grid(facts: Mapping[str, Any]) -> list[Run]:
    """Every run of a model, from study.json's facts."""
    return grid_of(seeds_of(facts["config"]["train"]), rates_of(facts), [*facts["config"]["starts"]])


def start_of(run: Sequence[Any]) -> str:
    """The name of a run's start; "" where a study has none.

    >>> start_of((0, 0.1)), start_of((0, 0.1, "wide"))
    ('', 'wide')
    """
    return run[2] if len(run) > 2 else ""


def seeds_of(train: Mapping[str, Any]) -> range:
    """The seeds, from the part `train` of study.json's config."""
    return range(train["first_seed"], train["first_seed"] + train["seeds"])


def rates_of(facts: Mapping[str, Any]) -> list[float]:
    """The learning rates, ascending, from study.json's facts: those of the config, and what the grid was widened by.

    >>> rates_of({"config": {"train": {"learning_rates": [0.1, 0.3]}}, "widened": {"rates": [0.03], "settled": True}})
    [0.03, 0.1, 0.3]
    """
    return sorted({*facts["config"]["train"]["learning_rates"], *facts["widened"]["rates"]})


def in_blocks(runs: Sequence[Run], width: int) -> list[list[Run]]:
    """Runs in blocks of a width; the last has what is left over.

    >>> in_blocks([(0, 0.1), (0, 0.2), (1, 0.1)], 2)
    [[(0, 0.1), (0, 0.2)], [(1, 0.1)]]
    """
    return [list(runs[first : first + width]) for first in range(0, len(runs), width)]


def padded(block: Sequence[Run], width: int) -> list[Run]:
    """A block that repeats its last run up to the width: nobody reads what becomes of those.

    >>> padded([(0, 0.1), (1, 0.1)], 3)
    [(0, 0.1), (1, 0.1), (1, 0.1)]
    """
    return [*block, *[block[-1]] * (width - len(block))]


def lanes_of(facts: Mapping[str, Any], model: str) -> dict[Run, Lane]:
    """Where each run of a model lies, from study.json's facts."""
    blocks = facts["runs"][model]
    return {tuple(run): Lane(k, lane) for k, block in enumerate(blocks) for lane, run in enumerate(block)}


def missing_blocks(facts: Mapping[str, Any], model: str, wanted: Sequence[Run]) -> list[list[Run]]:
    """Blocks of the runs that a model lacks; idle lanes of the blocks that are there stay idle."""
    there = lanes_of(facts, model) if model in facts["runs"] else {}
    return in_blocks([run for run in wanted if run not in there], facts["width"])


def is_tested(rows: Collection[Mapping[str, Any]], steps: int, lengths: Sequence[int]) -> bool:
    """Whether a block's rows have the scores after so many steps at these lengths of the curve."""
    return any(is_test_of(row, steps, lengths) for row in rows)


def is_test_of(row: Mapping[str, Any], steps: int, lengths: Sequence[int]) -> bool:
    """Whether a row has the test scores after so many steps at these lengths of the curve."""
    return "test" in row and row.get("after") == steps and row.get("lengths") == [*lengths]
