"""The page of a card and its tables on the terminal, on invented cards."""

import io
import re

import pytest
from invented_card import BROKEN, FLOW, card, counts, standing_like, tasks_like
from rich.console import Console

from attn_jax.lab.card.verdict import verdict_of
from attn_jax.report import card_page
from attn_jax.report.card_page import render_card
from attn_jax.report.card_table import flow_rows, print_card


def whole():
    told = card(tasks_like("gru"), **standing_like("gru"), notes=["the baselines are <b>old</b>"])
    return told | {"verdict": verdict_of(told)}


def printed(told, width):
    console = Console(file=io.StringIO(), width=width)
    print_card(told, console)
    return console.file.getvalue()


def test_the_page_has_all_of_a_card_and_loads_nothing():
    told = whole()
    told["tasks"] = {key: told["tasks"][key] for key in ("running_parity",)}  # a drawing takes a while
    page = render_card(told)
    assert page == render_card(told)
    assert not re.findall(r"<script|src=|https?://(?!www\.w3\.org)", page)
    for said in ("running parity", "undecided", "Nearest", "2026-11-30, Linux, 2 cores", "at width 64", "gru"):
        assert said.lower() in page.lower()
    assert "&lt;b&gt;old" in page


def test_scores_below_the_floor_are_within_their_panel(monkeypatch):
    drawn = []
    monkeypatch.setattr(card_page, "drawn_panels", lambda name, panels: drawn.append(panels) or ([], []))
    told = whole()
    first, second = list(told["tasks"])[:2]
    told["tasks"][first] = told["tasks"][first] | {"lengths": {"10": [-0.2, 0.0], "20": [-0.3, 0.1]}}
    told["tasks"][second] = told["tasks"][second] | {"lengths": {"10": [0.4, 0.5], "20": [0.2, 0.1]}}
    render_card(told)
    limits = [panel["limits"] for panel in drawn[0]]
    assert limits[0] == pytest.approx((-0.35, 1.1))
    assert limits[1] == (-0.1, 1.1)


def test_a_broken_one_is_told_with_what_mends_it():
    told = card(contract=[BROKEN], nature="leaks the future", counts=None, flow=None, verdict=["It leaks."])
    page, text = render_card(told), printed(told, 120)
    for said in (page, text):
        assert "not causal: y depends on a later x" in said
        assert "mask what comes after" in said
    assert "Eight tasks" not in page


def test_what_was_made_larger_and_what_diverged_is_said_in_both():
    told = whole()
    told["tasks"] = {"running_parity": told["tasks"]["running_parity"] | {"diverged": 2}}
    told["model"] = {"config": {}, "note": "200020 matched parameters against 25216: 693.2% off"}
    page, text = render_card(told), printed(told, 120)
    for said in (page, text):
        assert "running parity: 2 of 12 runs diverged" in said
        assert "693.2% off" in said
    assert "as many parameters as attention" not in page
    assert "as many parameters as attention" in render_card(told | {"model": {"config": {}, "note": None}})
    assert "best other: " in page  # it is the best itself, maybe


def test_what_is_kept_is_told_of_a_state_that_is_there():
    rows = {}
    for name, sizes in (("grows", (1, 2, 3)), ("none", (None,) * 3), ("window", (2, 2, 2))):
        told = card(counts=counts(state=sizes), flow=FLOW | {"kept": None, "sees_first": None})
        rows[name] = flow_rows(told)[0]
    assert {name: row["keeps"] for name, row in rows.items()} == {
        "grows": "all that it read",
        "none": "–",
        "window": "–",
    }
    assert rows["none"]["position 1"] == "overflows"
    assert flow_rows(card(counts=None, flow=FLOW | {"kept": None}))[0]["keeps"] == "–"


def test_the_terminal_has_a_row_a_task_on_any_width():
    wide, narrow = printed(whole(), 160), printed(whole(), 60)
    assert re.search(r"running parity +\.99\d .* \.3\d \+ +\.9\d \?", wide)
    assert "running parity: score .99" in narrow
    assert "Nearest: gru" in narrow
