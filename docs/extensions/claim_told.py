"""What was measured of a shipped claim, as HTML: from verdicts with their pictures, else from a RESULTS.md."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment

from attn_jax.config.claim import Claim
from attn_jax.config.claim_file import load_claim, shipped_claims
from attn_jax.errors import ConfigError
from attn_jax.lab.claim.record import read_verdicts
from attn_jax.lab.outcome.claim_verdict import effect_in_words, minutes_of, seeds_of, verdict_in_words
from attn_jax.report.claims_page import main_run, stability
from attn_jax.report.panels import drawn_panels

_OUTCOMES = ("holds in part", "holds", "fails", "undecided")
_TEMPLATE = Path(__file__).with_name("claim.html.j2")


class Told(NamedTuple):
    """What came of a claim.

    Args:
      verdict: in words, "holds in part: holds for ..., fails for ..."; "not run".
      tests: of each its outcome and what was found.
      explain: what to make of the verdict, written before it was known.
      seeds, minutes, again: how many seeds, how long, and what a second run said.
      panels, legend: its pictures, where there are verdicts to draw them from.
    """

    verdict: str
    tests: list[tuple[str, str]]
    explain: str = ""
    seeds: str = ""
    minutes: str = ""
    again: str = ""
    panels: Any = ()
    legend: Any = ()

    @property
    def outcome(self) -> str:
        """The verdict's first words."""
        return next((word for word in _OUTCOMES if self.verdict.startswith(word)), "not run")


NOT_RUN = Told("not run", [])


def told(number: str, folder: Path, file: Path) -> Told:
    """What is known of a claim: from verdicts in a folder, else from a RESULTS.md, else nothing."""
    name = shipped_claims()[number].stem
    try:
        runs = read_verdicts(folder).get(name)
    except ConfigError:  # of another version than this one
        runs = None
    if runs is None:
        return from_text(file.read_text(encoding="utf-8")).get(number, NOT_RUN) if file.exists() else NOT_RUN
    verdict = main_run(runs)
    tests = [(row["outcome"], f"{row['about']}: {effect_in_words(row)}") for row in verdict["tests"]]
    panels, legend = drawn_panels(name, verdict["panels"])
    more = seeds_of(verdict), f"{minutes_of(verdict):.1f}", stability(runs) or "not run"
    return Told(verdict_in_words(verdict), tests, verdict["explain"], *more, panels, legend)


def from_text(text: str) -> dict[str, Told]:
    """Every claim of a RESULTS.md by its number.

    >>> row, said = "| 3 | Said. | fails | 8 | 1.1 | not run |", "**fails.** Why so."
    >>> claim = from_text(f"{row}\\n\\n## Claim 3\\nSaid.\\n\\n{said}\\n\\nFails:\\n- a: 1; counted\\n")["3"]
    >>> claim.explain, claim.tests
    ('Why so.', [('fails', 'a: 1; counted')])
    """
    found = {}
    rows = re.findall(r"^\| (\w+) \| .*? \| (\S.*?) \| ([^|]*) \| ([\d.]+) \| ([^|]*) \|$", text, re.MULTILINE)
    for number, verdict, seeds, minutes, again in rows:
        section = text.partition(f"\n## Claim {number}\n")[2].partition("\n## ")[0]
        explain = re.search(r"^\*\*.*?\.\*\* (.*)$", section, re.MULTILINE)
        found[number] = Told(verdict, tests_in(section), explain[1] if explain else "", seeds, minutes, again)
    return found


def tests_in(section: str) -> list[tuple[str, str]]:
    """The tests of a claim's section: lists under "Holds:", "Fails:" and "Undecided:"."""
    tests, how = [], ""
    for line in section.splitlines():
        if line.endswith(":") and not line.startswith("- "):
            how = line[:-1].lower()
        elif line.startswith("- ") and how in _OUTCOMES:
            tests.append((how, line[2:]))
    return tests


@cache
def declared(number: str) -> Claim:
    """The claim as its file declares it."""
    return load_claim(shipped_claims()[number])


def html(number: str, known: Told) -> str:
    """A claim as a part of the page."""
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(number=number, claim=declared(number), known=known, outcome=known.outcome)
