"""Notes are said once, and each command that would answer one is a study that grows."""

from dataclasses import replace

import pytest
from conftest import RATES, make_model, make_results

from attn_jax.files import read_json
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.run.environment import record_environment
from attn_jax.report.notes import answers, notes
from attn_jax.report.page import render_page

SOLVED, NEVER = [150] * 8, [None] * 8


def told(results, argv=("/usr/bin/attn-jax", "compare", "--config=quickstart")):
    return answers(replace(results, environment={"argv": list(argv)}), summarize(results))


@pytest.mark.usefixtures("undrawn")
def test_what_all_models_share_is_said_once(quickstart):
    summary = summarize(quickstart)
    for model in summary["models"].values():
        model["flags"].append("their own")
    found = notes(summary["models"], ["transformer", "gru", "lstm"])
    assert found[0] == ("all models", "their own")
    (both,) = [note for who, note in found if who == "gru and lstm"]
    assert "with n = 8 none solved the upper bound is .369" in both
    page = render_page(quickstart, summary)
    assert page.count("their own") == 1 and page.count("upper bound is .369") == 1


def test_of_one_model_nothing_is_called_shared(alone):
    assert {who for who, _ in notes(summarize(alone)["models"], ["transformer"])} == {"transformer"}


@pytest.mark.parametrize(
    ("results", "option"),
    [
        (make_results([make_model("a", SOLVED)]), "seeds=16"),
        (make_results([make_model("a", [150])]), "seeds=2"),
        (make_results([make_model("a", [750, *[300] * 7])]), "steps=1600"),
        (make_results([make_model("a", SOLVED, learning_rates=RATES)], widened=(0.03,)), "widen=3"),
    ],
)
def test_what_would_answer(results, option):
    summary = summarize(results)
    if "widen" in option:
        summary["models"]["a"]["flags"] = ["0.01 is the largest of the grid: a better one may lie above"]
    results = replace(results, environment={"argv": ["attn-jax", "compare", "--config=a"]})
    commands = [command for _, command in answers(results, summary)]
    assert f"attn-jax compare --config=a --config.train.{option}" in commands


def test_one_rate_gains_its_neighbours():
    model = make_model("a", SOLVED)
    one = {name: getattr(model, name)[:, :1] for name in ("score", "diverged", "final", "length_score")}
    measured = {name: type(each)(*(array[:, :1] for array in each)) for name, each in model.measured.items()}
    results = make_results([replace(model, learning_rates=(1e-3,), measured=measured, **one)])
    assert "learning-rates=0.0003,0.001,0.003" in "".join(command for _, command in told(results))


def test_a_schedule_that_knows_its_budget_does_not_grow_by_steps():
    results = make_results([make_model("a", [750, *[300] * 7])], schedule="cosine")
    assert not any("steps" in command for _, command in told(results))


def test_an_option_of_the_command_is_replaced_and_another_program_is_not_shown(quickstart):
    argv = ["attn-jax", "compare", "--config=my study", "--config.train.seeds=8", "--config.train.seeds_of=1"]
    command = told(quickstart, argv)[0][1]
    assert command == "attn-jax compare '--config=my study' --config.train.seeds_of=1 --config.train.seeds=16"
    assert told(quickstart, ["pytest", "tests"])[0][1] == "attn-jax compare … --config.train.seeds=16"


@pytest.mark.parametrize("seeds", ["--config.train.seeds=8", "--config.train.seeds 8"])
def test_an_option_of_one_word_or_two_is_replaced(quickstart, seeds):
    argv = ["attn-jax", "train", "--model", "gru", *seeds.split(), "--yes"]
    assert told(quickstart, argv)[0][1] == "attn-jax compare --yes --config.train.seeds=16"


def test_a_study_that_grew_is_told_by_the_command_that_grew_it(tmp_path):
    """It would be refused to the first, which wants fewer seeds than there are."""
    begun = ["attn-jax", "compare", "--config=a", "--config.train.seeds=4"]
    for argv in (begun, [*begun[:3], "--config.train.seeds=8", "--config.train.widen=1"]):
        record_environment(tmp_path, {"argv": argv})
    results = make_results([make_model("a", [750, *[300] * 7])], environment=read_json(tmp_path / "environment.json"))
    commands = dict(answers(results, summarize(results)))
    grown = "attn-jax compare --config=a --config.train.seeds=8 --config.train.widen=1 --config.train.steps=1600"
    assert commands["what the late runs come to"] == grown
