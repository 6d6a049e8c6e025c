"""The ledger as rows: each published number with its status, what was found of it, and why it is otherwise."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from attn_jax.config import Cell, Claim, Explained
from attn_jax.config.ledger import cells_of, contrasts_of
from attn_jax.lab.outcome.claim_verdict import number
from attn_jax.lab.outcome.decide import LEVEL, Decided, Pair
from attn_jax.lab.outcome.ledger import Status, comparable, decide_ledger, status_of

NOT_RUN = "not run yet"


class LedgerRow(NamedTuple):
    """One published number and what became of it."""

    claim: str
    cell: Cell
    status: Status
    said: tuple[str, ...]  # a test each, in words; or why it is not tried
    explained: Explained | None


def ledger_rows(
    claims: Mapping[str, Claim],
    pairs: Mapping[str, Mapping[str, Pair]],
    values: Mapping[str, Mapping[str, Mapping[str, Any]]],
    doubts: Mapping[str, Mapping[str, str]],
    explained: Mapping[tuple[str, str], Explained],
    level: float = LEVEL,
) -> list[LedgerRow]:
    """All cells of the ledger, in the order of its claims.

    Args:
      claims: all of the ledger, by name.
      pairs: of the claims that were run, what each of their tests compared.
      values: of these, {measure: {model: a value a run}} where the source's own size was run.
      doubts: of these, why a test decides nothing whatever its p, by what it is about; "" where it may.
      explained: paragraphs, by claim and what the cell is of.
      level: of all tests of the ledger together.
    """
    tests = {(name, about): pairs.get(name, {}).get(about) for name, claim in claims.items() for about in claim.tests}
    doubted = {(name, about): doubts.get(name, {}).get(about, "") for name, about in tests}
    decided = decide_ledger(tests, level, doubted=[key for key, why in doubted.items() if why])
    rows = []
    for name, claim in claims.items():
        for cell in cells_of(claim):
            answers = {about: decided[name, about] for about in contrasts_of(claim, cell)}
            ours = values.get(name, {}).get(cell.measure, {}).get(cell.model) if cell.same_size else None
            runs = None if ours is None else np.array(ours)
            status = status_of(cell, list(answers.values()), runs)
            found = [
                _in_words(about, answer, tests[name, about], doubted[name, about]) for about, answer in answers.items()
            ]
            if runs is not None and (bounds := comparable(cell, runs)):
                low, high = (number(bound * cell.unit) for bound in bounds)
                found.append(f"{cell.of_runs} of ours lies in [{low}, {high}]")
            said = [cell.reason] if cell.reason else found if status != "not tried" else [NOT_RUN]
            rows.append(LedgerRow(name, cell, status, tuple(said), explained.get((name, cell.of))))
    return rows


def _in_words(about: str, answer: Decided | None, pair: Pair | None, doubt: str) -> str:
    """What came of a test, both means, their difference with its own interval, and p over the whole ledger."""
    if answer is None or pair is None:
        return f"{about}: {NOT_RUN}"
    a, b, difference, low, high = (number(float(x)) for x in (pair.a.mean(), pair.b.mean(), *answer[1:4]))
    p = f"{answer.p:.2g}".replace("0.", ".", 1)
    return f"{about}: {a} against {b}, {difference} [{low}, {high}], p {p}, {doubt or _OUTCOMES[answer.outcome]}"


_OUTCOMES = {"holds": "as printed", "fails": "the contrary", "undecided": "undecided"}
