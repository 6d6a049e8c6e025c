"""Probes of a study: they change no bit, come late where they can, and are read once however often they were begun."""

import json
import shutil
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
from tiny_study import get_config

from attn_jax.config.codec import fingerprint, from_dict, from_json, to_dict, to_json
from attn_jax.config.overrides import override
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab import load
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, read_rows, write_json
from attn_jax.lab.run.block import run_block
from attn_jax.lab.run.session import Layout, jobs_of, opened
from attn_jax.training.probes import AttentionMaps, GradientFlow, GradientNorms, Probe, ProbeConfig

FLOW, EARLY = GradientFlow(num_places=4, num_examples=2), GradientFlow(when=("start",), num_places=4)


@dataclass(frozen=True)
class Norm(ProbeConfig):
    """The norm of all parameters, a probe of one's own."""

    def make(self, model, objective):
        del model, objective
        return Probe(measure, self.when, self.num_examples)


def measure(params, batch, key):
    leaves = [jnp.sum(leaf**2) for leaf in (params["readout"]["w"], params["readout"]["b"])]
    return {"norm": jnp.sqrt(sum(leaves)), "nothing": jnp.nan}


def study_with(*probes, steps=30):
    tiny = get_config()
    train = replace(tiny.train, steps=steps, learning_rates=(1e-3,))
    return replace(tiny, models={"gru": replace(tiny.models["gru"], d_model=4)}, train=train, probes=probes)


def train(directory, study, *, stop_after=None):
    """Trains in this process; how many blocks there were to do."""
    plan, layout, asked = StudyPlan(study), Layout(2, 1, "cpu", 1), []
    with opened(directory, plan, layout):
        write_json(directory / "environment.json", {"numbers": recorded()})
        jobs = jobs_of(plan, directory, layout, list(study.models))
        for job in jobs:
            run_block(job, lambda: asked.append(1) is None and stop_after is not None and len(asked) > stop_after)
    return len(jobs)


def metrics(directory):
    return directory / "blocks" / "gru-0" / "metrics.jsonl"


def scores(directory):
    """All that is not a probe's and not the clock's."""
    rows = [row for row in read_rows(metrics(directory)) if "probe" not in row and "start" not in row]
    clock = {"seconds", "cpu_seconds", "load"}
    return [{key: value for key, value in row.items() if key not in clock} for row in rows]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    directory = tmp_path_factory.mktemp("probing") / "plain"
    assert train(directory, study_with()) == 1
    return directory


@pytest.mark.programs(60)
@pytest.mark.exhaustive
def test_a_finished_study_gains_probes_and_keeps_its_bits(plain):
    before = scores(plain)
    assert train(plain, study_with(FLOW, Norm())) == 1
    assert train(plain, study_with(FLOW, Norm())) == 0
    assert scores(plain) == before
    results = load(plain)
    rows = results.probes()
    assert {(row["probe"], row["step"]) for row in rows} == {(p, s) for p in ("gradient_flow", "Norm") for s in (0, 30)}
    norms = [row["value"] for row in rows if row["name"] == "norm" and row["step"] == 30]
    readouts = [results.model("gru", seed=seed)[1]["readout"] for seed in (0, 1)]
    want = [np.sqrt(sum(np.sum(np.square(leaf)) for leaf in readout.values())) for readout in readouts]
    np.testing.assert_allclose(norms, want, rtol=1e-5)
    assert {row["value"] for row in rows if row["name"] == "nothing"} == {None}
    # other options measure anew, and only the last ones are read
    assert train(plain, study_with(EARLY)) == 1
    assert {(row["probe"], row["step"]) for row in load(plain).probes()} == {("gradient_flow", 0)}
    # what was torn off while it was written is written again, on a line of its own
    torn = metrics(plain).read_bytes().splitlines(keepends=True)
    assert b'"probe"' in torn[-1]
    metrics(plain).write_bytes(b"".join(torn[:-1]) + torn[-1][:40])
    assert train(plain, study_with(EARLY)) == 1
    assert len(load(plain).probes()) == 2 * (1 + 4)  # two runs: a slope, and a gradient at four places
    with pytest.raises(ConfigError, match="probes: gradient_norms is to be measured at every evaluation"):
        train(plain, study_with(EARLY, GradientNorms()))


@pytest.mark.exhaustive
@pytest.mark.programs(60)
def test_probes_of_every_evaluation_change_no_bit_and_survive_a_stop(plain, tmp_path):
    study = study_with(GradientNorms(num_examples=2), AttentionMaps())
    assert train(tmp_path / "probed", study, stop_after=2) == 1
    assert train(tmp_path / "probed", study) == 1
    assert scores(tmp_path / "probed") == scores(plain)
    rows = load(tmp_path / "probed").probes()
    assert [row["step"] for row in rows if row["name"] == "all" and row["seed"] == 0] == [0, 10, 20, 30]
    maps = {row["name"].partition(".")[0] for row in rows if row["probe"] == "attention_maps"}
    assert maps == {"layer_0/keep", "layer_0/reset"}  # of a GRU no weights
    grown = study_with(GradientNorms(num_examples=2), FLOW, steps=40)
    assert train(tmp_path / "probed", grown) == 1
    rows = [row for row in load(tmp_path / "probed").probes() if row["name"] in ("all", "slope") and row["seed"] == 0]
    assert [row["step"] for row in rows] == [0, 10, 20, 30, 40, 0, 40]


@pytest.mark.exhaustive
def test_without_its_last_checkpoint_a_study_gains_none_of_its_end(plain, tmp_path):
    copy = shutil.copytree(plain, tmp_path / "copy")
    (copy / "blocks" / "gru-0" / "checkpoints" / "30.npz").unlink()
    with pytest.raises(MachineError, match="checkpoint of step 30 is gone"):
        train(copy, study_with(GradientFlow(when=("end",), num_places=5)))


def test_rows_that_are_no_arrays_are_damaged(plain, tmp_path):
    copy = shutil.copytree(plain, tmp_path / "copy")
    train(copy, study_with(EARLY))
    config = json.loads((copy / "study.json").read_text())["config"]["probes"][0]
    append_row(
        metrics(copy), {"probe": "gradient_flow", "at": 0, "config": config, "values": {"a": [[1.0], [1.0, 2.0]]}}
    )
    with pytest.raises(ConfigError, match="a probe's values are no array"):
        load(copy)
    row = {"probe": "gradient_flow", "at": 0, "config": config}
    append_row(metrics(copy), row | {"values": {"a": [[1.0], [1.0, 2.0]]}})
    with pytest.raises(ConfigError, match="a probe's values are no array"):
        load(copy)
    append_row(metrics(copy), row | {"values": {"a": [1.0]}})
    with pytest.raises(ConfigError, match="probe gradient_flow has not 2 runs"):
        load(copy)


def test_a_config_with_probes_comes_back_and_is_the_same_study():
    study = study_with(FLOW, GradientNorms(), Norm(num_examples=3))
    assert from_json(to_json(study)) == study
    assert fingerprint(study) == fingerprint(study_with())
    assert from_dict(to_dict(study_with(FLOW))) == study_with(FLOW)
    asked = override(study_with(), ["--config.probes=gradient_flow,attention_maps", "--config.probes.1.most=8"])
    assert asked.probes == (GradientFlow(), AttentionMaps(most=8))
    with pytest.raises(ConfigError, match="probes: got gradient_flow twice"):
        study_with(FLOW, EARLY)
    with pytest.raises(ConfigError, match="did you mean gradient_flow"):
        override(study_with(), ["--config.probes=gradient_flo"])
