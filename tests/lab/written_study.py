"""A finished study's directory as workers leave it, without training."""

from dataclasses import replace

from tiny_study import get_config

from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, write_json
from attn_jax.lab.record.runs import padded, whole_grid
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.block import is_done
from attn_jax.lab.run.session import choose_layout, opened


def layout_of(plan, **changes):
    return choose_layout(plan, **({"platform": "cpu", "workers": 2, "num_devices": 1} | changes))


def tiny(**train):
    study = get_config()
    return replace(study, train=replace(study.train, **train))


def write_study(directory, study=None):
    """A study directory as workers leave it, with an accuracy of .5 + .1 * run at every place; the third diverged."""
    plan = StudyPlan(get_config() if study is None else study)
    with opened(directory, plan, layout_of(plan)):
        fill(directory, plan)
    return plan


def fill(directory, plan, accuracy=lambda name, run: 0.5 + 0.1 * run, lost=2):
    """Writes the blocks that are not done; the run `lost` diverged."""
    write_json(directory / "environment.json", {"versions": {}, "numbers": recorded()})
    study, facts = plan.study, read_study(directory)
    blocks = plan.block_plan(study.reference_name)
    validated, tested = len(blocks.validation_lengths), len(blocks.test_lengths)
    grid = whole_grid(facts)
    for name in study.models:
        for k, runs in enumerate(facts["runs"][name]):
            folder = directory / "blocks" / f"{name}-{k}"
            if is_done(folder, plan):
                continue
            folder.mkdir(parents=True, exist_ok=True)
            index = [grid.index(tuple(run)) for run in padded(runs, facts["width"])]
            metric = [[accuracy(name, run)] * validated for run in index]
            diverged = [run == lost for run in index]
            for step in range(10, study.train.steps + 1, 10):
                row = {"loss": metric, "metric": metric, "whole": metric}
                chunk = {"step": step, "seconds": 1.0, "train_loss": [0.0] * facts["width"]}
                append_row(folder / "metrics.jsonl", chunk | {"diverged": diverged, "validation": row})
            scores = [[accuracy(name, run)] * tested for run in index]
            test = {"test": {"loss": scores, "metric": scores, "whole": scores}}
            end = {"after": study.train.steps, "lengths": [*plan.curve_lengths]}
            append_row(folder / "metrics.jsonl", test | end)
