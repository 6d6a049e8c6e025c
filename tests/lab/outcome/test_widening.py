"""A grid of learning rates that grows while a best rate lies on its edge."""

from dataclasses import replace

import numpy as np
import pytest
from test_summary import NEVER, model, study
from written_study import fill, layout_of, opened, tiny, write_study

from attn_jax.config import TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.lab import comparison, load
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.plan.limits import Demand
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.widening import rates_beyond, widen


def best_at(name, place):
    """Four seeds that solve the task at one of three rates."""
    return model(name, [[200 if other == place else NEVER for other in range(3)]] * 4)


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        ((1, 1), {}),
        ((0, 1), {0.000333333: ["a"]}),
        ((2, 2), {0.0333333: ["a", "b"]}),
        ((2, 0), {0.000333333: ["b"], 0.0333333: ["a"]}),
    ],
)
def test_the_rate_one_beyond_each_edge_that_is_best(places, wanted):
    """Of rates .001, .003 and .01: the step is the neighbour's."""
    results = study(*(best_at(name, place) for name, place in zip("ab", places, strict=True)))
    assert rates_beyond(results) == wanted


def test_best_is_over_all_seeds_pooled():
    """As it is reported, the third seed has its rate from the first two: inside; and the two have theirs by a tie."""
    inside, edge = [NEVER, 200, NEVER], [200, 200, NEVER]
    assert rates_beyond(study(model("a", [inside, inside, edge]))) == {}
    assert rates_beyond(study(model("a", [edge, edge, edge]))) == {0.000333333: ["a"]}  # ties go to the smaller rate


def test_the_command_goes_on_until_no_best_rate_is_on_an_edge(tmp_path, monkeypatch, capsys):
    """More seeds train what was added, and ask no more; more rates to add do."""
    rounds, beyond = [], iter([{0.009: ["transformer", "gru"]}, {}, {}])

    def train(plan, directory, *_):
        rounds.append(directory)
        fill(directory, plan)

    monkeypatch.setattr(comparison, "_train", train)
    monkeypatch.setattr("attn_jax.lab.widening.rates_beyond", lambda results: next(beyond))
    comparison.compare(tiny(widen=2), workdir=tmp_path, platform="cpu")
    assert len(rounds) == 2
    assert "the best rate of transformer and gru is on the edge: 0.009 joins the grid" in capsys.readouterr().out
    facts = read_study(tmp_path)
    assert facts["widened"] == {"rates": [0.009], "settled": True}
    assert sorted(run for block in facts["runs"]["gru"] for run in block)[2::3] == [[0, 0.009], [1, 0.009]]
    results = load(tmp_path)
    assert results.models["gru"].learning_rates == (1e-3, 3e-3, 0.009)
    np.testing.assert_array_equal(results.models["gru"].diverged, [[False, False, True], [True, False, False]])
    assert summarize(results)["widened_rates"] == [0.009]
    assert results.looks == (2,)
    comparison.compare(tiny(widen=2, seeds=3), workdir=tmp_path, platform="cpu")
    assert len(rounds) == 3
    runs = [run for block in read_study(tmp_path)["runs"]["gru"] for run in block]
    assert runs[6:] == [[2, 1e-3], [2, 3e-3], [2, 0.009]]
    assert next(beyond) == {}
    beyond = iter([{0.0003: ["gru"]}, {}])
    comparison.compare(tiny(widen=3, seeds=3), workdir=tmp_path, platform="cpu")
    assert read_study(tmp_path)["widened"] == {"rates": [0.009, 0.0003], "settled": True}
    assert "grows by what the grid is widened by, 2 -> 3 rates; what" in capsys.readouterr().out


def test_at_most_so_many_rates_and_none_unasked(tmp_path):
    grid = {"learning_rates": (3e-3, 1e-2)}
    write_study(tmp_path, tiny(**grid))
    assert widen(tmp_path) is None
    write_study(tmp_path, tiny(**grid, widen=1))
    assert "0.0333333 joins" in widen(tmp_path)
    write_study(tmp_path, tiny(**grid, widen=1))
    assert widen(tmp_path) is None
    assert read_study(tmp_path)["widened"] == {"rates": [0.0333333], "settled": True}


def test_what_a_grid_may_come_to_is_asked_about(tmp_path, monkeypatch):
    asked = []

    def demand(facts, layout, models):
        asked.append(len(facts["runs"]["gru"]))
        return Demand(1.0, 1.0, 1.0)

    monkeypatch.setattr("attn_jax.lab.run.confirmed.demand", demand)
    plan = StudyPlan(tiny(widen=2))
    with opened(tmp_path, plan, layout_of(plan)):
        assert [len(block) for block in read_study(tmp_path)["runs"]["gru"]] == [4]
    assert asked[0] == 2


def test_one_rate_has_no_step_to_take():
    with pytest.raises(ConfigError, match=r"train\.widen: got 1 with one learning rate, wanted two"):
        replace(TrainConfig(), learning_rates=(1e-3,), widen=1)
