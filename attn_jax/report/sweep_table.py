"""The table of a sweep on the terminal: a row a point and model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attn_jax.report import words
from attn_jax.report.tables import columns_of

_NAME = 12  # columns that a long name may always have; it is folded


def print_sweep_table(summary: Mapping[str, Any], console: Console) -> None:
    """Prints every model at every point, in the sweep's order, then how they change along its axis.

    Names are printed as they are: `Text` reads no markup in them.

    Args:
      summary: a sweep's summary, as in its summary.json.
      console: a rich console, a terminal or not; where it is narrow an interval stands below its value, then is left
        out.
    """
    tables = [_table(summary["sweep"], headings, cells, console) for headings, cells in _layouts(summary)]
    fitting = [table for table in tables if columns_of(table, console) <= console.width]
    console.print((fitting or tables[-1:])[0])
    console.print(Text(summary["verdict"], style="bold"))


def _table(
    title: str, headings: Sequence[str], cells: Mapping[tuple[str, str], Sequence[str]], console: Console
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(title), title_justify="left")
    for heading in ("point", "model"):
        table.add_column(heading, overflow="fold", vertical="top", max_width=max(_NAME, console.width // 3))
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True, vertical="top")
    before = None
    for (point, model), row in cells.items():
        table.add_row(Text("" if point == before else point), Text(model), *map(Text, row))
        before = point
    return table


def _layouts(summary: Mapping[str, Any]) -> Iterator[tuple[list[str], dict[tuple[str, str], list[str]]]]:
    """Headings and each row's cells: on one line, over two, without intervals, and then fewer and fewer."""
    timed = _timed(summary)
    headings = [*(["solved", "steps"] if timed else []), "score"]
    pairs = {
        (point, name): _pairs(model, timed=timed)
        for point, values in summary["points"].items()
        for name, model in values["models"].items()
    }
    for join in (" ", "\n"):
        yield headings, {row: [join.join(pair) for pair in cells] for row, cells in pairs.items()}
    for first in range(len(headings)):
        yield headings[first:], {row: [value for value, _ in cells[first:]] for row, cells in pairs.items()}


def _timed(summary: Mapping[str, Any]) -> bool:
    models = [model for point in summary["points"].values() for model in point["models"].values()]
    return any(model["solved_fraction"] is not None for model in models)


def _pairs(model: Mapping[str, Any], *, timed: bool) -> list[tuple[str, str]]:
    """A value and its interval each; a dash where the task of this point alone has no threshold."""
    if not timed:
        solving = []
    elif model["solved_fraction"] is None:
        solving = [("–", "")] * 2
    else:
        solving = [words.share(model["solved_fraction"]), words.steps_to_solve(model)]
    return [*solving, words.score(model["final"])]
