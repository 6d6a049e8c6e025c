"""`attn-jax claims`, `list claims` and `show claim`: sentences put to the test, run, judged and told."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from attn_jax.config import Claim
from attn_jax.config.claim_file import claim_path, load_claim, shipped_claims
from attn_jax.config.claim_runs import ClaimRun
from attn_jax.errors import ConfigError
from attn_jax.lab.claim.record import read_verdicts
from attn_jax.lab.claim.session import PreparedClaim, prepare, run_claim
from attn_jax.lab.outcome.claim_verdict import (
    Verdict,
    agreement,
    claim_number,
    design_in_words,
    effect_in_words,
    minutes_of,
    needed_in_words,
    seeds_of,
    verdict_in_words,
)
from attn_jax.report.claims_page import write_claims_page
from attn_jax.report.results_file import write_results_file
from attn_jax.terminal import Terminal

ROOT = Path("results") / "claims"
_MARKS = {"holds": "+", "fails": "-", "undecided": "?"}


def claims(names: Sequence[str], workdir: Path | None, run: ClaimRun, **options: Any) -> None:
    """Runs these claims, all that are shipped by default, and writes the page of all verdicts that there are.

    All of them are declared before the first of them runs.

    Args:
      names: numbers or files of claims.
      workdir: the folder of all claims.
      run: which of the three.
      options: where their studies are trained and who is told, as `run_claim` takes them.
    """
    root, console = workdir or ROOT, Terminal()
    paths = list(dict.fromkeys(map(claim_path, names))) or list(shipped_claims().values())
    if not paths:
        raise ConfigError("claims: none are shipped, wanted the path of a claim's file")
    prepared = [prepare(path, root, run) for path in paths]
    shipped = [path.stem for path in shipped_claims().values()]
    for _ in run_prepared(prepared, root, shipped, console, **options):
        pass


def run_prepared(
    prepared: Sequence[PreparedClaim],
    root: Path,
    shipped: Sequence[str],
    console: Console,
    *,
    command: str = "attn-jax claims",
    **options: Any,
) -> Iterator[tuple[PreparedClaim, Verdict]]:
    """Runs claims that were declared, one after the other, tells of each, writes the pages anew, and yields it.

    Args:
      prepared: the claims.
      root: the folder of all claims.
      shipped: the names of claims that the command takes by their numbers.
      console: what is told is printed there.
      command: that runs them.
      options: where their studies are trained and who is told, as `run_claim` takes them.
    """
    read_verdicts(root)  # one that cannot be read is refused now, not after hours
    for one in prepared:
        _say(console, f"claim {claim_number(one.name)}: {one.claim.sentence}")
        verdict = run_claim(one, console=console, **options)
        _print_verdict(verdict, console)
        verdicts = read_verdicts(root)
        write_claims_page(verdicts, shipped, root, command)
        write_results_file(verdicts, root)
        if {"first", "again"} <= verdicts[one.name].keys():
            said = agreement(verdicts[one.name]["first"], verdicts[one.name]["again"])
            _say(console, f"  {said or 'both runs, with other seeds, say the same'}")
        yield one, verdict
    _say(console, f"page: {root / 'claims.html'}, numbers: {root / 'RESULTS.md'}")


def list_claims() -> list[dict[str, Any]]:
    """Number and first line of every shipped claim; nothing is run."""
    return [
        {"name": number, "about": _first_line(path), "file": str(path)} for number, path in shipped_claims().items()
    ]


def show_claim(name: str, workdir: Path | None) -> None:
    """Prints what a claim declares and, where it was run, what came of it."""
    path, console = claim_path(name), Terminal()
    claim = load_claim(path)
    _say(console, f"claim {claim_number(path.stem)}: {claim.sentence}")
    _say(console, f"  source: {claim.source}")
    for one in claim.published:
        _say(console, f"  printed: {one.of}, {one.metric}: {one.value} ({one.where})")
    for said in design_in_words(claim):
        _say(console, f"  runs {said}")
    for about, expected in _expected(claim).items():
        _say(console, f"  test {about}: {expected}")
    _say(console, f"  rule: {getattr(claim.rule, '__name__', 'its own').replace('_', ' ')}")
    _say(console, f"  attn-jax claims {name}")
    for run, verdict in read_verdicts(workdir or ROOT).get(path.stem, {}).items():
        _say(console, {"first": "verdict", "again": "with other seeds", "quick": "in small"}[run])
        _print_verdict(verdict, console)
        _say(console, f"  {verdict['explain']}")


def _expected(claim: Claim) -> dict[str, str]:
    """What each test expects, in words."""
    words = {"less": "is less than", "more": "is more than", "different": "differs from", "equal": "equals"}
    found = {}
    for about, test in claim.tests.items():
        margin = f" ({'within' if test.expect == 'equal' else 'by more than'} {test.margin:g})" if test.margin else ""
        where = f" in {test.study}" if test.study else ""
        found[about] = f"{test.measure} of {test.a} {words[test.expect]} that of {test.b}{margin}{where}"
        if not isinstance(test.b, str):
            found[about] = f"{test.measure} of {test.a} {words[test.expect]} {test.b:g}{margin}{where}"
    return found


def _print_verdict(verdict: Mapping[str, Any], console: Console) -> None:
    """The verdict, each test with its effect, seeds and minutes."""
    seeds = seeds_of(verdict)
    seeds = seeds if seeds == "counted" else f"{seeds} seeds"
    _say(console, f"  {verdict_in_words(verdict)} [{seeds}, {minutes_of(verdict):.1f} minutes]", style="bold")
    for row in verdict["tests"]:
        found = "; ".join(filter(None, (effect_in_words(row), needed_in_words(row))))
        _say(console, f"  {_MARKS[row['outcome']]} {row['about']}: {found}")
    for caution in verdict["cautions"]:
        _say(console, f"  ! {caution}")


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)


def _first_line(path: Path) -> str:
    """Of the docstring of a claim's file."""
    return (ast.get_docstring(ast.parse(path.read_bytes())) or "").split("\n")[0]
