"""The table of mixers in docs/mixers.md, from the registry.

    python scripts/mixer_table.py [--measure] [--check] [--page FILE]

Writes the table between its two marks. Times are measured with `--measure` only, on one pinned core; else those in the
page are kept. `--check` writes nothing, and ends with 1 where the counted columns are stale. Operations counted with
another version of jax, whose functions may be made of other primitives, are not compared.
"""

import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from bench_attention import environment, pin_one_core
from page_table import between, markdown_table, page_parser, put_between, write_or_check

from attn_jax.commands.listing import list_mixers

PAGE = Path(__file__).parent.parent / "docs" / "mixers.md"
MARKS = ("<!-- the table: python scripts/mixer_table.py -->\n", "<!-- the table ends -->")
TITLES = ("µs a token, whole", "one by one")
ROW = re.compile(r"^\| `(\w+)`.* \| ([\d.,]*) \| ([\d.,]*) \|$", re.MULTILINE)
FLOPS = re.compile(r"[\d,]+(?= \| [\d.,]* \| [\d.,]* \|$)", re.MULTILINE)
COUNTED = re.compile(r"Counted with jax (\S+)\.")

Times: TypeAlias = dict[str, tuple[str, str]]  # mixer -> microseconds whole, one by one


def table_of(rows: list[dict[str, Any]], times: Times, note: str) -> str:
    """The table in markdown, one line a mixer; below it what it was counted with, and when and where measured."""
    cells = [_cells(row) | dict(zip(TITLES, times.get(row["name"], ("", "")), strict=True)) for row in rows]
    return f"{markdown_table(cells)}\nCounted with jax {version('jax')}.\n{note}\n"


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """Column by column, what is counted."""
    form = f"<br>counted as `{row['counted_form']}`" if row["counted_form"] else ""
    return {
        "mixer": f"`{row['name']}`{form}",
        "source": row["source"],
        "parameters": f"{row['parameters']:,}",
        "state bytes": f"{row['state_bytes']:,}",
        "depth": row["depth"],
        "FLOPs a token": f"{row['flops_per_token']:,.0f}",
    }


def kept(page: str) -> tuple[Times, str]:
    """The times of a page by mixer, and its note on them."""
    _, inside, _ = between(page, MARKS)
    return {name: (whole, one) for name, whole, one in ROW.findall(inside)}, inside.rstrip("\n").rpartition("\n")[2]


def measured(rows: list[dict[str, Any]], core: int | None) -> tuple[Times, str]:
    """The same of rows that hold times, today, on this machine."""
    times = {row["name"]: (f"{row['us_whole']:.3g}", f"{row['us_one_by_one']:.3g}") for row in rows}
    found = environment(core)
    versions = f"Python {found['versions']['python']}, jax {found['versions']['jax']}"
    machine = f"{found['machine']}{_vectors()}, one of {found['cores']} cores"
    return times, f"Measured {found['date'][:10]}: CPU time, {machine}, {versions}."


def _vectors() -> str:
    """The width of vectors, on which these times depend most, where Linux tells it."""
    info = Path("/proc/cpuinfo")
    return ", AVX-512" if info.exists() and "avx512f" in info.read_text() else ""


def is_stale(page: str, new: str) -> bool:
    """Whether a page differs from the new one; operations only where the same version of jax counted them."""
    there, here = COUNTED.search(page), COUNTED.search(new)
    if there and here and there[1] != here[1]:
        page, new = (COUNTED.sub("", FLOPS.sub("", text)) for text in (page, new))
    return page != new


def main(words: list[str]) -> int:
    """Writes, or checks."""
    parser = page_parser(__doc__, PAGE, MARKS)
    parser.add_argument("--measure", action="store_true", help="measure the times too")
    arguments = parser.parse_args(words)
    core = pin_one_core() if arguments.measure else None
    rows = list_mixers(measure=arguments.measure)
    page = arguments.page.read_text(encoding="utf-8")
    times, note = measured(rows, core) if arguments.measure else kept(page)
    new = put_between(page, MARKS, table_of(rows, times, note))
    stale = is_stale(page, new)
    return write_or_check(arguments.page, new, stale=stale, check=arguments.check, script="mixer_table")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
