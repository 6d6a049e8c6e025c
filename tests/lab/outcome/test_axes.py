"""Time to solve in other units, by hand; where two models change places; what the rows say of the machine."""

import json

import numpy as np
import pytest
from test_summary import NEVER, model, study
from written_study import write_study

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.lab.outcome.axes import flips_note, to_solve
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.models import Transformer
from attn_jax.tasks import Copy

STEPS = np.array([200.0, 300, np.inf, 100])


def means(**changes):
    return to_solve(study(made := model("a", [[200]] * 4), **changes), made, STEPS)


def test_units_by_hand():
    train = {"batch_size": 32, "num_examples": 5000}
    found = means(config={"train": train}, tokens_per_step=320.0)
    mean = (200 + 300 + 800 + 100) / 4
    assert found["samples"].value == mean * 32
    assert found["tokens"].value == mean * 320
    assert found["flops"].value == mean * 9.0e7
    assert found["examples"].value == (5000 * 3 + 3200) / 4  # 6,400 sequences are 5,000 different ones
    assert found["examples"].high <= 5000
    assert all(interval.low <= interval.value <= interval.high for interval in found.values())


def test_no_run_has_more_than_the_budget():
    """Student's interval would end at 951 steps; no run here came to the 800."""
    made = model("a", [[200]] * 4)
    results = study(made, config={"train": {"batch_size": 32}}, tokens_per_step=320.0)
    found = to_solve(results, made, np.array([100.0, 100, 700, 700]))
    for unit, each in (("samples", 32), ("tokens", 320), ("flops", 9.0e7)):
        assert found[unit].high == 800 * each


def test_what_is_not_known_is_left_out():
    assert means(config={"train": {"batch_size": 32, "num_examples": None}}).keys() == {"samples", "flops"}
    made = model("a", [[200]] * 4, train_flops_per_step=None)
    assert to_solve(study(made), made, STEPS) == {}


def test_the_order_by_flops_may_flip():
    a, b = model("a", [[200]] * 8, train_flops_per_step=9e9), model("b", [[300]] * 8, train_flops_per_step=1e9)
    assert flips_note(summarize(study(a, b))) == (
        "By FLOPs the order flips: a takes fewer steps than b (200 against 300) "
        "but more FLOPs (8e+11 against 3e+11, within the 8e+11 a run that both had)."
    )
    unknown = model("b", [[300]] * 8, train_flops_per_step=None)
    assert flips_note(summarize(study(a, unknown))) is None
    never = model("b", [[NEVER]] * 8, train_flops_per_step=1e9)
    assert flips_note(summarize(study(a, never))) is None


def test_seconds_are_the_workers_own_where_a_cpu_computes():
    waiting = summarize(study(model("a", [[200]] * 8, seconds=80.0, cpu_seconds=16.0, load=1.5, cores=2)))
    alone = summarize(study(model("a", [[200]] * 8, seconds=16.0)))
    timing = waiting["timing"]["a"]
    assert timing["restricted_mean_seconds"] == alone["timing"]["a"]["restricted_mean_seconds"]
    assert (timing["seconds"], timing["cpu_seconds"], timing["load"], timing["cores"]) == (80.0, 16.0, 1.5, 2)
    assert {**waiting, "timing": None} == {**alone, "timing": None}


def change_rows(directory, change):
    for path in directory.glob("blocks/*/metrics.jsonl"):
        rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_rows_tell_of_the_machine(tmp_path):
    plan = write_study(tmp_path / "s")
    silent = read_results(tmp_path / "s").models["gru"]
    assert (silent.cpu_seconds, silent.load, silent.cores) == (None, None, None)
    change_rows(tmp_path / "s", lambda row: row | {"cpu_seconds": 0.5, "load": row.get("step", 0) / 10})
    told = read_results(tmp_path / "s")
    blocks = len(list((tmp_path / "s").glob("blocks/gru-*")))
    assert told.models["gru"].cpu_seconds == 0.5 * 20 * blocks
    assert told.models["gru"].load == pytest.approx(10.5)
    assert told.tokens_per_step == plan.study.train.batch_size * np.mean([plan.spec.num_tokens(n) for n in (2, 3, 4)])
    change_rows(tmp_path / "s", lambda row: row | {"cpu_seconds": "much"})
    with pytest.raises(ConfigError, match="is damaged: cpu_seconds is 'much'"):
        read_results(tmp_path / "s")


def test_tokens_of_strings_are_those_of_both_sides():
    train = TrainConfig(60, batch_size=8, lengths=(2, 4))
    models = {"t": Transformer(8, 1, num_heads=2)}
    plan = StudyPlan(Study("s", Copy(), models, train, EvaluateConfig(10, 4, (2, 3)), strings=True))
    assert plan.tokens_per_step == 8 * np.mean([sum(plan.string_places(n)) for n in (2, 3, 4)])
