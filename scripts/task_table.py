"""The table of tasks in docs/tasks.md, from the registry.

    python scripts/task_table.py [--check] [--page FILE]

Writes the table between its two marks. `--check` writes nothing, and ends with 1 where the page is stale. A row made
from data that differ between Python versions holds their sha256: with other data here, it is not compared.
"""

import re
import sys
from pathlib import Path
from typing import Any

from page_table import markdown_table, page_parser, put_between, write_or_check

from attn_jax.commands.listing import list_tasks

PAGE = Path(__file__).parent.parent / "docs" / "tasks.md"
MARKS = ("<!-- the table: python scripts/task_table.py -->\n", "<!-- the table ends -->")
DATA = re.compile(r"of Python \S+, sha256 (\w{12})")


def table_of(rows: list[dict[str, Any]]) -> str:
    """The table in markdown, one line a task."""
    return markdown_table([_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Column by column."""
    low, high = row["train_lengths"]
    trained = str(low) if low == high else f"{low} to {high}"
    inputs = row["vocabulary"] or f"{row['channels']} ch."
    outputs = row["classes"] or f"{row['out_channels']} ch."
    return {
        "task": f"`{row['name']}`<br>`{row['config']}`",
        "asked": row["about"],
        "source": re.sub(r"(sha256 \w{12})\w*", r"\1", row["source"]),
        "metric": row["metric"] + _best(row),
        "solved at": "" if row["threshold"] is None else f"{row['threshold']:g}",
        "loss at": row["loss_places"],
        "trained on": f"{trained} {row['length_unit']}",
        "tested on": ", ".join(map(str, row["test_lengths"])),
        "tokens": f"{inputs} &rarr; {outputs}",
        "floors": "<br>".join(_floor(name, floor["value"], row) for name, floor in row["floors"].items()),
        "strings": "yes" if row["strings"] else "",
    }


def _best(row: dict[str, Any]) -> str:
    """Where it is not 1."""
    best = row["best_floor"] or f"{row['best']:g}"
    return "" if best == "1" else f", best {best}"


def _floor(name: str, value: float, row: dict[str, Any]) -> str:
    """A floor; the one that is normalised score 0 in bold."""
    return f"**{name} {value:.3g}**" if name == row["chance"] else f"{name} {value:.3g}"


def with_table(page: str, table: str) -> str:
    """The page with this table between its marks; ValueError where one is missing."""
    return put_between(page, MARKS, table)


def is_stale(page: str, table: str) -> bool:
    """Whether the page holds another table, but for rows from other data than are here."""
    wanted = with_table(page, table).splitlines()
    lines = page.splitlines()
    return len(lines) != len(wanted) or not all(map(_same, lines, wanted))


def _same(line: str, wanted: str) -> bool:
    """Equal, or made from other data."""
    there, here = DATA.search(line), DATA.search(wanted)
    if there and here:
        same_row = line.split("|")[1] == wanted.split("|")[1]
        return same_row and (there[1] != here[1] or DATA.sub("", line) == DATA.sub("", wanted))
    return line == wanted


def main(words: list[str]) -> int:
    """Writes, or checks."""
    arguments = page_parser(__doc__, PAGE, MARKS).parse_args(words)
    rows = list_tasks()
    if missing := {row["missing"] for row in rows} - {None}:
        print(*missing, sep="\n", file=sys.stderr)
        return 2
    page, table = arguments.page.read_text(encoding="utf-8"), table_of(rows)
    return write_or_check(
        arguments.page,
        with_table(page, table),
        stale=is_stale(page, table),
        check=arguments.check,
        script="task_table",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
