"""ledger.html, and the same in markdown: every published number with its status and what was found of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.ledger import STATUSES
from attn_jax.lab.outcome.ledger_rows import LedgerRow
from attn_jax.report import style
from attn_jax.report.rendering import rendered

_LOOKS = {"reproduced": "holds", "direction": "holds", "refuted": "fails", "undecided": "undecided"}
_HEAD = ("| printed | value | where | status | ours |", "|---|---|---|---|---|")
_UNEXPLAINED = "No paragraph says yet why."


def write_ledger_page(rows: Sequence[LedgerRow], sentences: Mapping[str, str], directory: Path) -> Path:
    """Writes ledger.html, whole or not at all; its path.

    Args:
      rows: all cells.
      sentences: of the claims, by their names.
      directory: of the ledger; it exists.
    """
    path = directory / "ledger.html"
    write_whole(path, render_ledger(rows, sentences))
    return path


def render_ledger(rows: Sequence[LedgerRow], sentences: Mapping[str, str]) -> str:
    """The page as one HTML document: the same bytes for the same rows."""
    claims = [
        {"name": name, "sentence": sentences[name], "rows": [_shown(row) for row in mine]} for name, mine in _by(rows)
    ]
    content: dict[str, Any] = {"claims": claims, "tally": tally(rows), "disagreements": list(_disagreements(rows))}
    return rendered("ledger.html.j2", content | {"light": style.LIGHT, "dark": style.DARK})


def ledger_text(rows: Sequence[LedgerRow], sentences: Mapping[str, str]) -> str:
    """The tables in markdown, a section a claim, then what came out otherwise."""
    lines = [f"{len(rows)} published numbers: {tally(rows)}.", ""]
    for name, mine in _by(rows):
        lines += [f"### {name}", sentences[name], "", *_HEAD]
        for row in map(_shown, mine):
            cells = (row["of"], f"{row['metric']} {row['value']}, {row['of_runs']}", row["where"], row["status"])
            lines.append("| " + " | ".join(map(_cell, (*cells, "; ".join(row["said"])))) + " |")
        lines.append("")
    lines += ["### Where the sign or the amount is another", ""]
    found = [f"- **{one['of']}** ({one['claim']}): {one['text']}" for one in _disagreements(rows)]
    return "\n".join([*lines, *(found or ["Nothing is refuted so far."])]) + "\n"


def tally(rows: Sequence[LedgerRow]) -> str:
    """How many of each status.

    >>> tally([])
    'none'
    """
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "none"


def _by(rows: Sequence[LedgerRow]) -> Iterator[tuple[str, list[LedgerRow]]]:
    """The rows of each claim."""
    for name in dict.fromkeys(row.claim for row in rows):
        yield name, [row for row in rows if row.claim == name]


def _shown(row: LedgerRow) -> dict[str, Any]:
    """What both forms show of a cell."""
    cell = row.cell
    return {
        "of": cell.of,
        "metric": cell.metric,
        "value": cell.value if isinstance(cell.value, str) else f"{cell.value:g}",
        "of_runs": cell.of_runs if cell.functional else "of how many runs not said",
        "where": f"{cell.source}, {cell.where}" if cell.source else cell.where,
        "status": row.status,
        "look": _LOOKS.get(row.status, "quick"),
        "said": list(row.said),
    }


def _disagreements(rows: Sequence[LedgerRow]) -> Iterator[dict[str, str]]:
    """What is refuted, and what has a paragraph: why, and the run that shows it."""
    for row in rows:
        if row.explained:
            text = f"{row.explained.cause}: {row.explained.text} Shown by `{row.explained.run}`."
            yield {"of": row.cell.of, "claim": row.claim, "text": text}
        elif row.status == "refuted":
            yield {"of": row.cell.of, "claim": row.claim, "text": _UNEXPLAINED}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
