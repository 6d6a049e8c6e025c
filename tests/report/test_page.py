import dataclasses
import functools
import html.parser
import json
import os
import pickle
import re

import markupsafe
import pytest

from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.outcome.words import outcome_in_words
from attn_jax.report import drawing, page, words
from attn_jax.report.settings import settings

STUDIES = ("quickstart", "digits", "diverged", "alone", "hostile")


class Reader(html.parser.HTMLParser):
    """Collects elements, attributes and text as a browser would."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag != "line":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def render(results):
    """The page of results, each once for all tests, drawn or not."""
    return rendered(pickle.dumps(results), drawing._svgs.__name__)


@functools.cache
def rendered(pickled, draw):
    results = pickle.loads(pickled)
    return page.render_page(results, summarize(results))


def shown(text):
    """The page's text with runs of white space as one blank."""
    return " ".join("".join(Reader(text).text).split())


@pytest.fixture(params=STUDIES)
def study(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=STUDIES)
def drawn(request):
    """A whole page of each study."""
    return render(request.getfixturevalue(request.param))


@pytest.mark.usefixtures("undrawn")
@pytest.mark.sampled(2)
def test_the_same_results_give_the_same_bytes(study):
    summary = summarize(study)
    first = page.render_page(study, summary)
    assert page.render_page(study, summary) == first
    assert page.render_page(study, json.loads(json.dumps(summary, allow_nan=False))) == first


@pytest.mark.sampled(2)
def test_nothing_is_run_and_nothing_is_loaded(drawn):
    reader, text = Reader(drawn), drawn
    assert reader.open == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    links = [value for name, value in reader.attributes if name in ("href", "src", "xlink:href")]
    assert all(value.startswith(("#", "data:image/svg+xml;base64,", "data:text/csv;base64,")) for value in links)
    assert reader.tags.count("a") == sum(name == "download" for name, _ in reader.attributes)
    assert not re.search(r"<script|https?://|@import|url\((?!#)|\bnan\b", text)


def test_a_page_that_loads_is_caught():
    reader = Reader('<img src="https://example.org/a.png" onload="f()">')
    assert "img" in reader.tags
    assert [name for name, _ in reader.attributes if name.startswith("on")] == ["onload"]


@pytest.mark.sampled(2)
def test_ids_are_unique_and_headings_label_their_sections(drawn):
    reader = Reader(drawn)
    ids = [value for name, value in reader.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for name, value in reader.attributes if name == "aria-labelledby"} <= set(ids)
    assert reader.tags.count("th") == sum(name == "scope" for name, _ in reader.attributes)


@pytest.mark.usefixtures("undrawn")
def test_a_study_of_strings_says_what_was_written(quickstart):
    text = shown(render(dataclasses.replace(quickstart, strings=True)))
    assert "writes the answer" in text
    assert "which places are trained" not in text
    assert "writes the answer" not in shown(render(quickstart))


@pytest.mark.sampled(2)
@pytest.mark.usefixtures("undrawn")
def test_every_name_and_every_number_of_the_table_is_shown(study):
    summary = summarize(study)
    text = shown(page.render_page(study, summary))
    for name, model in summary["models"].items():
        wanted = [" ".join(name.split()), words.count(model["parameters"]), words.size(model["state_bytes"])]
        wanted += [" ".join(words.score(model["final"])), words.flops(model["train_flops_per_step"])]
        wanted.append(words.duration(1000 * summary["timing"][name]["seconds_per_step"]))
        if study.threshold is not None:
            wanted += [" ".join(words.share(model["solved_fraction"])), " ".join(words.steps_to_solve(model))]
        for word in (*wanted, *model["flags"], model["description"]):
            assert word in text
    assert text.index(" ".join(summary["headline"].split())) < text.index(summary["verdict"])
    for row in summary["comparisons"]:
        assert words.probability(row["p"]) + outcome_in_words(row) in text  # two cells of one line


def test_names_are_inert(hostile):
    text = render(hostile)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert(1)</script>" in shown(text)  # what the reader sees
    assert "$x_1$" in shown(text)


@pytest.mark.usefixtures("undrawn")
def test_an_unescaped_name_is_caught(hostile, monkeypatch):
    monkeypatch.setattr(page.style, "swatch", lambda index: markupsafe.Markup("<script>alert(1)</script>"))
    assert "<script" in page.render_page(hostile, summarize(hostile))


@pytest.mark.usefixtures("undrawn")
def test_config_and_environment_are_shown_whole(quickstart):
    text = "".join(Reader(render(quickstart)).text)
    assert "match" not in [path for path, _, _ in settings(quickstart.config)]  # it is the default
    assert json.dumps(quickstart.config, indent=2) in text
    assert json.dumps(quickstart.environment, indent=2) in text


@pytest.mark.usefixtures("undrawn")
def test_a_bound_that_is_missing_is_written_as_infinite(alone):
    """An error has no upper limit: one seed leaves its score without a bound on one side."""
    text = render(dataclasses.replace(alone, metric="mse", threshold=None))
    assert re.search(r"inf\] no spread", shown(text))
    assert not re.search(r"\bnan\b", text)


def test_without_a_threshold_nothing_speaks_of_solving(digits):
    text = shown(render(digits))
    assert "olved" not in text
    assert "to solve," not in text
    assert "loss (nats)" in text and "loss a weighted place" in text
    assert "Fresh test data at every length" not in text  # there is one length only


@pytest.mark.usefixtures("undrawn")
def test_what_the_statistics_cannot_do_is_said(quickstart, alone, diverged):
    assert "with 8 seeds, all solved, the lower bound is .631" in shown(render(quickstart))
    assert "not cross-fitted" in shown(render(alone))
    assert "12 of 12 runs diverged" in shown(render(diverged))
    assert "12 diverged" not in shown(render(diverged))
    assert shown(render(diverged)).count("4 diverged") == 6  # each model's window of three rates


@pytest.mark.usefixtures("undrawn")
def test_the_caption_speaks_of_what_is_drawn(quickstart, alone):
    assert "a thin line is a seed" in shown(render(quickstart))
    assert "thin line" not in render(alone)
    assert "the band is" not in render(alone)


@pytest.mark.usefixtures("undrawn")
def test_times_of_a_cosine_schedule_stand_beside_its_budget(quickstart):
    assert "cosine" not in render(quickstart)
    object.__setattr__(quickstart, "schedule", "cosine")
    assert "The cosine schedule knows the budget" in shown(render(quickstart))


@pytest.mark.usefixtures("undrawn")
def test_the_report_is_written_whole_or_not_at_all(quickstart, tmp_path, monkeypatch):
    summary = summarize(quickstart)
    path = page.write_report(quickstart, summary, tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text("utf-8") == page.render_page(quickstart, summary)
    assert os.listdir(tmp_path) == ["report.html"]
    before = path.read_bytes()

    def fail(path, target):
        raise OSError("no space left")

    monkeypatch.setattr(page.Path, "replace", fail)
    summary["verdict"] = "Another verdict."
    with pytest.raises(OSError, match="no space left"):
        page.write_report(quickstart, summary, tmp_path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["report.html"]


@pytest.mark.usefixtures("undrawn")
def test_a_grid_that_grew_by_itself_and_a_study_that_grew_say_so(quickstart):
    text = shown(render(dataclasses.replace(quickstart, widened=(0.03, 0.1), looks=(4, 8))))
    assert (
        "Of the rates 0.03, 0.1 were added where a best one lay on the edge of the grid: it depended on the data."
        in text
    )
    assert "decided at look 2" in text
    assert "and for being decided at look 2, of a study that grew; the intervals are not" in text
    text = shown(render(quickstart))
    assert "and for looks at a study that may grow; the intervals are not" in text
    assert "edge of the grid: it" not in text


@pytest.mark.usefixtures("undrawn")
def test_time_to_solve_stands_in_every_unit(quickstart):
    train = {"batch_size": 32, "num_examples": 1000}
    text = shown(render(dataclasses.replace(quickstart, config={"train": train}, tokens_per_step=1e4)))
    after = text[text.index("The same in other units") :]
    places = [after.index(unit) for unit in ("steps", "sequences", "different sequences", "tokens", "FLOPs")]
    assert places == sorted(places)
    assert "The machine was busy" not in text


@pytest.mark.usefixtures("undrawn")
def test_a_busy_machine_is_told_of(quickstart):
    slow = dataclasses.replace(quickstart.models["lstm"], seconds=30.0, cpu_seconds=20.0, load=5.25, cores=2)
    text = shown(render(dataclasses.replace(quickstart, models=quickstart.models | {"lstm": slow})))
    said = "The machine was busy: lstm took 1.5 times its CPU seconds by the clock; its load was 5.2 on 2 cores."
    assert said in text
    idle = dataclasses.replace(slow, seconds=21.0, load=2.2)
    assert "busy" not in shown(render(dataclasses.replace(quickstart, models=quickstart.models | {"lstm": idle})))
