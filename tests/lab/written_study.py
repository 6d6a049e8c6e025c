"""A finished study's directory as workers leave it, without training."""

from tiny_study import get_config

from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, write_json
from attn_jax.lab.run.session import choose_layout, opened


def layout_of(plan, **changes):
    return choose_layout(plan, **({"platform": "cpu", "workers": 2, "num_devices": 1} | changes))


def write_study(directory):
    """A study directory as workers leave it, with an accuracy of .5 + .1 * run at every place."""
    plan = StudyPlan(get_config())
    with opened(directory, plan, layout_of(plan)) as layout:
        write_json(directory / "environment.json", {"versions": {}})
        study = plan.study
        runs = plan.num_runs
        blocks = plan.block_plan(study.reference_name)
        validated, tested = len(blocks.validation_lengths), len(blocks.test_lengths)
        for name in study.models:
            for k in range(layout.blocks):
                folder = directory / "blocks" / f"{name}-{k}"
                folder.mkdir(parents=True)
                index = [min(k * layout.width + lane, runs - 1) for lane in range(layout.width)]
                metric = [[0.5 + 0.1 * run] * validated for run in index]
                diverged = [run == 2 for run in index]
                for step in range(10, 201, 10):
                    row = {"loss": metric, "metric": metric, "whole": metric}
                    chunk = {"step": step, "seconds": 1.0, "train_loss": [0.0] * layout.width}
                    append_row(folder / "metrics.jsonl", chunk | {"diverged": diverged, "validation": row})
                scores = [[0.5 + 0.1 * run] * tested for run in index]
                append_row(folder / "metrics.jsonl", {"test": {"loss": scores, "metric": scores, "whole": scores}})
    return plan
