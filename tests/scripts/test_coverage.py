"""docs/coverage.md says what the lab uses, and the rule chooses what it says."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from attn_jax.lab.outcome.intervals import CHOSEN, Method

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("coverage")
    for name in ("coverage", "coverage_methods", "script_words"):
        sys.modules.pop(name, None)


@pytest.fixture
def methods(script):
    return sys.modules["coverage_methods"]


def test_the_page_says_what_the_lab_uses():
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    for estimand, choice in CHOSEN.items():
        assert f"| {estimand} | {choice.method} | {', '.join(choice.missed)} |" in page


def test_the_page_shows_where_a_choice_falls_short(script):
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    for estimand, choice in CHOSEN.items():
        table = page.partition(f"## The {estimand}\n")[2].partition("##")[0]
        for shape in script.SHAPES:
            row = re.search(rf"^\| {shape} \| {choice.method} \| (.*) \|$", table, re.MULTILINE)
            judged = [cell for n, cell in zip(script.SEEDS, row[1].split(" | "), strict=True) if n >= script.JUDGED]
            assert all(cell.startswith("*") for cell in judged) == (shape not in choice.missed)


def test_bold_is_what_holds_and_slanted_what_covers_within_the_simulations_error(script):
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    shown = [float(number) for number in re.findall(r"\*\*(\d+\.\d) \(", page)]
    assert min(shown) == 93.5
    shown = [float(number) for number in re.findall(r"(?<!\*)\*(\d+\.\d) \(", page)]
    assert max(shown) <= 93.5
    told = [script.Cell("mean", "normal", "a", 8, 2500, share, 1.0, True) for share in (0.935, 0.93, 0.92)]
    assert "| **93.5 (1.00)** |" in script._table(told[:1])
    assert "| *93.0 (1.00)* |" in script._table(told[1:2])
    assert "| 92.0 (1.00) |" in script._table(told[2:])


def cells(script, *rows):
    """(shape, method, coverage, width) with five seeds; an infinite width is not finite."""
    return [
        script.Cell("mean", shape, method, 5, 10**6, coverage, width, bool(np.isfinite(width)))
        for shape, method, coverage, width in rows
    ]


def test_the_rule(script):
    found = cells(
        script,
        *(("normal", "wide", 0.99, 9.0), ("skewed", "wide", 0.94, 9.0), ("failing", "wide", 0.4, 9.0)),
        *(("normal", "short", 0.95, 2.0), ("skewed", "short", 0.94, 2.0), ("failing", "short", 0.5, 2.0)),
        *(("normal", "shorter", 0.95, 1.0), ("skewed", "shorter", 0.93, 1.0), ("failing", "shorter", 0.5, 1.0)),
        *(("normal", "infinite", 1.0, np.inf), ("skewed", "infinite", 0.95, 1.0), ("failing", "infinite", 0.95, 1.0)),
    )
    assert script.choose(found) == (Method("short", ("failing",)), [])
    assert script.choose([cell for cell in found if cell.method != "infinite"])[1] == ["failing"]


def test_three_seeds_are_not_judged(script):
    few = [*cells(script, ("normal", "a", 0.95, 1.0)), script.Cell("mean", "normal", "a", 3, 1000, 0.1, 1.0, True)]
    assert script.choose(few) == (Method("a", ()), [])


def test_bootstraps_are_scipys(methods):
    sample = np.sort(np.random.default_rng(0).lognormal(0, 0.7, 12))
    for name, method in (("percentile", methods.percentile), ("BCa", methods.bca)):
        wanted = stats.bootstrap((sample,), np.mean, method=name, n_resamples=9999, rng=np.random.default_rng(1))
        low, high = method(sample[None], False)
        np.testing.assert_allclose((low[0], high[0]), wanted.confidence_interval, rtol=0.06)


def test_resampled_means_and_errors_are_those_of_the_resamples(methods):
    """What the matrix products give, of each resample by itself."""
    sample = np.sort(np.random.default_rng(0).normal(size=9))
    places = np.sort(np.random.default_rng(0).integers(0, 9, (methods.RESAMPLES, 9)), axis=1)
    for trim in (False, True):
        means, errors = methods._resampled(sample[None], trim)
        alone = methods._mean_and_error(sample[places], trim)
        np.testing.assert_allclose((means[0], errors[0]), alone, rtol=1e-6, atol=1e-7)


def test_sign_flips_keep_what_the_test_keeps(methods):
    sample = np.sort(np.random.default_rng(0).normal(1, 1, 7))
    low, high = (bound[0] for bound in methods.sign_flip(sample[None], False))
    p = [
        stats.permutation_test((sample - shift,), np.mean, permutation_type="samples", n_resamples=999).pvalue
        for shift in (low - 1e-4, low + 1e-4, high - 1e-4, high + 1e-4)
    ]
    assert [value > 0.05 for value in p] == [False, True, True, False]
    assert np.isinf(methods.sign_flip(np.ones((1, 5)), False)).all()


@pytest.mark.exhaustive
def test_a_choice_that_is_stale_ends_with_1(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "SEEDS", (5,))
    monkeypatch.setattr(script, "SHAPES", {"normal": script.SHAPES["normal"]})
    page = tmp_path / "coverage.md"
    assert script.main([f"--page={page}"]) == 1
    assert "CHOSEN of attn_jax/lab/outcome/intervals.py is stale" in capsys.readouterr().err
    assert "| mean | Student t |  |  | 9" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_simulated(script, capsys):
    with pytest.raises(SystemExit):
        script.main(["--page=nowhere/coverage.md"])
    assert "--page: got 'nowhere/coverage.md', wanted a file in a folder that is there" in capsys.readouterr().err
