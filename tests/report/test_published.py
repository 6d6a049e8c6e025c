"""What others printed stands beside what was found, and changes no number."""

from dataclasses import replace

import pytest

from attn_jax.config import Published, Study
from attn_jax.config.codec import fingerprint, from_dict, to_dict
from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.summary import summarize
from attn_jax.models import ModelConfig
from attn_jax.report import figures
from attn_jax.report.page import render_page
from attn_jax.report.published import published_scores
from attn_jax.tasks import Parity

PAPER = {"value": 0.9, "metric": "accuracy", "of": "their LSTM", "where": "Table 2 of a paper"}


def with_published(results, *rows):
    return replace(results, config=results.config | {"published": list(rows)})


def test_a_number_of_the_same_metric_is_a_line_on_the_scale_of_scores(quickstart):
    results = with_published(quickstart, PAPER, PAPER | {"metric": "score", "value": 0.5, "of": "ours"})
    heights = [(pytest.approx((0.9 - 0.288) / 0.712), "published: their LSTM .900"), (0.5, "published: ours .500")]
    assert published_scores(results) == heights
    plot = figures.learning_curves(results, summarize(results))
    assert "published: their LSTM .900" in plot.wide and "published: their LSTM .900" in plot.narrow


@pytest.mark.usefixtures("undrawn")
def test_what_is_in_another_unit_is_listed_alone(quickstart):
    other = PAPER | {"metric": "BLEU", "value": "28.4 ± 0.1"}
    results = with_published(quickstart, other)
    assert published_scores(results) == []
    page = render_page(results, summarize(results))
    assert "28.4 ± 0.1" in page and "Table 2 of a paper" in page
    assert "Published" not in render_page(quickstart, summarize(quickstart))


def test_it_travels_with_the_study_and_is_no_part_of_its_numbers():
    study = Study("s", Parity(), {"a": ModelConfig(8)})
    told = replace(study, published=(Published(**PAPER),))
    assert from_dict(to_dict(told)) == told
    assert fingerprint(told) == fingerprint(study)
    with pytest.raises(ConfigError, match="value: got nan"):
        Published(float("nan"), "accuracy", "it", "there")
