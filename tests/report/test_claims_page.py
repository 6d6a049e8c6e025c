"""The page of claims: whole, offline, without script, the same bytes for the same verdicts; and RESULTS.md."""

import re

import numpy as np
import pytest
from test_page import Reader

from attn_jax.lab.outcome.claim_verdict import agreement, verdict_in_words
from attn_jax.report import panels
from attn_jax.report.claims_page import render_claims, stability
from attn_jax.report.panels import drawn_panels
from attn_jax.report.results_file import results_text

HOSTILE = "<script>alert(1)</script>"


def row(about, outcome, **changes):
    found = {"about": about, "measure": "drop", "study": "", "a": "tanh", "b": 0.0, "expect": "less", "margin": 0.1}
    found |= {"unit": "log10", "seeds": 8, "mean_a": -1.0, "mean_b": 0.0, "difference": -1.0, "low": -1.2, "high": -0.8}
    found |= {"p": 2 / 256, "method": "Student t", "outcome": outcome, "doubt": ""}
    return found | {"seeds_to_decide": None, "seeds_to_decide_at_bound": None} | changes


def panel(form="lines", lines=None, **changes):
    found = {"title": f"In {form}", "lines": lines or {}, "x": "k", "y": "g", "form": form, "marks": {}, "log": ""}
    return found | {"limits": None, "columns": [], "rows": [], "cells": None} | changes


def verdict(*tests, outcome="holds", run="first", **changes):
    found = {"schema": 2, "claim": "01_drop", "run": run, "outcome": outcome, "sentence": "Small gradients vanish."}
    found |= {"source": "the article", "explain": "Because of this. And that.", "published": [], "panels": []}
    timing = {"seconds": {"start": 90.0}, "date": "2026-11-30", "environment": {"machine": "Linux, 2 cores"}}
    timing["environment"]["versions"] = {"attn_jax": "0.1.0", "jax": "0.10.2"}
    return found | {"tests": list(tests), "cautions": [], "design": ["start: measured"], "timing": timing} | changes


@pytest.fixture(scope="module")
def verdicts():
    seeds = np.linspace(0, 1, 8)[:, None] * np.arange(1, 4)
    lines = {
        "tanh": {"x": [1, 2, 3], "y": seeds.tolist()},
        "gru": {"x": [1, 2, 3], "y": [[1, None, 3], [1, None, 2], [0, 1, 2]]},
    }
    first = verdict(
        row("a tanh network", "holds"),
        row(HOSTILE, "fails", a=HOSTILE, b="gru"),
        row("depth", "undecided", low=None, seeds_to_decide=20),
        outcome="in part",
        panels=[
            panel(lines=lines, marks={"floor": 0.5}),
            panel("steps", {"gru": lines["gru"]}),
            panel("dots", {"tanh": lines["tanh"]}, log="xy"),
            panel("map", columns=[1, 2], rows=["5", "10"], cells=[[0.25, None], [1, 0]]),
        ],
        cautions=["map: 3 runs diverged, of rnn"],
        published=[{"value": 28.4, "metric": "BLEU", "of": HOSTILE, "where": "table 2"}],
    )
    again = verdict(row("a tanh network", "fails"), row(HOSTILE, "fails"), row("depth", "undecided"), run="again")
    return {"01_drop": {"first": first, "again": again}, "10_small": {"quick": verdict(row("x", "holds"), run="quick")}}


def test_it_is_whole_and_needs_nothing(verdicts):
    shipped = ["01_drop", "10_large"]
    page = render_claims(verdicts, shipped)
    assert page == render_claims(verdicts, shipped)
    read = Reader(page)
    assert not read.open
    assert "script" not in read.tags
    assert not [value for name, value in read.attributes if name in ("src", "onload", "onclick")]
    assert not re.search(r"https?://(?!www.w3.org)", page)
    ids = [value for name, value in read.attributes if name == "id"]
    assert len(ids) == len({*ids})
    text = " ".join(read.text)
    for said in (
        "Claim 1 · the article",
        "attn-jax claims 1",  # shipped
        "attn-jax claims 10_small.py --quick",
        "Because of this. And that.",
    ):
        assert said in text
    assert "holds 1, holds in part 1" in text
    assert "Unstable: with other seeds the outcome turns for a tanh network" in text
    assert "about 20 seeds would decide" in text
    assert "[-inf, -.80]" in text
    assert "map: 3 runs diverged, of rnn" in text
    assert HOSTILE in text
    assert read.tags.count("svg") >= 3 + 2


def test_a_map_is_a_table_and_one_name_looks_alike_in_all_panels(verdicts):
    drawn, legend = drawn_panels("c", verdicts["01_drop"]["first"]["panels"])
    assert [name for _, name in legend] == ["tanh", "gru"]
    assert drawn[3].table == {
        "corner": "g \\ k",
        "columns": ["1", "2"],
        "rows": [("5", [(".25", 0.25), ("–", 0)]), ("10", [("1", 1.0), ("0", 0.0)])],
    }
    assert "var(--series-1)" in drawn[1].plot.wide
    assert "var(--series-0)" not in drawn[1].plot.wide


def test_rows_say_their_names_themselves():
    of = {"a tanh network": {"x": [-0.5, -0.4], "y": [0, 0]}, "gru": {"x": [0.0, None], "y": [1, 1]}}
    drawn, legend = drawn_panels("c", [panel("rows", of, marks={"vanishing": -0.01})])
    assert (legend, drawn[0].wide) == ([], True)
    for said in ("a tanh network", "gru", "vanishing"):
        assert f">{said}<" in drawn[0].plot.wide


@pytest.mark.parametrize(
    ("first", "again", "says"),
    [
        (("holds", "holds"), ("holds", "holds"), ""),
        (("holds", "undecided"), ("holds", "undecided"), ""),
        (("holds", "holds"), ("holds", "fails"), "unstable: with other seeds the outcome turns for b"),
    ],
)
def test_agreement(first, again, says):
    runs = [verdict(row("a", one), row("b", two)) for one, two in (first, again)]
    assert agreement(*runs) == says


def test_another_verdict_is_unstable_whatever_the_tests():
    first, again = verdict(row("a", "holds")), verdict(row("a", "undecided"), outcome="undecided", run="again")
    assert agreement(first, again) == "unstable: holds the first time, undecided with other seeds"
    assert stability({"first": first}) == ""
    assert stability({"first": first, "again": first}) == "With other seeds the verdict is the same."


def test_a_verdict_in_part_counts_its_tests():
    many = verdict(*[row(f"t{n}", "holds") for n in range(9)], row("u", "fails"), outcome="in part")
    assert verdict_in_words(many) == "holds in part: of 10 tests 9 hold, 1 fails"


def test_results_file(verdicts):
    text = results_text(verdicts)
    assert "| 10 | Small gradients vanish. | holds (quick) | 8 | 1.5 | not run |" in text
    assert "**holds in part: of 3 tests 1 holds, 1 fails, 1 is undecided.** Because of this. And that." in text
    assert "Holds:\n- a tanh network: -1 (tanh) against 0: -1 log10 [-1.2, -.80], margin .10, p .0078\n" in text
    assert "; about 20 seeds would decide\n" in text
    assert "To know before believing it:\n- map: 3 runs diverged, of rnn\n" in text
    assert "- claims 1, 10: 2026-11-30; Linux, 2 cores; attn_jax 0.1.0, jax 0.10.2" in text


def test_the_lowest_of_several_marks_is_labelled_below_its_line(monkeypatch):
    placed = {}
    monkeypatch.setattr(panels, "_mark", lambda axes, height, text, *, below: placed.update({text: below}))
    lines = {"a": {"x": [1, 2], "y": [0.5, 0.6]}}
    drawn_panels("c", [panel(lines=lines, marks={"coin": 0.7, "best": 0.5})])
    assert placed == {"coin": False, "best": True}
    drawn_panels("c", [panel(lines=lines, marks={"floor": 0.4})])
    assert not placed["floor"]
