import dataclasses
import itertools
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from attn_jax.lab.outcome.summary import summarize
from attn_jax.report import figures, reading, style
from attn_jax.report.plots import plot_solved
from attn_jax.report.ticks import count_ticks, length_ticks

DRAWN = (
    figures.learning_curves,
    figures.loss_curves,
    figures.solved_curves,
    figures.length_curves,
    figures.whole_curves,
)
STUDIES = ("quickstart", "diverged", "alone", "hostile")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("study", STUDIES)
def test_every_figure_is_labelled_well_formed_and_without_script(study, request):
    results = request.getfixturevalue(study)
    summary = summarize(results)
    plots = [draw(results, summary) for draw in DRAWN]
    plots += [figures.times_to_solve(results, summary, axis) for axis in ("steps", "seconds")]
    ids = []
    for form in (form for plot in plots for form in (plot.wide, plot.narrow)):
        text = str(form).replace("xlink:href", "href")
        root = ElementTree.fromstring(text)
        assert root.get("role") == "img"
        assert len(root.get("aria-label")) > 20
        assert not re.search(r"<script|<style|https?://|nan", text)
        assert set(re.findall(r'(?:href="|url\()#([^")]*)', text)) <= set(re.findall(r'\bid="([^"]*)"', text))
        ids += re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))


def test_every_colour_follows_the_scheme_of_the_page(quickstart):
    for draw in DRAWN:
        text = draw(quickstart, summarize(quickstart)).wide
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", text)) <= {"#ffffff"}  # matplotlib's invisible patches
        assert "var(--series-2)" in text


def test_the_scheme_has_the_same_names_light_and_dark():
    assert style.LIGHT.keys() == style.DARK.keys()
    assert len(set(style.LIGHT.values())) == len(style.LIGHT)


def test_a_figure_says_what_came_out_and_its_file_has_the_numbers(quickstart):
    plot = figures.learning_curves(quickstart, summarize(quickstart))
    ends = re.findall(r"(\w+) (\d?\.\d+)", plot.label.partition("at the end: ")[2])
    assert [name for name, _ in ends] == ["transformer", "gru", "lstm"]
    rows = [line.split(",") for line in plot.csv.splitlines()]
    assert rows[0] == ["model", "step", "center", "low", "high", *(f"seed_{seed}" for seed in range(8))]
    last = {row[0]: row for row in rows if row[1] == "800"}
    assert float(last["transformer"][2]) == pytest.approx(float(dict(ends)["transformer"]), abs=0.005)


def test_a_model_keeps_its_colour_in_every_figure(quickstart):
    summary = summarize(quickstart)
    for axis in ("steps", "seconds"):
        rows = figures.times_to_solve(quickstart, summary, axis).wide
        assert re.findall(r">(transformer|lstm|gru)<", rows) == ["transformer", "gru", "lstm"]
        colours = list(dict.fromkeys(re.findall(r"var\(--(series-\d)\)", rows)))
        assert colours == ["series-0", "series-1", "series-2"]


def test_neighbours_differ_in_colour_line_and_marker():
    looks = [tuple(map(str, style.series(index).values())) for index in range(35)]
    assert len({look[:2] for look in looks}) == 35
    assert all(not set(a) & set(b) for a, b in itertools.pairwise(looks))


def test_the_user_of_matplotlib_is_not_disturbed(quickstart):
    before = dict(matplotlib.rcParams)
    plain = figures.learning_curves(quickstart, summarize(quickstart))
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert figures.learning_curves(quickstart, summarize(quickstart)) == plain


def test_learning_curve_takes_each_seed_at_its_chosen_rate(quickstart):
    summary = summarize(quickstart)
    summary["models"]["lstm"]["chosen_learning_rates"] = [1e-3, 3e-3, 1e-2, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3]
    score = quickstart.models["lstm"].score
    wanted = np.stack([score[seed, rate] for seed, rate in enumerate([0, 1, 2, 0, 0, 0, 0, 0])])
    np.testing.assert_array_equal(reading.at_chosen_rate(quickstart, summary, "lstm", score, 0.0), wanted)


def test_interquartile_mean_and_band_leave_the_outer_quarters_out():
    array = np.array([[7.0], [-100], [2], [3], [5], [100], [4], [50]])
    assert reading.center(array) == (3 + 4 + 5 + 7) / 4
    assert [float(bound[0]) for bound in reading.middle_half(array)] == [3, 7]


def test_a_diverged_run_is_at_chance_in_the_score_and_infinite_in_the_loss(diverged):
    summary = summarize(diverged)
    lstm = diverged.models["lstm"]
    assert (reading.at_chosen_rate(diverged, summary, "lstm", lstm.score, 0.0)[:, 5:] == 0).all()
    loss = lstm.measured["loss"].validation
    loss = reading.center(reading.at_chosen_rate(diverged, summary, "lstm", loss, np.inf))
    assert np.isfinite(loss[:5]).all()
    assert np.isinf(loss[5:]).all()


def test_a_share_solved_holds_until_the_next_evaluation(quickstart):
    axes, summary = Figure().subplots(), summarize(quickstart)
    plot_solved(axes, quickstart, summary, [*summary["models"]])
    curves = [line for line in axes.lines if line.get_xdata()[0] == 0]
    assert [line.get_drawstyle() for line in curves] == ["steps-post"] * len(summary["models"])


def test_steps_are_ticked_up_to_the_budget_and_not_beyond():
    axes = Figure().subplots()
    for budget, ticks in ((200, [0, 100, 200]), (1500, [0, 500, 1000, 1500])):
        axes.set_xlim(-0.05 * budget, 1.5 * budget)
        count_ticks(axes.xaxis, last=budget)
        assert axes.get_xticks().tolist() == ticks


def test_labels_of_close_lengths_do_not_touch():
    assert length_ticks((5, 6, 10, 40, 100), log=False) == ([10, 40, 100], ["10", "40", "100"])
    assert length_ticks((4, 8, 16, 1024), log=True)[1] == ["4", "8", "16", "1,024"]
    assert length_ticks((64,), log=False) == ([64], ["64"])


def test_an_unsolved_seed_is_counted_beside_the_budget(hostile):
    assert "2 of 6 not solved" in figures.times_to_solve(hostile, summarize(hostile), "steps").wide


def test_what_was_not_solved_is_open_and_points_beyond(quickstart):
    """Eight seeds and the mean of each of two models, in the colour of the card; none of the one that solved it."""
    summary = summarize(quickstart)
    for axis in ("steps", "seconds"):
        plot = figures.times_to_solve(quickstart, summary, axis)
        assert len(re.findall(r"<use [^>]*fill: var\(--card\)", plot.wide)) == 2 * (8 + 1)
        assert plot.label.endswith("gru never, lstm never.")
        assert plot.csv.splitlines()[0] == f"model,seed,{axis},solved"
        assert plot.csv.count("False") == 16


def test_the_file_of_times_names_the_seeds_that_ran(quickstart):
    later = dataclasses.replace(quickstart, first_seed=100)
    rows = figures.times_to_solve(later, summarize(later), "steps").csv.splitlines()[1:]
    assert sorted({int(row.split(",")[1]) for row in rows}) == [*range(100, 108)]


def test_floors_above_the_one_that_is_zero_are_drawn(quickstart):
    floors = {12: {"seen_value": {"value": 0.2, "loss": None}, "copy_last": {"value": 0.6, "loss": None}}}
    object.__setattr__(quickstart, "floors", quickstart.floors | floors)
    plot = figures.learning_curves(quickstart, summarize(quickstart)).wide
    assert "copy_last (accuracy .600)" in plot
    assert "floor: seen_value (accuracy .200)" in plot
    assert reading.floors_above_zero(quickstart) == [("copy_last", pytest.approx(0.5))]
