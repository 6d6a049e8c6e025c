"""Published numbers as data: what a cell must say, and how the cells and the tests of a claim belong to each other."""

from dataclasses import replace

import pytest
from tiny_study import get_config

from attn_jax.config import Cell, Claim, DeclaredTest, Explained, Published
from attn_jax.config import ledger as config_ledger
from attn_jax.config.claim_file import load_claim, shipped_claims
from attn_jax.config.ledger import contrasts_of, explanations, load_separation
from attn_jax.config.published import published_row
from attn_jax.errors import ConfigError
from attn_jax.lab.claim.record import declaration

GRU = Cell(99.0, "accuracy, %", "a GRU", "table 1", "A 2020", "maximum", 3, measure="s", model="gru", unit=100)
ATTENTION = replace(GRU, value=52.0, of="attention", model="transformer")
UNTRIED = Cell(1.0, "accuracy", "an LSTM", "table 1", reason="it takes a week")


def claim(*cells, **test):
    about = DeclaredTest("final", "gru", "transformer", **{"study": "s", "expect": "more"} | test)
    return Claim("It is so.", "nowhere", "Because.", {"it": about}, {"s": get_config()}, published=cells)


def loaded(monkeypatch, found):
    monkeypatch.setattr(config_ledger, "load_claim", lambda path: found)
    return load_separation("1_file.py")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"functional": "best"}, "functional: got 'best', wanted one of '', 'maximum'"),
        ({"runs": 0}, "runs: got 0 beside functional='maximum', wanted both or neither"),
        ({"functional": ""}, "runs: got 3 beside functional='', wanted both or neither"),
        ({"model": ""}, "reason: got '' beside measure='s' and model=''"),
        ({"reason": "no time"}, "reason: got 'no time' beside measure='s'"),
        ({"same_size": True, "functional": "median"}, "same_size: got True beside value=99.0 and functional='median'"),
        ({"unit": 0}, "unit: got 0, wanted a positive number"),
    ],
)
def test_what_a_cell_cannot_be(change, says):
    with pytest.raises(ConfigError, match=says):
        replace(GRU, **change)


def test_what_is_not_said_is_not_written_so_that_fingerprints_stay():
    plain = Published("O(n)", "operations", "recurrent", "table 1")
    assert list(published_row(plain)) == ["value", "metric", "of", "where"]
    assert published_row(UNTRIED)["reason"] == "it takes a week"
    assert "same_size" not in published_row(UNTRIED)


@pytest.mark.parametrize("number", shipped_claims())
def test_shipped_claims_are_hashed_as_before_there_was_a_ledger(number):
    path = shipped_claims()[number]
    declared = declaration(load_claim(path), path)
    parts = ["sentence", "source", "explain", "published", "tests", "rule", "studies", "measurements", "quantities"]
    assert list(declared) == [*parts, "code"]
    assert all(list(row) == ["value", "metric", "of", "where"] for row in declared["published"])


def test_cells_belong_to_the_tests_of_their_models(monkeypatch):
    found = loaded(monkeypatch, claim(GRU, ATTENTION, UNTRIED))
    assert [contrasts_of(found, cell) for cell in found.published] == [["it"], ["it"], []]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (claim(GRU, GRU), "two cells of 'a GRU'"),
        (claim(GRU, replace(ATTENTION, model="lstm")), "'attention' is of model 'lstm' in 's', wanted one that a test"),
        (claim(GRU, ATTENTION, expect="less"), r"tests.it.expect: got 'less', but 99.0 and 52.0 were printed"),
        (claim(GRU, replace(ATTENTION, value=99.0)), "got 'more', but 99.0 and 99.0 were printed"),
        (claim(UNTRIED), "tests.it: no cell is of it"),
        (claim(replace(GRU, same_size=True)), "same_size needs a quantity"),
    ],
)
def test_a_claim_whose_cells_are_not_its_own_is_refused(broken, says, monkeypatch):
    with pytest.raises(ConfigError, match=rf"1_file.py: .*{says}"):
        loaded(monkeypatch, broken)


def test_a_paragraph_is_of_a_cell_and_has_a_run(monkeypatch, tmp_path):
    file = tmp_path / "explained.py"
    monkeypatch.setattr(config_ledger, "shipped_files", lambda: {"ledger/explained": file})
    one = {"claim": "1_file", "of": "a GRU", "cause": "steps", "text": "Too few.", "run": "attn-jax compare"}
    claims = {"1_file": claim(GRU)}

    def written(*rows):
        listed = ", ".join(f"Explained(**{row})" for row in rows)
        file.write_text(f"from attn_jax.config import Explained\nEXPLAINED = ({listed},)\n")
        return explanations(claims)

    assert written(one) == {("1_file", "a GRU"): Explained(**one)}
    for wrong, says in [
        ([one | {"claim": "2_file"}], "claim: got '2_file', did you mean 1_file"),
        ([one | {"of": "a RNN"}], "of: got 'a RNN', "),
        ([one, one], "got 'a GRU' twice"),
        ([one | {"run": ""}], "run: got none"),
        ([one | {"cause": "luck"}], "cause: got 'luck'"),
    ]:
        with pytest.raises(ConfigError, match=says):
            written(*wrong)
