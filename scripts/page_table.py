"""What the scripts that keep a table in a page of docs/ share: markdown, the marks, writing and checking."""

import argparse
import sys
from pathlib import Path
from typing import TypeAlias

from script_words import a_file

Marks: TypeAlias = tuple[str, str]  # the line before the table, and the one after it


def markdown_table(rows: list[dict[str, str]]) -> str:
    """Rows of cells by title, one line a row.

    >>> markdown_table([{"a": "1", "b": "x|y"}])
    '| a | b |\\n| --- | --- |\\n| 1 | x\\\\|y |\\n'
    """
    titles = list(rows[0])
    cells = ([row[title].replace("|", "\\|") for title in titles] for row in rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in [titles, ["---"] * len(titles), *cells])


def between(page: str, marks: Marks) -> tuple[str, str, str]:
    """The page up to its first mark with it, what stands between, and the second mark with the rest.

    Raises:
      ValueError: a mark is missing.
    """
    before, mark, rest = page.partition(marks[0])
    inside, end, after = rest.partition(marks[1])
    if not (mark and end):
        raise ValueError(f"the page wants both marks, {marks[0].strip()} and {marks[1]}")
    return before + mark, inside, end + after


def put_between(page: str, marks: Marks, table: str) -> str:
    """The page with this table between its marks."""
    before, _, after = between(page, marks)
    return before + table + after


def page_parser(description: str | None, page: Path, marks: Marks) -> argparse.ArgumentParser:
    """The options that these scripts share; a page without the marks is refused before anything is counted."""

    def marked(text: str) -> Path:
        try:
            between(a_file(text).read_text(encoding="utf-8"), marks)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"got {text!r}: {error}") from error
        return Path(text)

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where the page is stale")
    parser.add_argument("--page", type=marked, default=page, help=f"the page; docs/{page.name} by default")
    return parser


def write_or_check(path: Path, new: str, *, stale: bool, check: bool, script: str) -> int:
    """Writes a stale page, or says that it is stale; the exit code."""
    if not stale:
        print(f"{path} is up to date")
        return 0
    if check:
        print(f"{path} is stale: python scripts/{script}.py", file=sys.stderr)
        return 1
    path.write_text(new, encoding="utf-8")
    print(f"{path} written")
    return 0
