"""The leaderboard in docs/cards.md, from the scores of registered mixers that cards are held against.

    python scripts/card_table.py [--check] [--page FILE] [--results FILE]

Writes the table between its two marks. Scores are read from `attn_jax/lab/card/baselines.json`; `--results` takes a
`baselines.json` that `attn-jax card --baselines` wrote, and adds its mixers there, each in place of what stood there of
it. `--check` writes nothing, and ends with 1 where the page is stale. What was trained on other terms than today's is
left out, and said.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from page_table import markdown_table, page_parser, put_between, write_or_check
from script_words import a_file

from attn_jax.lab.card.baselines import COMMITTED, comparable, mixers_in, write_baselines
from attn_jax.lab.card.trials import fingerprints
from attn_jax.mixers import MIXERS
from attn_jax.report.card_board import board_page

PAGE = Path(__file__).parent.parent / "docs" / "cards.md"
MARKS = ("<!-- the board: python scripts/card_table.py -->\n", "<!-- the board ends -->")


def board(mixers: Mapping[str, Mapping[str, Any]]) -> str:
    """The table in markdown and what is said below it."""
    found = comparable(mixers, fingerprints())
    rows, said = board_page(found.mixers, found.notes, list(MIXERS))
    table = markdown_table(rows) if rows else "No scores are committed yet.\n"
    return f"{table}\n{said}"


def main(argv: list[str] | None = None) -> int:
    """Writes the page or checks it; returns the exit code."""
    parser = page_parser(__doc__, PAGE, MARKS)
    parser.add_argument("--results", type=a_file, help="a baselines.json, whose mixers are to be committed")
    options = parser.parse_args(argv)
    mixers = mixers_in(COMMITTED)
    if options.results:
        mixers |= mixers_in(options.results)
        if not options.check:
            write_baselines(COMMITTED, mixers)
            mixers = mixers_in(COMMITTED)
    page = options.page.read_text(encoding="utf-8")
    new = put_between(page, MARKS, board(mixers))
    return write_or_check(options.page, new, stale=new != page, check=options.check, script="card_table")


if __name__ == "__main__":
    sys.exit(main())
