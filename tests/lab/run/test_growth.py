"""A study that grows: what is there is kept bit for bit, and in the end it is the study that begins so."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_study import get_config
from written_study import layout_of, opened, tiny, write_study

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.errors import ConfigError, MachineError
from attn_jax.files import read_json
from attn_jax.lab import load
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.plan import numerics
from attn_jax.lab.plan.limits import Demand
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import read_rows, write_json
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.block import run_block
from attn_jax.lab.run.session import Layout, jobs_of, unfinished
from attn_jax.mixers import GRU, LSTM
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Parity


def short(steps=30, seeds=2, lengths=(2, 5), models=("gru",), rates=(1e-3, 3e-3)):
    cells = {"gru": classic(GRU(), d_model=4, num_layers=1), "lstm": classic(LSTM(), num_layers=1)}
    train = TrainConfig(steps, batch_size=4, lengths=(2, 3), seeds=seeds, learning_rates=rates, warmup_steps=5)
    evaluate = EvaluateConfig(every=10, num_examples=4, lengths=lengths)
    return Study("short", Parity(), {name: cells[name] for name in models}, train, evaluate)


def train(directory, study, stop=lambda: False):
    """Until it is told to stop, in blocks of six runs."""
    plan = StudyPlan(study)
    with opened(directory, plan, Layout(6, 2, "cpu", 1)) as layout:
        write_json(directory / "environment.json", {"versions": {}, "numbers": recorded()})
        for job in jobs_of(plan, directory, layout, list(study.models)):
            if not run_block(job, stop):
                return


def check_same(results, wanted):
    assert results.models.keys() == wanted.models.keys()
    for name, model in wanted.models.items():
        found = results.models[name]
        for field in ("learning_rates", "score", "diverged", "final", "final_batches", "length_score"):
            np.testing.assert_array_equal(getattr(found, field), getattr(model, field))
        for measure, arrays in model.measured.items():
            for one, other in zip(found.measured[measure], arrays, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.exhaustive
def test_a_grown_study_is_the_study_that_begins_so(tmp_path, capsys):
    """More seeds, steps, lengths and a model, with an interruption on the way.

    A block of four runs and two idle lanes goes on from its last checkpoint; two new runs get a block of their own.
    """
    grown = short(steps=40, seeds=3, lengths=(2, 4, 5), models=("gru", "lstm"))
    train(tmp_path / "s", short())
    path = tmp_path / "s" / "blocks" / "gru-0" / "metrics.jsonl"
    before = path.read_bytes()
    stops = iter([False, True])  # before the first chunk, after it
    train(tmp_path / "s", grown, lambda: next(stops))
    assert "grows by 1 seed, 2 -> 3; 10 steps, 30 -> 40; model lstm; length 4; what" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="not finished: gru, lstm"):
        read_results(tmp_path / "s")
    train(tmp_path / "s", grown)
    assert "grows" not in capsys.readouterr().out
    assert path.read_bytes().startswith(before)
    assert [row["step"] for row in read_rows(path) if "step" in row] == [10, 20, 30, 40]
    assert [[len(block) for block in blocks] for blocks in read_study(tmp_path / "s")["runs"].values()] == [[4, 2], [6]]
    train(tmp_path / "so", grown)
    check_same(read_results(tmp_path / "s"), read_results(tmp_path / "so"))


def open_study(directory, study, **options):
    plan = StudyPlan(study)
    with opened(directory, plan, layout_of(plan), **options):
        return plan


@pytest.mark.exhaustive
def test_more_rates_lie_among_those_that_are_there(tmp_path, capsys):
    """Runs are numbered in the order of their grid when they are written: 0 to 3, then six of which four are kept."""
    write_study(tmp_path)
    write_study(tmp_path, tiny(learning_rates=(1e-4, 1e-3, 3e-3)))
    assert "grows by learning rate 0.0001; what is there is kept" in capsys.readouterr().out
    model = read_results(tmp_path).models["gru"]
    np.testing.assert_allclose(model.score[:, :, 0], [[0, 0, 0.2], [0.6, np.nan, 0.6]], atol=1e-12)
    write_study(tmp_path, tiny(learning_rates=(1e-4, 1e-3, 3e-3), seeds=3, first_seed=0))
    assert [len(block) for block in read_study(tmp_path)["runs"]["gru"]] == [4, 2, 3]


def longer(lengths):
    return replace(get_config(), evaluate=replace(get_config().evaluate, lengths=lengths))


def learned(lengths):
    study = longer(lengths)
    models = {"transformer": replace(study.models["transformer"], positions="learned")}
    return replace(study, models=models)


def without(name):
    study = get_config()
    models = {key: model for key, model in study.models.items() if key != name}
    return replace(study, models=models)


def of_models(*names):
    return replace(get_config(), models={name: ModelConfig(8, 1, (GRU(),)) for name in names}, match=None)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("begun", "then", "said"),
    [
        (get_config(), tiny(seeds=1), "train.seeds: 2 -> 1"),
        (get_config(), tiny(first_seed=1), "train.first_seed: 0 -> 1"),
        (get_config(), tiny(seeds=3, batch_size=8), "train.batch_size: 4 -> 8"),
        (get_config(), tiny(steps=100), "train.steps: 200 -> 100"),
        (tiny(schedule="cosine"), tiny(schedule="cosine", steps=300), "train.steps: 200 -> 300"),
        (get_config(), tiny(learning_rates=(1e-3, 1e-2)), r"train.learning_rates: .* -> \[0.001, 0.01\]"),
        (get_config(), longer((2, 4)), r"evaluate.lengths: \[2, 4, 6\] -> \[2, 4\]"),
        (get_config(), longer((4, 2, 6)), r"evaluate.lengths: \[2, 4, 6\] -> \[4, 2, 6\]"),
        (get_config(), without("gru"), "models.gru: "),
        (of_models("b"), of_models("a", "b"), "models.a: "),  # another reference
        (learned((2, 6)), learned((2, 6, 8)), "lengths: got 8, wanted at most 6: models.transformer was made for that"),
    ],
)
def test_what_is_no_growth_is_refused_and_changes_nothing(begun, then, said, tmp_path):
    open_study(tmp_path, begun)
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(ConfigError, match=said):
        open_study(tmp_path, then)
    assert (tmp_path / "study.json").read_bytes() == before


@pytest.mark.exhaustive
def test_a_longer_length_where_no_model_minds(tmp_path):
    write_study(tmp_path, longer((2, 6)))
    plan = open_study(tmp_path, longer((2, 6, 8)))
    assert unfinished(tmp_path, plan, ["gru"]) == ["gru"]


def test_other_numbers_are_not_grown_and_nothing_is_changed(tmp_path, monkeypatch):
    write_study(tmp_path)
    before = (tmp_path / "study.json").read_bytes()
    monkeypatch.setattr(numerics, "NUMBERS", numerics.NUMBERS + 1)
    with pytest.raises(MachineError, match=r"gives other numbers \(versions.numbers: "):
        open_study(tmp_path, tiny(seeds=3))
    assert (tmp_path / "study.json").read_bytes() == before
    open_study(tmp_path, get_config())  # of which nothing is left to train


@pytest.mark.exhaustive
def test_what_a_study_grows_by_is_asked_about_once(tmp_path, monkeypatch):
    write_study(tmp_path)
    asked = []

    def demand(facts, layout, models):
        asked.append({name: [len(block) for block in facts["runs"][name]] for name in models})
        return Demand(3e6, 1.0, 1.0)

    monkeypatch.setattr("attn_jax.lab.run.confirmed.demand", demand)
    for _ in range(2):
        with pytest.raises(ConfigError, match="would take about 35 days"):
            open_study(tmp_path, tiny(seeds=4), confirmed=False)
    assert asked == [{"transformer": [4], "gru": [4]}] * 2
    for confirmed in (True, False):
        open_study(tmp_path, tiny(seeds=4), confirmed=confirmed)
    assert read_json(tmp_path / "confirmed.json") == ["transformer", "gru"]


def test_looks_are_counted_where_what_is_there_was_finished(tmp_path):
    open_study(tmp_path, get_config())
    open_study(tmp_path, tiny(seeds=3))  # nothing has been seen
    assert read_study(tmp_path)["looks"] == [3]
    write_study(tmp_path, tiny(seeds=3))
    assert load(tmp_path).looks == (3,)
    open_study(tmp_path, tiny(seeds=4))
    open_study(tmp_path, tiny(seeds=4))
    open_study(tmp_path, tiny(seeds=5))  # half grown
    write_study(tmp_path, tiny(seeds=5))
    write_study(tmp_path, tiny(seeds=5, learning_rates=(1e-3, 3e-3, 1e-2)))
    summary = summarize(load(tmp_path))
    assert summary["looks"] == [3, 5, 5]
    assert "at look 3" in summary["verdict"]
