"""Starts: several ways for the same models to begin, trained side by side by one program."""

from dataclasses import replace

import numpy as np
import pytest
from test_growth import open_study
from tiny_study import get_config
from written_study import write_study

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.lab import load
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.starts import check_starts, started
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.block import run_block
from attn_jax.lab.run.session import Layout, jobs_of, opened
from attn_jax.mixers import RNN
from attn_jax.models import classic
from attn_jax.tasks import Parity

RADIUS = "models.rnn.mixers.0.spectral_radius"
STARTS = {"as_it_is": {}, "small": {"models.gru.mixers.0.update_bias": -1.0}}


def short(starts, **mixer):
    models = {"rnn": classic(RNN(**mixer), d_model=4, num_layers=1)}
    train = TrainConfig(30, batch_size=4, lengths=(2, 3), seeds=1, learning_rates=(1e-2,), warmup_steps=5)
    return Study(
        "short", Parity(), models, train, EvaluateConfig(every=10, num_examples=4, lengths=(2,)), starts=starts
    )


def train(directory, study):
    plan = StudyPlan(study)
    with opened(directory, plan, Layout(2, 1, "cpu", 1)) as layout:
        write_json(directory / "environment.json", {"versions": {}, "numbers": recorded()})
        for job in jobs_of(plan, directory, layout, list(study.models)):
            assert run_block(job, lambda: False)
    return load(directory)


@pytest.mark.exhaustive
def test_runs_of_a_start_are_those_of_a_model_that_begins_so(tmp_path):
    """Both starts in one block, bit for bit as in studies of their own, in blocks of the same width."""
    results = train(tmp_path / "both", short({"half": {RADIUS: 0.5}, "one": {RADIUS: 1.0}}))
    assert read_study(tmp_path / "both")["runs"] == {"rnn": [[[0, 1e-2, "half"], [0, 1e-2, "one"]]]}
    for start, radius in (("half", 0.5), ("one", 1.0)):
        alone = train(tmp_path / start, short({}, spectral_radius=radius)).models["rnn"]
        found = results.models[f"rnn@{start}"]
        for field in ("score", "final", "length_score"):
            np.testing.assert_array_equal(getattr(found, field), getattr(alone, field))
        for one, other in zip(found.measured["loss"], alone.measured["loss"], strict=True):
            np.testing.assert_array_equal(one, other)
        params = results.model(f"rnn@{start}", seed=0)[1]
        wanted = load(tmp_path / start).model("rnn", seed=0)[1]
        assert str(params) == str(wanted)
    loss = [results.models[f"rnn@{start}"].measured["loss"].validation for start in ("half", "one")]
    assert (loss[0] != loss[1]).all()


def with_starts(starts):
    return replace(get_config(), starts=starts)


def test_each_start_has_its_rates_its_rows_and_its_comparisons(tmp_path):
    write_study(tmp_path, with_starts(STARTS))
    assert read_study(tmp_path)["runs"]["gru"][0][:4] == [[s, r, "as_it_is"] for s in (0, 1) for r in (1e-3, 3e-3)]
    results = load(tmp_path)
    assert [*results.models] == ["transformer@as_it_is", "transformer@small", "gru@as_it_is", "gru@small"]
    heads = [(row["model"], row["start"], row["seed"]) for row in results.runs() if row["learning_rate"] == 1e-3]
    assert heads[4:] == [("gru", start, seed) for start in STARTS for seed in (0, 1)]
    np.testing.assert_allclose(results.models["gru@small"].score[..., 0], [[0.8, 1.0], [1.2, 1.4]], atol=1e-12)
    summary = summarize(results)
    assert {(row["a"], row["b"]) for row in summary["comparisons"]} == {
        (f"gru@{start}", f"transformer@{start}") for start in STARTS
    }
    assert summary["models"]["gru@small"]["start"] == "small"
    assert "no difference from transformer of the same start" in summary["verdict"]


def test_more_starts_and_no_others(tmp_path, capsys):
    write_study(tmp_path, with_starts(STARTS))
    more = STARTS | {"large": {"models.gru.mixers.0.update_bias": 2.0}}
    open_study(tmp_path, with_starts(more))
    assert "grows by start large; what" in capsys.readouterr().out
    assert sum(map(len, read_study(tmp_path)["runs"]["gru"])) == 12
    with pytest.raises(ConfigError, match=r"starts.small.*update_bias: -1.0 -> 1.0"):
        open_study(tmp_path, with_starts(more | {"small": {"models.gru.mixers.0.update_bias": 1.0}}))


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        (
            {"wide": {"models.transformer.d_model": 16}},
            "starts.wide: changes what models.transformer computes",
        ),
        (
            {"deep": {"models.gru.num_layers": 2}},
            "starts.deep: changes what models.gru computes",
        ),
        ({"fast": {"train.steps": 9}}, "starts.fast: got 'train.steps', wanted a field of a model: models.<name>...."),
        ({"x": {"models.gru.mixers.0.forget": 1}}, "starts.x: --config.models.gru.mixers.0.forget: no such field"),
        ({"x": {"models.gru.mixers.0.update_bias": "much"}}, "starts.x: --config.models.gru.mixers.0.update-bias: got"),
    ],
)
def test_what_is_more_than_a_start_is_refused(starts, said):
    with pytest.raises(ConfigError, match=f"^{said}"):
        check_starts(StudyPlan(with_starts(starts)))


def test_how_far_inputs_push_is_a_start():
    check_starts(StudyPlan(with_starts({"faint": {"models.gru.embedding_scale": 0.1}})))


def test_a_start_names_a_folder_no_more_than_a_model_does():
    with pytest.raises(ConfigError, match="starts: got 'a/b', wanted letters"):
        with_starts({"a/b": {}})
    plan = StudyPlan(with_starts(STARTS))
    assert started(plan, "small").study.models["gru"].mixers[0].update_bias == -1.0
    assert started(plan, "") is plan
