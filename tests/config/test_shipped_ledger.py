"""The shipped ledger: its claims load, belong to their cells, can be decided together, and stand in docs/ledger.md."""

import ast
import importlib
import re
from pathlib import Path

import pytest

from attn_jax.commands.ledger import load_ledger
from attn_jax.config.claim_runs import claim_run
from attn_jax.config.ledger import cells_of, explanations, ledger_claims
from attn_jax.config.shipped import shipped_configs
from attn_jax.lab.claim.ledger import refuse_undecidable_ledger
from attn_jax.lab.claim.session import prepare

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def separations():
    return load_ledger()


def test_all_of_it_can_be_decided_together_on_fresh_seeds(separations):
    claims = {name: claim for name, (claim, _) in separations.items()}
    refuse_undecidable_ledger(claims)
    for claim in claims.values():
        assert {claim.seeds_of_test(test)[0] for test in claim.tests.values()} == {100}
        for run in ("quick", "again"):
            claim_run(claim, run)
    explanations(claims)


def test_it_has_sixty_cells_each_with_a_source(separations):
    cells = [cell for claim, _ in separations.values() for cell in cells_of(claim)]
    assert len(cells) >= 60
    assert all(cell.source and cell.where for cell in cells)
    assert not any(cell.same_size for cell in cells)  # all shipped runs are reduced


def test_each_says_its_minutes_and_that_it_is_reduced_and_all_take_an_hour_and_a_half(separations):
    minutes = []
    for number, path in ledger_claims().items():
        text = ast.get_docstring(ast.parse(path.read_bytes()))
        assert f"    attn-jax claims --ledger {number}\n" in text and "Reduced" in text
        minutes.append(int(re.search(r"About (\d+) minutes on 2 cores", text)[1]))
    assert sum(minutes) <= 90


def test_it_is_no_study_of_a_users(separations):
    assert not any(name.startswith("ledger") for name in shipped_configs())


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", ledger_claims())
def test_it_may_begin(number, tmp_path):
    for run in ("first", "quick"):
        prepare(ledger_claims()[number], tmp_path, run)


def test_the_page_is_what_the_cells_and_the_results_give(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    script = importlib.import_module("ledger_table")
    page = script.PAGE.read_text(encoding="utf-8")
    stale = "python scripts/ledger_table.py"
    assert script.put_between(page, script.MARKS, script.tables(script.KEPT)) == page, stale
