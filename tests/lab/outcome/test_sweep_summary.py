"""Slopes against NumPy's polyfit a seed and scipy's t; cuts; summary, tables and rows of a written sweep."""

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console
from scipy import stats
from test_summary_types import keys_of_type, keys_told
from written_sweep import AXIS, tiny_sweep, write_sweep

from attn_jax.cli import main
from attn_jax.lab import load
from attn_jax.lab.outcome.intervals import NO_SPREAD
from attn_jax.lab.outcome.sweep_summary import SweepSummary
from attn_jax.lab.outcome.trends import cuts, numbers_of, slope_interval
from attn_jax.lab.summaries import write_sweep_summary
from attn_jax.report.sweep_table import print_sweep_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sweep") / "s"
    write_sweep(directory)
    return directory


@pytest.fixture(scope="module")
def summary(folder):
    return write_sweep_summary(load(folder))


def test_a_slope_is_polyfit_a_seed_and_students_t():
    draw = np.random.default_rng(0)
    x, y = np.log2([3.0, 5.0, 16.0, 40.0]), draw.normal(size=(7, 4))
    slopes = [np.polyfit(x, values, 1)[0] for values in y]
    wanted = stats.t.interval(0.95, 6, loc=np.mean(slopes), scale=stats.sem(slopes))
    found = slope_interval(x, y, [(-np.inf, np.inf)] * 4)
    np.testing.assert_allclose(found[:3], [np.mean(slopes), *wanted], rtol=1e-12)


def test_a_slope_is_no_steeper_than_the_measure_allows():
    x, y = np.arange(2.0), np.array([[0.0, 1.0], [0.0, 0.9], [0.2, 1.0]])
    assert slope_interval(x, y, [(0, 1), (0, 1)])[1:3] == pytest.approx((0.651, 1.0), abs=1e-3)
    same = slope_interval(x, np.zeros((8, 2)), [(0, 100), (0, 100)])
    assert (same.value, same.method) == (0.0, NO_SPREAD)
    assert -100 < same.low < 0 < same.high < 100


def test_cuts_are_the_lines_of_a_grid_in_the_axis_order():
    axes = {f"{d}{t}": {"d": d, "t": t} for d in (8, 2, 32) for t in ("x", "y")}
    found = [(cut.axis, cut.at, cut.points, cut.numbers) for cut in cuts(axes)]
    assert found == [
        ("d", {"t": "x"}, ["2x", "8x", "32x"], [2.0, 8.0, 32.0]),
        ("d", {"t": "y"}, ["2y", "8y", "32y"], [2.0, 8.0, 32.0]),
        *(("t", {"d": d}, [f"{d}x", f"{d}y"], None) for d in (8, 2, 32)),
    ]


def test_a_row_of_numbers_counts_as_its_last():
    assert numbers_of(["1,2", "1,8"]) == [2, 8]
    assert numbers_of(["None", "1,8"]) is None
    assert numbers_of(["nan", "8"]) is None


def test_the_summary_has_each_point_and_the_slopes_of_its_models(folder, summary):
    assert json.loads((folder / "summary.json").read_text()) == summary
    for point, values in summary["points"].items():
        alone = json.loads((folder / "points" / point / "summary.json").read_text())
        assert all(model["final"] == alone["models"][name]["final"] for name, model in values["models"].items())
    assert [(t["axis"], t["model"], t["measure"], t["per"]) for t in summary["trends"]] == [
        (AXIS, "transformer", "final", "doubling"),
        (AXIS, "gru", "final", "doubling"),
    ]
    # accuracy grows by .05 and .01 a doubling, chance is one half
    assert [trend["slope"]["value"] for trend in summary["trends"]] == pytest.approx([0.1, 0.02])
    assert (
        "Per doubling of models.transformer.d_model the final score changes by: transformer +.100" in summary["verdict"]
    )


def test_the_page_tells_every_key():
    assert keys_told("A sweep's summary.json") == keys_of_type(SweepSummary)


def test_rows_tell_the_point_and_where_it_lies(folder, capsys):
    results = load(folder)
    assert list(results.runs()[0])[:4] == ["study", "point", AXIS, "task"]
    for rows in (results.runs(), results.curves(), results.lengths()):
        assert {(row["study"], row["point"], row[AXIS]) for row in rows} == {
            ("tiny", f"d_model={d}", d) for d in (4, 8, 16)
        }
        assert len({tuple(row) for row in rows}) == 1
    alone = load(folder / "points" / "d_model=8").runs()
    mine = [row for row in results.runs() if row["point"] == "d_model=8"]
    assert [{key: row[key] for key in alone[0]} | {"study": "tiny-d_model-8"} for row in mine] == alone
    assert main(["export", str(folder)]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row[AXIS] for row in rows] == [str(row[AXIS]) for row in results.runs()]


def test_an_unfinished_point_is_named(tmp_path):
    write_sweep(tmp_path / "s", tiny_sweep(**{AXIS: (8,)}))
    (tmp_path / "s" / "points" / "d_model=8" / "blocks" / "gru-0" / "metrics.jsonl").unlink()
    with pytest.raises(Exception, match="d_model=8: not finished: gru"):
        load(tmp_path / "s")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_has_a_row_a_point_and_model(summary, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_sweep_table(summary, console)
    text = console.file.getvalue()
    assert text.count("transformer") >= 3
    assert all(f"d_model={d}" in text for d in (4, 8, 16))
    assert all(len(line) <= width for line in text.splitlines())


def test_report_writes_the_page_again_and_that_of_a_point(folder, summary, capsys):
    assert main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_bytes()
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_bytes() == page
    assert not list(folder.glob("points/*/report.html"))
    assert main(["report", str(folder / "points" / "d_model=8")]) == 0
    assert [path.parent.name for path in folder.glob("points/*/report.html")] == ["d_model=8"]
    assert '<p class="headline">Over 3 studies, ' in page.decode()
    assert '<span class="name">train.steps</span></th><td>200</td>' in page.decode()
    assert '<span class="name">models.transformer.d_model</span></th>' not in page.decode()  # each point has its own
    for word in ("Along models.transformer.d_model", "+.100", "Every point", "4 to 16"):
        assert word in page.decode()
    assert "<script" not in page.decode()
    assert "report: " in capsys.readouterr().out
