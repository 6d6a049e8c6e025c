"""A finished study's directory as workers leave it, without training."""

import copy
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from tiny_study import get_config

from attn_jax.lab.plan import facts
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, write_json
from attn_jax.lab.record.runs import padded, whole_grid
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run import session
from attn_jax.lab.run.block import is_done


def layout_of(plan, **changes):
    return session.choose_layout(plan, **({"platform": "cpu", "workers": 2, "num_devices": 1} | changes))


def tiny(**train):
    study = get_config()
    return replace(study, train=replace(study.train, **train))


_GRID = ("steps", "seeds", "first_seed", "learning_rates", "widen")  # of no program that is counted
_counted = {}


def counted_once(plan, name, count=facts._model_facts):
    """What is true of a model, which takes a second, once a process for studies that differ in their grids alone."""
    study = plan.study
    train = {key: value for key, value in vars(study.train).items() if key not in _GRID}
    classes = [type(mixer) for model in study.models.values() for mixer in getattr(model, "mixers", ())]
    key = repr(vars(study) | {"name": name, "train": train}), *classes, facts.depth_growth
    if key not in _counted:
        _counted[key] = count(plan, name)
    return copy.deepcopy(_counted[key])


def facts_counted_once():
    """A context in which studies are planned so."""
    return patch.object(facts, "_model_facts", counted_once)


@contextmanager
def opened(directory, plan, layout, **options):
    """As the session opens a study."""
    with facts_counted_once(), session.opened(directory, plan, layout, **options) as found:
        yield found


def write_study(directory, study=None):
    """A study directory as workers leave it, with an accuracy of .5 + .1 * run at every place; the third diverged."""
    plan = StudyPlan(get_config() if study is None else study)
    with opened(directory, plan, layout_of(plan)):
        fill(directory, plan)
    return plan


def fill(directory, plan, accuracy=lambda name, run: 0.5 + 0.1 * run, lost=2):
    """Writes the blocks that are not done; the run `lost` diverged."""
    write_json(directory / "environment.json", {"versions": {}, "numbers": recorded()})
    study, written = plan.study, read_study(directory)
    blocks = plan.block_plan(study.reference_name)
    validated, tested = len(blocks.validation_lengths), len(blocks.test_lengths)
    grid = whole_grid(written)
    for name in study.models:
        for k, runs in enumerate(written["runs"][name]):
            folder = directory / "blocks" / f"{name}-{k}"
            if is_done(folder, plan):
                continue
            folder.mkdir(parents=True, exist_ok=True)
            index = [grid.index(tuple(run)) for run in padded(runs, written["width"])]
            metric = [[accuracy(name, run)] * validated for run in index]
            diverged = [run == lost for run in index]
            for step in range(10, study.train.steps + 1, 10):
                row = {"loss": metric, "metric": metric, "whole": metric}
                chunk = {"step": step, "seconds": 1.0, "train_loss": [0.0] * written["width"]}
                append_row(folder / "metrics.jsonl", chunk | {"diverged": diverged, "validation": row})
            scores = [[accuracy(name, run)] * tested for run in index]
            test = {"test": {"loss": scores, "metric": scores, "whole": scores}}
            end = {"after": study.train.steps, "lengths": [*plan.curve_lengths]}
            append_row(folder / "metrics.jsonl", test | end)
