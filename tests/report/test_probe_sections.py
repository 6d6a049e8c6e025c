"""What the page shows of probes: lines where there is something, pictures of the best run, the same bytes again."""

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_model, make_results

from attn_jax.lab.outcome.summary import summarize
from attn_jax.report.heat_maps import heat_maps
from attn_jax.report.page import page_content, render_page
from attn_jax.report.probe_sections import probe_sections


def probed(**probes):
    """Two models of 8 seeds x 3 rates, the first with these probes, its best run that of seed 3."""
    first = make_model("transformer", [150] * 8)
    first = replace(first, final=first.final * np.where(np.arange(8) == 3, 1, 0.9)[:, None], probes=probes)
    results = make_results([first, make_model("lstm", [None] * 8)])
    return results, summarize(results)


def of_each_run(values):
    return np.tile(np.asarray(values, float), (8, 3) + (1,) * np.ndim(values))


FLOW = {step: {"k": of_each_run([0, 4, 8, 12]), "gradient": of_each_run([1, 1e-9, 1e-20, 0])} for step in (0, 800)}


def test_gradient_flow_is_drawn_on_powers_of_ten_and_ends_where_float32_does():
    (section,) = probe_sections(*probed(gradient_flow=FLOW))
    assert section.title == "Gradient flow" and section.lines
    svg = section.plots[0].wide
    assert "10⁻" in svg and "nan" not in svg and "mathdefault" not in svg
    shorter = {step: values | {"gradient": of_each_run([1, 1e-9, 0, 0])} for step, values in FLOW.items()}
    (other,) = probe_sections(*probed(gradient_flow=shorter))
    assert other.plots[0].wide != svg
    assert "the answer's first token" not in section.caption


def test_over_strings_the_caption_says_from_where_it_is_counted():
    results, _ = probed(gradient_flow=FLOW)
    results = replace(results, strings=True)
    (section,) = probe_sections(results, summarize(results))
    assert "the answer's first token" in section.caption and "before the source's end" in section.caption


def test_maps_are_those_of_the_best_run():
    maps = of_each_run(np.zeros((2, 3, 3)))
    maps[3, :, :, 2, 0] = 1.0
    (section,) = probe_sections(*probed(attention_maps={800: {"layer_0/weights": maps, "layer_0/keep": maps[:, :, 0]}}))
    svg = section.plots[0].wide
    assert not section.lines and "layer 0, head 1" in svg and "layer 0 keep" in svg
    assert "M0 2h1v1h-1z" in svg


def test_flat_maps_leave_no_room_below_them():
    """Two rows of three, each as high as the tiles are: 14 for a name, 25 of a tile 4 times as wide as high, 12."""
    drawn = heat_maps({str(k): np.ones((2, 8)) for k in range(3)}, name="maps", title="t", label="l")
    assert 'viewBox="0 0 324 55"' in drawn.wide
    assert 'viewBox="0 0 212 106"' in drawn.narrow
    assert "translate(0 67)" in drawn.narrow


@pytest.mark.parametrize(("heads", "said"), [(16, ""), (17, ", the first 16 of 17")])
def test_maps_that_are_not_shown_are_counted(heads, said):
    maps = of_each_run(np.ones((heads, 2, 2)))
    (section,) = probe_sections(*probed(attention_maps={800: {"layer_0/weights": maps}}))
    drawn = section.plots[0]
    assert re.search(r", seed \d+([^<:]*)</text>", drawn.wide)[1] == said
    assert re.search(r", seed \d+([^:]*):", drawn.label)[1] == said
    assert ("head 15" in drawn.wide, "head 16" in drawn.wide) == (True, False)


def test_numbers_of_three_evaluations_are_a_curve_and_of_two_a_table():
    steps = {step: {"all": of_each_run(2.0), "late": of_each_run(1.0)} for step in (0, 50, 100)}
    del steps[100]["late"]
    (section,) = probe_sections(*probed(mine=steps))
    assert section.title == "Mine" and len(section.plots) == 1
    assert [line.number for line in section.numbers.lines] == ["late"]
    (section,) = probe_sections(*probed(mine={0: {"all": of_each_run(2.0)}, 800: {"all": of_each_run(3.0)}}))
    assert section.title == "Mine" and not section.plots
    assert section.numbers.headings == ["Before training", "After training"]
    cells = [("2", "[−inf, inf] no spread"), ("3", "[−inf, inf] no spread")]
    assert section.numbers.lines == [("all", "transformer", cells)]
    assert not probe_sections(*probed(attention_maps={800: {}}))


def test_numbers_are_those_of_the_summary_within_what_they_can_be():
    """Radii spread over the seeds, at the end alone of one layer; a seed without one leaves a dash."""
    radius = of_each_run(1.0) * np.linspace(0.001, 30_000, 8)[:, None]
    lost = np.where(np.arange(8)[:, None] == 3, np.nan, radius)
    ends = {"layer_0/radius": radius, "layer_1/radius": radius}
    results, summary = probed(jacobians={0: {"layer_0/radius": lost}, 800: ends})
    (section,) = probe_sections(results, summary)
    told = summary["models"]["transformer"]["probes"]["jacobians"]["end"]["layer_0/radius"]
    after = (f"{told['value']:,.0f}", f"[{told['low']:,.0f}, {told['high']:,.0f}]")
    assert section.numbers.lines == [
        ("layer 0 radius", "transformer", [None, after]),
        ("layer 1 radius", "transformer", [None, after]),
    ]


def test_a_number_beside_a_figure_stands_below_it_and_what_a_figure_shows_does_not():
    flow = {step: values | {"slope": of_each_run(-0.5 + step)} for step, values in FLOW.items()}
    (section,) = probe_sections(*probed(gradient_flow=flow))
    assert len(section.plots) == 1
    assert [(line.number, line.cells[0][0], line.cells[1][0]) for line in section.numbers.lines] == [
        ("slope", "−0.5", "800")
    ]
    curve = {step: {"all": of_each_run(2.0)} for step in (0, 50, 800)}
    (section,) = probe_sections(*probed(gradient_norms=curve))
    assert section.plots and section.numbers is None


@pytest.mark.usefixtures("undrawn")
def test_the_page_has_the_table_and_names_in_it_are_inert():
    results, _ = probed(mine={800: {"<script>/all": of_each_run(2.0)}})
    models = {"<b>": replace(results.models["transformer"], name="<b>"), "lstm": results.models["lstm"]}
    results = replace(results, models=models, reference="lstm")
    page = render_page(results, summarize(results))
    (section,) = re.findall(r'<section aria-labelledby="probe-1">.*?</section>', page, re.DOTALL)
    assert "&lt;script&gt; all" in section and "&lt;b&gt;" in section
    assert "<script" not in section and "<b>" not in section
    assert '<div class="scroll"' in section and "After training" in section
    assert 'class="pair' not in section and 'class="legend"' not in section


def test_a_path_is_drawn_as_far_as_there_is_one():
    """On powers of ten, so that k = 0, without a step, has no place either."""
    steps = {"k": of_each_run([0, 4, 8, 12]), "steps": of_each_run([0, 1, 2, np.nan]), "longest": of_each_run(2)}
    (section,) = probe_sections(*probed(path_length={0: steps}))
    assert section.title == "Path length" and len(section.plots) == 1
    assert "nan" not in section.plots[0].wide


@pytest.mark.usefixtures("undrawn")
def test_the_page_has_them_and_the_training_loss_once_there_is_one():
    results, summary = probed(gradient_flow=FLOW)
    page = render_page(results, summary)
    assert "Gradient flow" in page and page == render_page(results, summary)
    assert "loss" not in page_content(results, summary)["plots"]
    models = {name: replace(model, train_loss=1 - model.score) for name, model in results.models.items()}
    results = replace(results, models=models)
    assert len(page_content(results, summary)["plots"]["loss"]) == 2
    assert "Training loss" in render_page(results, summary)


@pytest.mark.parametrize(
    ("tile", "paths"),
    [
        ([[0.0, 0.0]], []),
        ([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], ["M0 0h2v1h-2zM2 1h1v1h-1z"]),
        ([[np.nan, 1.0, 0.25]], ["M2 0h1v1h-1z", "M1 0h1v1h-1z"]),
    ],
)
def test_a_picture_has_a_square_for_each_place_with_weight(tile, paths):
    svg = heat_maps({"<b>": np.array(tile)}, name="maps", title="<i>", label='a "b"').wide
    assert re.findall(r' d="([^"]*)"', svg) == paths
    assert "&lt;b&gt;" in svg and "<b>" not in svg and "<i>" not in svg and "&#34;b&#34;" in svg
