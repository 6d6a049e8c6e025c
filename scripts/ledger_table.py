"""The ledger of published numbers in docs/ledger.md, from the cells in configs/ledger and what came of their runs.

    python scripts/ledger_table.py [--check] [--page FILE] [--results FILE]

Writes the tables between their two marks. Results are read from `docs/ledger.json`; `--results` takes a `ledger.json`
that `attn-jax claims --ledger` wrote, and keeps it there. `--check` writes nothing, and ends with 1 where the page is
stale. Of a claim that is declared otherwise since it ran, the results are left out.
"""

import sys
from pathlib import Path

from page_table import page_parser, put_between, write_or_check
from script_words import a_file

from attn_jax.commands.ledger import load_ledger, rows_in, sentences_of
from attn_jax.report.ledger_page import ledger_text

PAGE = Path(__file__).parent.parent / "docs" / "ledger.md"
KEPT = PAGE.with_suffix(".json")
MARKS = ("<!-- the ledger: python scripts/ledger_table.py -->\n", "<!-- the ledger ends -->")


def tables(results: Path) -> str:
    """All tables in markdown."""
    separations = load_ledger()
    return ledger_text(rows_in(results, separations), sentences_of(separations))


def main(argv: list[str] | None = None) -> int:
    """Writes the page or checks it; returns the exit code."""
    parser = page_parser(__doc__, PAGE, MARKS)
    parser.add_argument("--results", type=a_file, help="a ledger.json, to be kept; docs/ledger.json by default")
    options = parser.parse_args(argv)
    if options.results and not options.check:
        KEPT.write_bytes(options.results.read_bytes())
    page = options.page.read_text(encoding="utf-8")
    new = put_between(page, MARKS, tables(options.results or KEPT))
    return write_or_check(options.page, new, stale=new != page, check=options.check, script="ledger_table")


if __name__ == "__main__":
    sys.exit(main())
