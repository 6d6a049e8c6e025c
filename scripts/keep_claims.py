"""What `attn-jax claims` found, kept with the project: verdicts in docs/measured/, and RESULTS.md made of them.

    python scripts/keep_claims.py [DIR]       keeps the verdicts of a folder of claims, results/claims by default
    python scripts/keep_claims.py --check     writes nothing; ends with 1 where RESULTS.md says something else

The article's page is drawn from docs/measured/, so that whoever builds the site has its figures without running the
claims. A folder in which no claim has run a first time is refused.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

from attn_jax.config.claim_runs import ClaimRun
from attn_jax.errors import ConfigError
from attn_jax.files import write_whole
from attn_jax.lab.claim.record import claim_directory, read_verdicts
from attn_jax.report.results_file import results_text

ROOT = Path(__file__).parent.parent
KEPT, RESULTS = ROOT / "docs" / "measured", ROOT / "RESULTS.md"
KEPT_RUNS: tuple[ClaimRun, ...] = ("first", "again")


def keep(found: Path, kept: Path) -> None:
    """Copies the verdicts of first runs and of runs with other seeds; "quick" ones are no results.

    Raises:
      ConfigError: no claim has run a first time there.
    """
    verdicts = read_verdicts(found)
    if not any("first" in runs for runs in verdicts.values()):
        raise ConfigError(f"{found}: no claim has run there, wanted the folder of `attn-jax claims`")
    for name, run in product(verdicts, KEPT_RUNS):
        source, target = (claim_directory(root, name, run) / "verdict.json" for root in (found, kept))
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, source.read_text(encoding="utf-8"))


def main(argv: list[str] | None = None) -> int:
    """Keeps or checks; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("found", nargs="?", type=Path, default=ROOT / "results" / "claims", metavar="DIR")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(argv)
    if options.check:
        stale = RESULTS.read_text(encoding="utf-8") != results_text(read_verdicts(KEPT))
        said = "is stale: python scripts/keep_claims.py" if stale else "is up to date"
        print(f"{RESULTS} {said}", file=sys.stderr if stale else sys.stdout)
        return int(stale)
    try:
        keep(options.found, KEPT)
    except ConfigError as error:
        parser.error(str(error))
    write_whole(RESULTS, results_text(read_verdicts(KEPT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
