"""A sweep that is trained: killed, gone on with, and equal in every bit to a study of it that is run alone."""

import json
from dataclasses import replace

import pytest
from processes import CLOCK, alive, finish, kill_group, rows, start, wait_for
from tiny_study import get_config
from written_sweep import begin_sweep

from attn_jax.config import EvaluateConfig, Sweep, TrainConfig
from attn_jax.config.codec import to_json
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.programs import program_key
from attn_jax.lab.run.session import work
from attn_jax.lab.run.sweep_session import sweep_jobs
from attn_jax.training.probes import GradientFlow

CONFIG = """
from dataclasses import replace
from tiny_study import get_config as tiny
from attn_jax.config import Sweep

def get_config():
    study = tiny()
    return Sweep(study, axes={"models.transformer.d_model": (4, 8)})
"""


@pytest.mark.exhaustive
def test_points_that_differ_in_seeds_and_rates_compile_once(tmp_path, compiles):
    study = get_config()
    study = replace(
        study,
        models={"gru": replace(study.models["gru"], d_model=4)},
        train=TrainConfig(3, batch_size=2, lengths=(2, 3), seeds=1, learning_rates=(1e-3,)),
        evaluate=EvaluateConfig(every=1, num_examples=4, lengths=(2,)),
        probes=(GradientFlow(num_places=2),),
    )
    sweep = Sweep(study, {"train.learning_rates": ((1e-3,), (3e-3,)), "train.first_seed": (0, 5)})
    points, opening = begin_sweep(tmp_path, sweep)
    with opening as layouts:
        first, *others = sweep_jobs(tmp_path, points, layouts)
        assert compiles(work, first, Terms()) >= 3
        assert len(others) == 3
        assert sum(compiles(work, job, Terms()) for job in others) == 0
        assert not sweep_jobs(tmp_path, points, layouts)
    found = [json.loads(line) for path in tmp_path.rglob("metrics.jsonl") for line in path.read_text().splitlines()]
    assert len({str(row["test"]["loss"]) for row in found if "test" in row}) == 4
    assert [row["compile_seconds"] > 0 for row in found if "start" in row].count(True) == 1


def test_a_worker_keeps_the_programs_of_two_models_of_one_study_apart():
    """Whatever else their jobs have in common."""
    study = to_json(get_config())
    assert program_key(study, "gru", "{}", (4, 1, 2)) != program_key(study, "transformer", "{}", (4, 1, 2))
    assert program_key(study, "gru", "{}", (4, 1, 2)) == program_key(study, "gru", "{}", (4, 1, 2))


@pytest.mark.exhaustive
def test_it_dies_goes_on_and_equals_a_study_alone(tmp_path):
    config = tmp_path / "config.py"
    config.write_text(CONFIG)
    (tmp_path / "tiny_study.py").write_text((start.__globals__["CONFIG"]).read_text())
    directory = tmp_path / "sweep"
    process = start(directory, config=config)
    wait_for(lambda: rows(directory) >= 12, what="the first chunks")
    kill_group(process)
    finish(process)
    assert not alive(process.pid)
    process = start(directory, config=config)
    before = rows(directory)
    wait_for(lambda: rows(directory) >= before + 4, what="the next chunks")
    process.send_signal(2)
    code, output = finish(process)
    assert code == 75, output
    code, output = finish(start(directory, config=config))
    assert code == 0, output
    assert "d_model=8" in output
    code, output = finish(start(directory, config=config))
    assert code == 0, output
    assert "already trained" in output
    alone, at = tmp_path / "alone", directory / "points" / "d_model=8"
    code, output = finish(start(alone, config=at / "study.json"))
    assert code == 0, output
    assert numbers(at) == numbers(alone)


def numbers(directory):
    """The last row of each step of each block, less what a clock decides."""
    found = {}
    for path in directory.glob("blocks/*/metrics.jsonl"):
        for row in map(json.loads, path.read_text().splitlines()):
            if "step" in row or "test" in row:
                kept = {key: value for key, value in row.items() if key not in CLOCK}
                found[path.parent.name, row.get("step", "test")] = kept
    return found
