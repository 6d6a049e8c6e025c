"""The ledger's results in one file, `ledger.json`: what each test of each claim compared, seed by seed.

Statuses are not kept: they follow from these values and from the cells, over all tests of the ledger.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from attn_jax.config import Claim
from attn_jax.config.ledger import cells_of
from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.claim.record import declaration, fingerprint_of
from attn_jax.lab.claim.session import PreparedClaim, found_of
from attn_jax.lab.outcome.claim_verdict import Verdict
from attn_jax.lab.outcome.claims import pairs_of, smallest_p, values_of
from attn_jax.lab.outcome.decide import LEVEL, Pair
from attn_jax.lab.outcome.paired import holm
from attn_jax.lab.plan.numerics import pinned
from attn_jax.lab.record.directory import write_json

LEDGER_SCHEMA = 1
FILE = "ledger.json"


class Entry(TypedDict):
    """What came of one claim of the ledger."""

    fingerprint: str  # of what was declared
    date: str
    environment: dict[str, Any]
    minutes: float
    tests: dict[str, dict[str, Any]]  # {"a", "b": a value a seed, "limits", "doubt"}
    values: dict[str, dict[str, list[float]]]  # {measure: {model: a value a run}}, of cells of the source's size


def enter(root: Path, prepared: PreparedClaim, verdict: Verdict) -> None:
    """Writes a claim that was run into the ledger of its folder, in place of what stood there of it."""
    entries = read_ledger(root / FILE)
    claim, found = prepared.claim, found_of(prepared)
    pairs = pairs_of(claim, found)
    timing = verdict["timing"]
    entries[prepared.name] = {
        "fingerprint": fingerprint_now(claim, prepared.path),
        "date": timing["date"],
        "environment": timing["environment"],
        "minutes": round(sum(timing["seconds"].values()) / 60, 1),
        "tests": {row["about"]: _compared(pairs[row["about"]]) | {"doubt": row["doubt"]} for row in verdict["tests"]},
        "values": {
            name: {of: values.tolist() for of, values in values_of(claim, name, found).items()}
            for name in dict.fromkeys(cell.measure for cell in cells_of(claim) if cell.same_size)
        },
    }
    write_json(root / FILE, {"schema": LEDGER_SCHEMA, "claims": dict(sorted(entries.items()))})


def read_ledger(path: Path) -> dict[str, Entry]:
    """What came of each claim, by its name; {} where nothing did.

    Raises:
      ConfigError: it is of another version.
    """
    if not path.exists():
        return {}
    data = read_json(path)
    if not (isinstance(data, dict) and data.get("schema") == LEDGER_SCHEMA):
        raise ConfigError(f"{path}: is not of this version of attn_jax; delete it, and attn-jax claims --ledger")
    return data["claims"]


def current(entries: Mapping[str, Entry], claims: Mapping[str, tuple[Claim, Path]]) -> dict[str, Entry]:
    """Those of claims that are still declared as they were when they ran."""
    return {
        name: entry
        for name, entry in entries.items()
        if name in claims and entry["fingerprint"] == fingerprint_now(*claims[name])
    }


def pairs_in(entry: Entry, claim: Claim) -> dict[str, Pair]:
    """What the tests of a claim compared, as it was written down."""
    found = {}
    for about, row in entry["tests"].items():
        low, high = row["limits"]
        limits = (-np.inf if low is None else low, np.inf if high is None else high)
        found[about] = Pair(claim.tests[about], np.array(row["a"]), np.array(row["b"]), limits)
    return found


def fingerprint_now(claim: Claim, path: Path) -> str:
    """A hash of all that a claim declares."""
    with pinned():
        return fingerprint_of(declaration(claim, path))


def refuse_undecidable_ledger(claims: Mapping[str, Claim], level: float = LEVEL) -> None:
    """Refuses a ledger of so many tests that the seeds of one of them cannot decide it, whatever comes out.

    Raises:
      ConfigError: names the test and its seeds.
    """
    tests = [(name, about) for name, claim in claims.items() for about in claim.tests]
    seeds, least = [], []
    known: dict[tuple[Any, ...], float] = {}  # one p enumerates all sign vectors of the seeds
    for name, about in tests:
        claim, test = claims[name], claims[name].tests[about]
        n, share = len(claim.seeds_of_test(test)), claim.is_share(test)
        key = (test.expect, test.margin, n, share)
        if key not in known:
            known[key] = smallest_p(test, n, share=share)
        seeds.append(n)
        least.append(known[key])
    for (name, about), n, p in zip(tests, seeds, holm(least), strict=True):
        if p >= level:
            raise ConfigError(
                f"{name}: tests.{about}: {n} seeds cannot decide it: over the {len(tests)} tests of the ledger p after "
                f"Holm's correction is at least {p:.3g}, wanted below {level:g}"
            )


def _compared(pair: Pair) -> dict[str, Any]:
    limits = [None if np.isinf(limit) else float(limit) for limit in pair.limits]
    return {"a": pair.a.tolist(), "b": pair.b.tolist(), "limits": limits}
