"""claims.html: every claim with its verdict, picture, explanation and numbers; no network, no script."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from attn_jax.files import write_whole
from attn_jax.lab.outcome.claim_verdict import (
    agreement,
    by_outcome,
    claim_number,
    minutes_of,
    needed_in_words,
    number,
    seeds_of,
    verdict_in_words,
)
from attn_jax.lab.outcome.claims import COUNTED
from attn_jax.report import style, words
from attn_jax.report.panels import drawn_panels
from attn_jax.report.rendering import rendered

Runs = Mapping[str, Mapping[str, Any]]  # run -> verdict
_BADGES = {"holds": "holds", "in part": "holds in part", "fails": "fails", "undecided": "undecided"}
_OPTIONS = {"first": "", "again": " --again", "quick": " --quick"}
_EXPECTED = {"less": "<", "more": ">", "different": "≠", "equal": "="}


def write_claims_page(
    verdicts: Mapping[str, Runs], shipped: Collection[str], directory: Path, command: str = "attn-jax claims"
) -> Path:
    """Writes claims.html, whole or not at all; its path.

    Args:
      verdicts: by claim and run, in the order of the page.
      shipped: the names of the claims that the command takes by their numbers.
      directory: of the claims; it exists.
      command: that runs a claim, but for its number.
    """
    path = directory / "claims.html"
    write_whole(path, render_claims(verdicts, shipped, command))
    return path


def render_claims(verdicts: Mapping[str, Runs], shipped: Collection[str], command: str = "attn-jax claims") -> str:
    """The page as one HTML document: the same bytes for the same verdicts."""
    numbers = {name: claim_number(name) if name in shipped else f"{name}.py" for name in verdicts}
    claims = [_claim(name, runs, command=f"{command} {numbers[name]}") for name, runs in verdicts.items()]
    content = {"claims": claims, "light": style.LIGHT, "dark": style.DARK, "tally": _tally(claims)}
    return rendered("claims.html.j2", content)


def main_run(runs: Runs) -> Mapping[str, Any]:
    """The run that a claim is told by: the first, or what there is in its place."""
    return next(runs[run] for run in ("first", "again", "quick") if run in runs)


def stability(runs: Runs) -> str:
    """What the second run says of the first; "" where there are not both."""
    if not {"first", "again"} <= runs.keys():
        return ""
    return agreement(runs["first"], runs["again"]) or "With other seeds the verdict is the same."


def _claim(name: str, runs: Runs, *, command: str) -> dict[str, Any]:
    """What the template shows of one."""
    verdict = main_run(runs)
    panels, legend = drawn_panels(name, verdict["panels"])
    said = stability(runs)
    return {
        "number": claim_number(name),
        "sentence": verdict["sentence"],
        "source": verdict["source"],
        "badge": _BADGES[verdict["outcome"]],
        "look": verdict["outcome"].replace(" ", "-"),
        "quick": verdict["run"] == "quick",
        "verdict": verdict_in_words(verdict),
        "groups": by_outcome(verdict),
        "explain": verdict["explain"],
        "panels": panels,
        "legend": legend,
        "banded": any(_has_seeds(panel) for panel in verdict["panels"]),
        "rows": [_row(row) for row in verdict["tests"]],
        "published": verdict["published"],
        "cautions": verdict["cautions"],
        "design": verdict["design"],
        "seeds": seeds_of(verdict),
        "minutes": f"{minutes_of(verdict):.1f}",
        "unstable": said.startswith("unstable"),
        "stability": said[:1].upper() + said[1:],
        "command": f"{command}{_OPTIONS[verdict['run']]}",
        "machine": _machine(verdict),
    }


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    """A test's line of the table."""
    b = row["b"] if isinstance(row["b"], str) else number(row["b"])
    margin = f", margin {number(row['margin'])}" if row["margin"] else ""
    counts = row["method"] == COUNTED
    bounds = [end if value is None else number(value) for value, end in ((row["low"], "-inf"), (row["high"], "inf"))]
    return {
        "about": row["about"],
        "of": f"{row['measure']}: {row['a']} {_EXPECTED[row['expect']]} {b}{margin}",
        "a": number(row["mean_a"]),
        "b": number(row["mean_b"]),
        "difference": number(row["difference"]),
        "unit": row["unit"],
        "interval": COUNTED if counts else f"[{bounds[0]}, {bounds[1]}]",
        "p": "–" if counts else words.probability(row["p"]),
        "outcome": row["outcome"],
        "needed": needed_in_words(row),
    }


def _has_seeds(panel: Mapping[str, Any]) -> bool:
    lines = panel["lines"].values()
    return panel["form"] != "dots" and any(isinstance(row, list) for line in lines for row in line["y"][:1])


def _machine(verdict: Mapping[str, Any]) -> str:
    """When and on what it was measured."""
    timing = verdict["timing"]
    environment = timing.get("environment", {})
    versions = environment.get("versions", {})
    said = [f"{name} {versions[name]}" for name in ("attn_jax", "jax", "python") if name in versions]
    return ", ".join([timing.get("date", ""), environment.get("machine", ""), *said]).strip(", ")


def _tally(claims: Sequence[Mapping[str, Any]]) -> str:
    """How many of each verdict."""
    counts = [(badge, sum(claim["badge"] == badge for claim in claims)) for badge in _BADGES.values()]
    return ", ".join(f"{badge} {count}" for badge, count in counts if count)
