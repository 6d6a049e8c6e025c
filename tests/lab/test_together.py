"""Studies and a sweep in one queue of one command: each ends in its own directory, planned and opened as by itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_study import get_config
from written_study import fill, layout_of
from written_sweep import AtOnce

from attn_jax.config import Sweep
from attn_jax.lab import sweeping, together, workers
from attn_jax.lab.loading import load
from attn_jax.lab.run.places.base import Place, Terms
from attn_jax.lab.together import trained_together
from attn_jax.terminal import Terminal


@pytest.mark.exhaustive
def test_each_ends_in_its_own_directory(tmp_path, monkeypatch):
    executor, queues = AtOnce(), []

    def run_jobs(jobs, place, terms, directory, watch):
        queues.append([(Path(job.directory), job.model, job.command) for job in jobs])
        for folder in {Path(job.directory) for job in jobs}:
            fill(folder, plans[folder], lost=None)

    plans = {}
    planned = together.plan_studies

    def plan_studies(studies, executor, terms):
        points = planned(studies, executor, Terms())
        plans.update({point.directory: point.plan for point in points.values()})
        return points

    monkeypatch.setattr(workers, "open_place", lambda *args: Place(executor, 2))
    monkeypatch.setattr(together, "layout_at", lambda place, plan, platform: layout_of(plan))
    monkeypatch.setattr(together, "plan_studies", plan_studies)
    monkeypatch.setattr(sweeping, "run_jobs", run_jobs)
    study = get_config()
    longer = replace(study, name="longer", train=replace(study.train, steps=300))
    sweep = Sweep(replace(study, name="swept"), {"train.steps": (200, 400)})
    configs = {"s": (study, tmp_path / "s"), "l": (longer, tmp_path / "l"), "w": (sweep, tmp_path / "w")}
    command = tmp_path / "command"
    command.mkdir()
    for _ in range(2):  # the second time nothing is left to do
        with trained_together(configs, command, platform="cpu", console=Terminal()):
            assert load(tmp_path / "s").budget == 200
            assert load(tmp_path / "l").budget == 300
            assert [point.budget for point in load(tmp_path / "w").points.values()] == [200, 400]
    (queue,) = queues
    assert {at.relative_to(tmp_path).parts[0] for at, _, _ in queue} == {"s", "l", "w"}
    assert {job_command for _, _, job_command in queue} == {command}
