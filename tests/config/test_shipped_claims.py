"""Every shipped claim loads in its three runs, can be decided by its seeds, and says how to run it."""

import ast
import re

import pytest

from attn_jax.config.claim_file import load_claim, shipped_claims
from attn_jax.config.claim_runs import claim_run
from attn_jax.lab.claim.session import prepare
from attn_jax.lab.outcome.claims import refuse_undecidable

CLAIMS = shipped_claims()
claims = pytest.mark.parametrize("number", [*CLAIMS] or [pytest.param("", marks=pytest.mark.skip("none is shipped"))])


@claims
def test_it_says_how_to_run_it(number):
    text = ast.get_docstring(ast.parse(CLAIMS[number].read_bytes()))
    assert f"    attn-jax claims {number}\n" in text
    assert re.search(r"minutes? on 2 cores", text)


@claims
def test_seeds_are_fresh_and_enough(number):
    claim = load_claim(CLAIMS[number])
    refuse_undecidable(claim)
    for test in claim.tests.values():
        seeds = claim.seeds_of_test(test)
        assert not seeds or (seeds[0] >= 100 and len(seeds) >= 8)
    again = claim_run(claim, "again")
    assert all(not (seeds := again.seeds_of_test(test)) or seeds[0] == 1000 for test in again.tests.values())


@claims
def test_it_may_begin_in_full_and_in_small(number, tmp_path):
    for run in ("first", "quick"):
        prepare(CLAIMS[number], tmp_path, run)
    explain = load_claim(CLAIMS[number]).explain
    assert isinstance(explain, str) or {"holds", "fails"} <= explain.keys()
