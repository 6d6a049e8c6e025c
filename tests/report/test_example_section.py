"""A worked example can be read, be it tokens, pictures, real numbers or strings."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_model, make_results

from attn_jax.lab.outcome.summary import summarize
from attn_jax.report.example_section import example_block, example_of
from attn_jax.report.page import render_page
from attn_jax.report.probe_sections import probe_sections


def results_of(read, wanted, scored, says, valid=None, **changes):
    """A model that solves it, one that does not and is in the middle, and the worst, of whom each says its own."""
    models = []
    for index, (name, said) in enumerate(zip(("transformer", "gru", "lstm"), says, strict=True)):
        values = {"read": read, "wanted": wanted, "scored": scored, "said": said}
        values["valid"] = [1] * len(read) if valid is None else valid
        each = {key: np.tile(np.asarray(value, float), (8, 3) + (1,) * np.ndim(value)) for key, value in values.items()}
        model = make_model(name, [150] * 8 if index == 0 else [None] * 8, probes={"worked_example": {800: each}})
        models.append(replace(model, final=model.final - 0.1 * index))
    return make_results(models, **changes)


def told(results):
    example = example_of(results, summarize(results), "worked_example")
    return str(example_block(results, example, "worked_example"))


def table(html):
    """The rows of the table that can be taken along."""
    (held,) = re.findall(r'<a download="worked_example.csv"[^>]* href="data:text/csv;base64,([^"]*)"', html)
    return base64.b64decode(held).decode().splitlines()


TOKENS = {
    "read": [3, 9, 3, 0],
    "wanted": [0, 0, 9, 0],
    "scored": [0, 0, 1, 0],
    "says": ([1, 1, 9, 1], [2, 2, 2, 2], [1, 1, 7, 1]),
    "valid": [1, 1, 1, 0],
}


def test_tokens_stand_above_what_is_wanted_and_said_by_the_best_and_the_worst():
    html = told(results_of(**TOKENS))
    assert 'aria-label="Read: 3 9 3. Wanted: 9; said: transformer 9, lstm 7."' in html
    assert (
        '<span class="place asked"><span>3</span><span>9</span><span>9</span><span class="wrong">7</span></span>'
        in html
    )
    assert html.count('class="place"') == 2  # the padding is no place
    assert "gru" not in html


def test_an_example_is_read_and_its_table_taken_along():
    html = told(results_of(**TOKENS))
    assert 'class="example" role="group"' in html and 'role="img"' not in html
    head, *rows = table(html)
    assert head == "model,place,read,wanted,said"
    assert rows == [
        *("transformer,0,3,,", "transformer,1,9,,", "transformer,2,3,9,9"),
        *("lstm,0,3,,", "lstm,1,9,,", "lstm,2,3,9,7"),
    ]


def test_tokens_that_have_names_are_shown_by_them():
    html = told(results_of(**TOKENS, token_names=("a", "b", "␣", "<", *"efghij")))
    assert 'aria-label="Read: &lt; j &lt;. Wanted: j; said: transformer j, lstm h."' in html
    assert "<span>&lt;</span><span>j</span><span>j</span>" in html
    says = ([1, 0, 2], [0, 2, 2], [2, 2, 2])
    html = told(results_of([0, 1], [1, 0, 2], [1, 1, 1], says, strings=True, token_names=("a", "b", "c")))
    assert "Read: a b. Wanted: b a end. transformer wrote: b a end, right." in html


def test_many_answers_are_counted():
    html = told(results_of([1, 0, 1], [1, 1, 0], [1, 1, 1], ([1, 1, 0], [0, 0, 0], [1, 0, 0])))
    assert "3 answers are asked; right: transformer 3, lstm 2." in html
    assert html.count('class="wrong"') == 1


@pytest.mark.parametrize(("places", "box"), [((16, 1), "0 0 4 4"), ((8, 5), "0 0 5 8")])
def test_pixels_are_a_picture(places, box):
    read = np.arange(np.prod(places)).reshape(places)
    last = [0] * (places[0] - 1)
    html = told(results_of(read, [*last, 3], [*last, 1], ([*last, 3], [*last, 3], [*last, 5])))
    assert f'viewBox="{box}"' in html
    assert "<dt>wanted</dt><dd><span>3</span></dd>" in html
    assert '<dt>lstm said</dt><dd><span class="wrong">5</span></dd>' in html


def test_real_numbers_have_two_digits_and_are_right_where_they_are_close():
    read = [[0.25, 1.0], [-0.5, 1.0]]
    html = told(results_of(read, [[0], [-0.25]], [0, 1], ([[0], [-0.23]], [[0], [0]], [[0], [0.5]])))
    assert "<span>-0.5 1</span><span>-0.25</span><span>-0.23</span>" in html
    assert '<span class="wrong">0.5</span>' in html


def test_strings_end_and_what_follows_is_not_shown():
    says = ([5, 4, 9, 0], [9, 0, 0, 0], [5, 5, 5, 5])
    html = told(results_of([4, 5], [5, 4, 9, 0], [1, 1, 1, 0], says, strings=True))
    assert "<dt>wanted</dt><dd><span>5</span> <span>4</span> <span>end</span></dd>" in html
    assert "transformer wrote: 5 4 end, right. lstm wrote: 5 5 5 5, wrong." in html
    assert html.count('class="wrong"') == 3
    assert table(html)[1:] == [
        *("transformer,0,4,5,5", "transformer,1,5,4,4", "transformer,2,,end,end", "transformer,3,,,"),
        *("lstm,0,4,5,5", "lstm,1,5,4,5", "lstm,2,,end,5", "lstm,3,,,5"),
    ]


@pytest.mark.usefixtures("undrawn")
def test_the_page_has_the_section_where_some_model_was_asked():
    results = results_of(**TOKENS)
    page = render_page(results, summarize(results))
    assert "A worked example" in page and "the best and the worst model of that seed say" in page
    bare = make_results([make_model("transformer", [150] * 8, probes={"worked_example": {}})])
    assert not probe_sections(bare, summarize(bare))


def test_names_are_inert():
    results = results_of(**TOKENS)
    models = {"<script>": replace(results.models["transformer"], name="<script>"), "lstm": results.models["lstm"]}
    assert "<script" not in told(replace(results, models=models, reference="lstm"))
