"""RESULTS.md: all verdicts in one table, then every test, with the machine that measured them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.claim_verdict import (
    by_outcome,
    claim_number,
    effect_in_words,
    minutes_of,
    needed_in_words,
    seeds_of,
    verdict_in_words,
)
from attn_jax.report.claims_page import Runs, main_run, stability

_HEAD = """\
# Results
`attn-jax claims` wrote this file; `claims.html` has the pictures. A verdict is what the data say of a sentence, by
tests that were declared before anything ran.
"""
_HEADINGS = {"holds": "Holds", "fails": "Fails", "undecided": "Undecided"}


def write_results_file(verdicts: Mapping[str, Runs], directory: Path) -> Path:
    """Writes RESULTS.md, whole or not at all; its path."""
    path = directory / "RESULTS.md"
    write_whole(path, results_text(verdicts))
    return path


def results_text(verdicts: Mapping[str, Runs]) -> str:
    """The file's text, claims in the order of the page."""
    lines = [_HEAD, "| claim | sentence | verdict | seeds | minutes | other seeds |", "|---|---|---|---|---|---|"]
    for name, runs in verdicts.items():
        verdict = main_run(runs)
        cells = (claim_number(name), verdict["sentence"], verdict_in_words(verdict), seeds_of(verdict))
        said = (f"{minutes_of(verdict):.1f}", stability(runs) or "not run")
        lines.append("| " + " | ".join(_cell(cell) for cell in (*cells, *said)) + " |")
    for name, runs in verdicts.items():
        lines += ["", *_claim(claim_number(name), main_run(runs))]
    return "\n".join([*lines, "", "## Measured on", *_machines(verdicts)]) + "\n"


def _claim(number: str, verdict: Mapping[str, Any]) -> list[str]:
    """What came of one: the explanation, then the tests by their outcome."""
    lines = [f"## Claim {number}", verdict["sentence"], "", f"**{verdict_in_words(verdict)}.** {verdict['explain']}"]
    for how in by_outcome(verdict):
        lines += ["", f"{_HEADINGS[how]}:"]
        lines += [f"- {_test(row)}" for row in verdict["tests"] if row["outcome"] == how]
    if verdict["cautions"]:
        lines += ["", "To know before believing it:", *(f"- {caution}" for caution in verdict["cautions"])]
    return lines


def _test(row: Mapping[str, Any]) -> str:
    """What a test is about and what it found."""
    return "; ".join(filter(None, (f"{row['about']}: {effect_in_words(row)}", needed_in_words(row))))


def _machines(verdicts: Mapping[str, Runs]) -> list[str]:
    """A line a machine, version and date, with the claims that were measured so."""
    found: dict[str, list[str]] = {}
    for name, runs in verdicts.items():
        found.setdefault(_machine(main_run(runs)["timing"]), []).append(claim_number(name))
    return [f"- claim{'s' * (len(claims) > 1)} {', '.join(claims)}: {said}" for said, claims in found.items()]


def _machine(timing: Mapping[str, Any]) -> str:
    environment = timing.get("environment", {})
    versions = ", ".join(f"{name} {version}" for name, version in environment.get("versions", {}).items())
    parts = (timing.get("date"), environment.get("machine"), *environment.get("devices", [])[:1], versions)
    return "; ".join(part for part in parts if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
