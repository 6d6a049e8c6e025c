"""`attn-jax claims --ledger`: what sources printed, beside what the same comparison gives here at a reduced size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from attn_jax.commands.claims import run_prepared
from attn_jax.config import Claim
from attn_jax.config.claim_file import claim_path
from attn_jax.config.claim_runs import ClaimRun
from attn_jax.config.ledger import explanations, ledger_claims, load_separation
from attn_jax.config.shipped import LEDGER
from attn_jax.errors import ConfigError
from attn_jax.files import write_whole
from attn_jax.lab.claim.ledger import FILE, current, enter, pairs_in, read_ledger, refuse_undecidable_ledger
from attn_jax.lab.claim.session import prepare
from attn_jax.lab.outcome.ledger_rows import LedgerRow, ledger_rows
from attn_jax.report.ledger_page import ledger_text, tally, write_ledger_page
from attn_jax.terminal import Terminal

LEDGER_ROOT = Path("results") / "ledger"
Separations: TypeAlias = Mapping[str, tuple[Claim, Path]]


def ledger(names: Sequence[str], workdir: Path | None, run: ClaimRun, **options: Any) -> None:
    """Runs these claims of the ledger, all by default, and enters in it what came of their first run.

    After each claim `ledger.json`, `ledger.html` and LEDGER.md in the folder are written anew; in small, or with other
    seeds, nothing is entered, for a number has one status.

    Args:
      names: numbers of the ledger's claims.
      workdir: the folder of the ledger.
      run: which of a claim's three.
      options: where studies are trained and who is told, as `run_claim` takes them.
    """
    root, console = workdir or LEDGER_ROOT, Terminal()
    separations = load_ledger()
    refuse_undecidable_ledger({name: claim for name, (claim, _) in separations.items()})
    paths = list(dict.fromkeys(claim_path(name, LEDGER) for name in names)) or list(ledger_claims().values())
    for path in paths:
        if path.stem not in separations or path != separations[path.stem][1]:
            raise ConfigError(f"claims --ledger: got {path}, wanted numbers, {', '.join(ledger_claims())}")
    prepared = [prepare(path, root, run) for path in paths]
    read_ledger(root / FILE)  # one that cannot be read is refused now, not after hours
    options["command"] = "attn-jax claims --ledger"
    for one, verdict in run_prepared(prepared, root, list(separations), console, **options):
        if run == "first":
            enter(root, one, verdict)
            rows, sentences = rows_in(root / FILE, separations), sentences_of(separations)
            write_ledger_page(rows, sentences, root)
            write_whole(root / "LEDGER.md", ledger_text(rows, sentences))
            console.print(f"  ledger: {tally(rows)}", markup=False, highlight=False, soft_wrap=True)
    if run == "first":
        console.print(f"ledger: {root / 'ledger.html'}", markup=False, highlight=False, soft_wrap=True)


def load_ledger() -> dict[str, tuple[Claim, Path]]:
    """Every claim of the ledger with its file, by the file's name."""
    return {path.stem: (load_separation(path), path) for path in ledger_claims().values()}


def sentences_of(separations: Separations) -> dict[str, str]:
    """What each claims."""
    return {name: claim.sentence for name, (claim, _) in separations.items()}


def rows_in(file: Path, separations: Separations) -> list[LedgerRow]:
    """All cells of the ledger, with what a `ledger.json` has of them."""
    claims = {name: claim for name, (claim, _) in separations.items()}
    entries = current(read_ledger(file), separations)
    pairs = {name: pairs_in(entry, claims[name]) for name, entry in entries.items()}
    values = {name: entry["values"] for name, entry in entries.items()}
    doubts = {name: {about: row["doubt"] for about, row in entry["tests"].items()} for name, entry in entries.items()}
    return ledger_rows(claims, pairs, values, doubts, explanations(claims))
