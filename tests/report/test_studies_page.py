"""The page of many studies: its leaderboard against arithmetic, its names, its links, the same bytes each time."""

import html
import io
import re
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from written_study import write_study

from attn_jax.cli import main
from attn_jax.commands.studies import _print_board
from attn_jax.lab.outcome.leaderboard import Told, leaderboard, mean_score, other_models
from attn_jax.lab.record.directory import write_json
from attn_jax.report.studies_page import render_studies_page

HOSTILE = '<script>alert(1)</script> & "x"'


def estimate(value, low=None, high=None):
    return {
        "value": value,
        "low": value - 0.1 if low is None else low,
        "high": value + 0.1 if high is None else high,
        "method": "t",
    }


def told(label, scores, *, verdict="It is so.", widths=(), link=None):
    """A study with these final scores; widths of models where they are not 8."""
    models = {name: {"final": estimate(score)} for name, score in scores.items()}
    facts = {
        "config": {"task": {"name": "some_task"}, "train": {"seeds": 8, "steps": 1200}},
        "models": {name: {"config": {"d_model": dict(widths).get(name, 8), "deep": {"a": 1}}} for name in scores},
        "sources": {name: {} for name in scores},
    }
    summary = {"models": models, "headline": "One was first.", "verdict": verdict}
    return Told(label, link or f"{label}/report.html", facts, summary)


STUDIES = [
    told("recall", {"gru": 0.2, "transformer": 0.9}),
    told("parity", {"gru": 0.8, "transformer": 0.3, "lstm": 0.8}, widths={"gru": 12}),
    told("copy", {"transformer": 0.6, "gru": 0.5}, widths={"gru": 12}),
]


def shown(page):
    return " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


def test_models_in_most_studies_come_first_and_then_the_best():
    board = leaderboard(STUDIES)
    assert [(one.model, one.studies, one.best) for one in board] == [
        ("transformer", 3, 2),
        ("gru", 3, 1),
        ("lstm", 1, 1),
    ]
    assert board[0].final["value"] == pytest.approx((0.9 + 0.3 + 0.6) / 3)
    assert board[2].final == estimate(0.8)
    alone = leaderboard([told("a", {"gru": 0.5})])
    assert [(one.model, one.best) for one in alone] == [("gru", 0)]


def test_the_mean_of_normal_estimates_has_the_interval_that_theory_says():
    values, spreads = np.array([0.1, 0.5, 0.9]), np.array([0.02, 0.2, 0.01])
    z = stats.norm.ppf(0.975)
    found = mean_score([estimate(v, v - z * s, v + z * s) for v, s in zip(values, spreads, strict=True)])
    half = z * np.sqrt((spreads**2).sum()) / 3
    np.testing.assert_allclose([found["value"], found["low"], found["high"]], [0.5, 0.5 - half, 0.5 + half])


def test_the_interval_of_few_seeds_holds_the_truth():
    """Four studies of five seeds, of unlike spread, Student's interval each: 95 % of 2,000."""
    rng, held, n = np.random.default_rng(0), 0, 5
    for _ in range(2000):
        samples = rng.normal(0.5, [[0.05], [0.1], [0.2], [0.02]], (4, n))
        means, halves = samples.mean(1), stats.t.ppf(0.975, n - 1) * samples.std(1, ddof=1) / np.sqrt(n)
        found = mean_score([estimate(m, m - h, m + h) for m, h in zip(means, halves, strict=True)])
        held += found["low"] <= 0.5 <= found["high"]
    assert 0.94 <= held / 2000 <= 0.985


def test_a_bound_that_is_not_known_is_none():
    found = mean_score([estimate(0.5), {**estimate(0.7), "high": None}])
    assert found["high"] is None
    assert found["low"] == pytest.approx(0.6 - np.hypot(0.1, 0.1) / 2)


def test_one_name_of_several_models_is_said():
    assert other_models(STUDIES) == {"gru": "d_model: 8 -> 12 in parity and copy"}
    assert "One name, several models" in shown(render_studies_page(STUDIES, None))
    same = [STUDIES[0], told("again", {"gru": 0.1})]
    assert not other_models(same)
    assert "One name, several models" not in render_studies_page(same, None)
    same[1].facts["sources"]["gru"]["my.py"] = "0"
    assert other_models(same) == {"gru": "its source in again"}


def test_everything_is_on_the_page_and_the_same_bytes():
    page = render_studies_page(STUDIES, None)
    assert page == render_studies_page(STUDIES, None)
    text = shown(page)
    assert "3 models in 3 studies" in text
    for word in (
        "transformer .600 [.542, .658] 3 of 3 2",
        "some task, 8 seeds, 1,200 steps",
        "One was first. It is so.",
        ".900 [.800, 1]",
    ):
        assert word in text
    assert text.count("–") == 2  # the LSTM is in one study alone
    assert "My title" in shown(render_studies_page(STUDIES, "My title"))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert "<script" not in page


def test_names_are_inert():
    page = render_studies_page([told(HOSTILE, {HOSTILE: 0.5}, verdict=HOSTILE, link='x"><script>')], HOSTILE)
    assert "<script" not in page
    assert shown(page).count(HOSTILE) >= 4


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A study, one in a folder with a name that a link cannot have, and a sweep of two; their own pages are short."""
    monkeypatch.setattr("attn_jax.report.page.render_page", lambda *given: "a page")
    monkeypatch.setattr("attn_jax.report.sweep_page.render_sweep_page", lambda *given: "a page")
    write_study(tmp_path / "a")
    for copy in ("my studies/b #1", "sweep/points/steps=1", "sweep/points/steps=2"):
        shutil.copytree(tmp_path / "a", tmp_path / copy)
    points = {f"steps={value}": {"train.steps": value} for value in (1, 2)}
    facts = {"schema": 1, "study": {"name": "s"}, "axes": {"train.steps": [1, 2]}, "points": points}
    write_json(tmp_path / "sweep" / "sweep.json", facts)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("width", [40, 80])
def test_the_board_has_whole_names_however_narrow_the_terminal(width):
    name = "a-transformer-with-rotary-positions"
    screen = Console(file=io.StringIO(), width=width)
    _print_board([told("a", {name: 0.5, "gru": 0.2})], screen)
    said = screen.file.getvalue()
    if width == 40:
        assert f"{name}: mean score .500 [.400, .600], studies 1 of 1, best in 1\n" in said
    else:
        assert max(map(len, said.splitlines())) <= width
        assert any(line.split() == [name, ".500", "[.400,", ".600]", "1", "of", "1", "1"] for line in said.splitlines())


def test_the_command_writes_every_page_and_links_lead_there(folders, capsys):
    words = ["report", "a", "my studies/b #1", "sweep", "./a", "sweep/points/steps=1"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "4 of 4" in said
    assert "report: studies.html" in said
    page = (folders / "studies.html").read_text()
    assert re.findall(r'href="([^"]*)">([^<]*)<', page)[:4] == [
        ("a/report.html", "a"),
        ("my%20studies/b%20%231/report.html", "my studies/b #1"),
        ("sweep/report.html#points", "sweep/steps=1"),
        ("sweep/report.html#points", "sweep/steps=2"),
    ]
    for link in re.findall(r'href="([^"]*)"', page):
        assert (folders / unquote(link.partition("#")[0])).is_file()
    assert main([*words, "--output=my studies/all.html", "--title=All"]) == 0
    assert 'href="../a/report.html"' in (folders / "my studies" / "all.html").read_text()
    assert main(words) == 0
    assert (folders / "studies.html").read_text() == page
