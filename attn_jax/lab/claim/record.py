"""The folder of a claim: what was declared stands there before anything runs, and is not changed any more.

results/claims/                 unless --workdir names another
  <claim>/claim.json            what was declared, and its fingerprint; written first
  <claim>/measurements/*.json   rows of what needs no training
  <claim>/timing.json           seconds that training and each measurement took
  <claim>/verdict.json          the outcome in numbers
  <claim>/again/, quick/        the same of the other two runs
  studies/<name>-<hash>/        a study's or sweep's folder: of all claims that have the same one
  claims.html, RESULTS.md       all verdicts
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attn_jax.config import Claim, Study, Sweep
from attn_jax.config.claim_runs import ClaimRun
from attn_jax.config.codec import to_dict
from attn_jax.config.differences import differences
from attn_jax.config.published import published_row
from attn_jax.config.sweep import sweep_to_dict
from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.outcome.claim_verdict import VERDICT_SCHEMA, Verdict, claim_number
from attn_jax.lab.plan.sources import hashed_file
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import damaged

CLAIM_SCHEMA = 1
_RUNS: tuple[ClaimRun, ...] = ("first", "again", "quick")
_SHOWN = 5  # differences that a sentence can name


def claim_directory(root: Path, claim: str, run: ClaimRun) -> Path:
    """Where a run of a claim lives."""
    return root / claim if run == "first" else root / claim / run


def study_directory(root: Path, config: Study | Sweep) -> Path:
    """Where a study of claims lives: its name, and a hash of all that it is, so that it is trained once."""
    text = json.dumps(_config(config), sort_keys=True)
    return root / "studies" / f"{config.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def declaration(claim: Claim, path: Path) -> dict[str, Any]:
    """All of a claim as JSON types: what is hashed. Of functions it is the source, of the claim's file and its own.

    Args:
      claim: as it will run, with its seeds.
      path: its file.
    """
    return {
        "sentence": claim.sentence,
        "source": claim.source,
        "explain": claim.explain if isinstance(claim.explain, str) else dict(claim.explain),
        "published": [published_row(one) for one in claim.published],
        "tests": {about: asdict(test) for about, test in claim.tests.items()},
        "rule": getattr(claim.rule, "__name__", type(claim.rule).__name__),
        "studies": {key: _config(config) for key, config in claim.studies.items()},
        "measurements": {
            key: {"seeds": one.seeds, "first_seed": one.first_seed} for key, one in claim.measurements.items()
        },
        "quantities": {
            name: {"reads": list(one.reads), "unit": one.unit, "share": one.share, "limits": list(map(str, one.limits))}
            for name, one in claim.quantities.items()
        },
        "code": hashed_file(path),
    }


def fingerprint_of(declared: Mapping[str, Any]) -> str:
    """A hash of all that was declared."""
    return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:16]


def declare(directory: Path, declared: dict[str, Any]) -> None:
    """Writes claim.json, or holds what is declared now against what was.

    Raises:
      ConfigError: the folder belongs to another claim; says where it differs.
    """
    path, now = directory / "claim.json", json.loads(json.dumps(declared))
    if path.exists():
        before = read_declared(directory)
        if before != now:
            changes = list(differences(before, now))
            shown = "; ".join(f"{change:.120}" for change in changes[:_SHOWN]) + ("; ..." * (len(changes) > _SHOWN))
            raise ConfigError(
                f"{directory}: belongs to another claim ({shown}). A claim does not change once it is declared: delete "
                "the folder, or give another --workdir"
            )
        return
    directory.mkdir(parents=True, exist_ok=True)
    facts = {"schema": CLAIM_SCHEMA, "fingerprint": fingerprint_of(now), "declared": now}
    write_json(path, facts | {"date": time.strftime("%Y-%m-%d %H:%M:%S")})


def read_declared(directory: Path) -> dict[str, Any]:
    """What claim.json says was declared.

    Raises:
      ConfigError: there is none, it is of another version, or it is not what was written.
    """
    path = directory / "claim.json"
    if not path.exists():
        raise ConfigError(f"{directory}: holds no claim (no claim.json)")
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == CLAIM_SCHEMA and isinstance(data.get("declared"), dict)):
        raise ConfigError(f"{path}: is not of this version of attn_jax; give another --workdir")
    if data.get("fingerprint") != fingerprint_of(data["declared"]):
        raise damaged(path, "what is declared has another fingerprint")
    return data["declared"]


def read_verdict(directory: Path) -> Verdict | None:
    """verdict.json of a run of a claim, None while there is none.

    Raises:
      ConfigError: it is of another version.
    """
    path = directory / "verdict.json"
    if not path.exists():
        return None
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == VERDICT_SCHEMA):
        raise ConfigError(f"{path}: is not of this version of attn_jax; delete it, and attn-jax claims writes it again")
    return data  # pyright: ignore[reportReturnType]


def read_verdicts(root: Path) -> dict[str, dict[str, Verdict]]:
    """All verdicts in a folder of claims, by claim and run, claims in the order of their numbers."""
    found: dict[str, dict[str, Verdict]] = {}
    names = {path.parent.parent.name for path in root.glob("*/*/verdict.json")}
    names |= {path.parent.name for path in root.glob("*/verdict.json")}
    for name in sorted(names, key=_order):
        runs: dict[str, Verdict] = {
            run: verdict for run in _RUNS if (verdict := read_verdict(claim_directory(root, name, run)))
        }
        if runs:
            found[name] = runs
    return found


def _order(claim: str) -> tuple[bool, int, str]:
    number = claim_number(claim)
    return (not number.isdigit(), int(number) if number.isdigit() else 0, claim)


def _config(config: Study | Sweep) -> dict[str, Any]:
    return sweep_to_dict(config) if isinstance(config, Sweep) else to_dict(config)
