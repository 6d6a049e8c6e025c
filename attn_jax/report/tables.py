"""Tables on the terminal: a study's, and any other that is told in lines where it does not fit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attn_jax.lab.outcome.axes import flips_note
from attn_jax.lab.outcome.words import has_threshold, ranked
from attn_jax.report import words

_NAME = 12  # columns that a long name may always have; it is folded


class _Column(NamedTuple):
    """A heading and one cell a model."""

    heading: str
    cells: list[str]


def print_table(summary: Mapping[str, Any], console: Console) -> None:
    """Prints the models, best first, the outcome in a sentence, the verdict and what to know before believing it.

    Names are printed as they are: `Text` reads neither rich's markup nor its emoji codes in them.

    Args:
      summary: a study's summary, as in summary.json.
      console: a rich console, a terminal or not; where it is narrow two numbers share a cell, one under the other, then
        sizes and costs are left out, then intervals, then whole columns: never names.
    """
    names = ranked(summary["models"])
    tables = [_table(summary, names, columns, console) for columns in _layouts(summary, names)]
    fitting = [table for table in tables if columns_of(table, console) <= console.width]
    console.print((fitting or tables[-1:])[0])
    console.print(Text(summary["headline"], style="bold"))
    console.print(Text(summary["verdict"]))
    _print_remarks(summary, names, console)


def print_rows(
    console: Console,
    title: str | None,
    rows: Sequence[Mapping[str, str]],
    *,
    named: int = 1,
    spared: Sequence[str] = (),
) -> None:
    """A table; where it is too wide for the terminal, each row as a line of its parts; nothing of no rows.

    Args:
      console: a rich console, a terminal or not.
      title: stands above the table; None for none.
      rows: cells by their headings, printed as they are.
      named: how many of the first cells say what a row is of.
      spared: headings that the table is tried without before it is given up.
    """
    if not rows:
        return
    headings = list(rows[0])
    for shown in (headings, [heading for heading in headings if heading not in spared]):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title and Text(title), title_justify="left")
        for place, heading in enumerate(shown):
            table.add_column(heading, justify="left" if place < named else "right", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(row[heading]) for heading in shown))
        if columns_of(table, console) <= console.width:
            console.print(table)
            return
    for row in rows:
        name = ", ".join(row[heading] for heading in headings[:named])
        parts = ", ".join(f"{heading} {row[heading]}" for heading in headings[named:] if row[heading])
        console.print(f"{name}: {parts}", markup=False, highlight=False, soft_wrap=True)


def columns_of(table: Table, console: Console) -> int:
    """What a table takes that nothing squeezes."""
    return console.measure(table, options=console.options.update(width=1000)).maximum


def _table(summary: Mapping[str, Any], names: list[str], columns: list[_Column], console: Console) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(summary["study"]), title_justify="left")
    table.add_column("model", overflow="fold", vertical="top", max_width=max(_NAME, console.width // 3))
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True, vertical="top")
    for row, name in enumerate(names):
        table.add_row(Text(name), *(Text(column.cells[row]) for column in columns))
    return table


def _layouts(summary: Mapping[str, Any], names: list[str]) -> Iterator[list[_Column]]:
    """What may be shown, from all on one line to one value a model."""
    costs = _costs(summary, names)
    yield _scores(summary, names, " ") + costs
    stacked = _scores(summary, names, "\n")
    yield [*stacked, _stacked(*costs[:2]), _stacked(*costs[2:])]
    yield stacked
    values = [_Column(heading, [cell.split("\n")[0] for cell in cells]) for heading, cells in stacked]
    while values:
        yield values
        values = values[:-1]


def _scores(summary: Mapping[str, Any], names: list[str], join: str) -> list[_Column]:
    """Each value and its interval; solved and steps only where a threshold says what solved means."""
    models = [summary["models"][name] for name in names]
    columns = []
    if has_threshold(models[0]):
        columns += [
            _Column("solved", [join.join(words.share(model["solved_fraction"])) for model in models]),
            _Column(f"steps{join}to solve", [join.join(words.steps_to_solve(model)) for model in models]),
        ]
    return [*columns, _Column(f"final{join}score", [join.join(words.score(model["final"])) for model in models])]


def _costs(summary: Mapping[str, Any], names: list[str]) -> list[_Column]:
    """Sizes, then what a training step of one run takes."""
    models = [summary["models"][name] for name in names]
    milliseconds = [1000 * summary["timing"][name]["seconds_per_step"] for name in names]
    return [
        _Column("params", [words.count(model["parameters"]) for model in models]),
        _Column("state", [words.size(model["state_bytes"]) for model in models]),
        _Column("FLOPs/step", [words.flops(model["train_flops_per_step"]) for model in models]),
        _Column("ms/step", [words.duration(value) for value in milliseconds]),
    ]


def _stacked(upper: _Column, lower: _Column) -> _Column:
    """Two columns as one, headings and cells one under the other."""
    cells = [f"{a}\n{b}" for a, b in zip(upper.cells, lower.cells, strict=True)]
    return _Column(f"{upper.heading}\n{lower.heading}", cells)


def _print_remarks(summary: Mapping[str, Any], names: list[str], console: Console) -> None:
    """Whether seconds tell another story, then what is flagged, of all once; the texts are plain, never markup."""
    note = flips_note(summary)
    if note is not None:
        console.print(Text(note))
    flags = {name: summary["models"][name]["flags"] for name in names}
    shared = [flag for flag in flags[names[0]] if len(names) > 1 and all(flag in flags[name] for name in names)]
    own = {name: [flag for flag in flags[name] if flag not in shared] for name in names}
    for of, said in [("all models", shared), *own.items()]:
        if said:
            console.print(Text.assemble((f"{of}: ", "bold"), "; ".join(said), "."), style="dim")
