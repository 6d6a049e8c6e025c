"""Which of a small transformer and a small LSTM rises above each task's floor within a minute on two cores.

    python scripts/smoke_tasks.py [--tasks NAME ...] [--seconds 50] [--cores 0 1] [--page docs/task_smoke.md]

Each model trains on one pinned core, two seeds at two learning rates in one program, until both seeds of a rate have
solved the task or its CPU time is over, compiling included. Rows are kept in results/smoke_tasks.jsonl: a run that was
stopped goes on, a task named by --tasks is run again. The page is written from the rows.
"""

import argparse
import datetime
import importlib
import json
import os
import platform
import time
from concurrent.futures import as_completed
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from script_words import count, to_write

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.places.prepare import prepare
from attn_jax.lab.run.places.processes import PinnedProcesses
from attn_jax.mixers import LSTM, Attention
from attn_jax.models import ModelConfig
from attn_jax.platforms import cpu_cores
from attn_jax.tasks import TASKS, Task

ROWS = Path("results/smoke_tasks.jsonl")
MODELS = {
    "transformer": ModelConfig(d_model=32, mixers=(Attention(num_heads=2),), positions="sinusoidal"),
    "lstm": ModelConfig(d_model=32, mixers=(LSTM(),), norm="none"),
}
RISEN = 0.05  # the normalised score that counts as above the floor, in both seeds: three standard errors in each
NOTES = """
## Where nothing has risen, and why
Each was looked into with one seed at rates of 1e-3 and 3e-3, the better one told (2026-11-23, one core each):

- **Group words of 60 and 120 elements.** Learnt, and slowly: a table of 3,600 or 14,400 products is to be stored in the
  weights before a whole word comes out right. An LSTM of width 128 on words of 2 to 6 has .39 after 3,750 steps (104
  s) and is still rising; six elements (`group_s3`) are solved in the minute.
- **Modular sum, asked once at the end.** On 1 to 6 numbers the LSTM of the table has .99 after 1,000 steps (34 s); on 1
  to 20 it has not begun. Asked at every number (`modular_sum_steps`), the same network solves it.
- **Modular table.** Grokking, which asks for weight decay and time: with decay 1 instead of .01 and batches of 256, a
  transformer of width 64 has .998 on held-out equations after 1,250 steps (62 s).
- **Multiset.** The floor knows whether both halves hold the same kinds of symbols, and both models start below it. The
  transformer of the table has .84 after 4,250 steps (97 s); an LSTM of width 64 is still below after 2,500 (94 s).
- **Lookups.** Both have risen, and neither looks up: a tenth above place and length is what saying the commonest letter
  is worth. A transformer of width 64 has .98 on `suffix_lookup` after 2,750 steps (131 s).
"""
_STEPS, _EVERY, _SEEDS, _RATES = 1000, 50, 2, (3e-3, 1e-2)
_TEST_LENGTHS, _TEST_BATCH = 8, 512


def main() -> None:
    """Runs what is missing and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=None, metavar="NAME")
    parser.add_argument("--seconds", type=count, default=50.0, help="a model's time on one core")
    parser.add_argument("--cores", nargs="+", type=int, choices=cpu_cores(), default=[0, 1])
    parser.add_argument("--page", type=to_write, default=Path("docs/task_smoke.md"))
    options = parser.parse_args()
    kept = {(row["task"], row["model"]): row for row in read_rows(ROWS) if row["task"] in TASKS}
    wanted = [(t, m) for t in options.tasks or TASKS for m in MODELS if options.tasks or (t, m) not in kept]
    with PinnedProcesses(options.cores) as executor:
        own = importlib.import_module("smoke_tasks").smoke  # workers import modules, and run no script again
        for job in as_completed([executor.submit(own, *job, options.seconds) for job in wanted]):
            row = job.result()
            kept[row["task"], row["model"]] = row
            print(json.dumps(row), flush=True)
            ROWS.parent.mkdir(exist_ok=True)
            ROWS.write_text("".join(json.dumps(row) + "\n" for row in kept.values()), encoding="utf-8")
    options.page.write_text(page(list(kept.values())), encoding="utf-8")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of earlier runs."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def smoke(task: str, model: str, seconds: float) -> dict[str, Any]:
    """Trains one model on one task for so long, and scores it on fresh test data."""
    import jax
    import jax.numpy as jnp

    from attn_jax.training.loop import compile_programs, run_chunks, start_runs

    prepare(Terms("cpu"))
    began = time.process_time()
    plan = StudyPlan(study_of(task, model))
    block_plan, chosen = plan.block_plan(model), plan.task
    seeds, rates = (jnp.array(values) for values in zip(*plan.runs, strict=True))
    with jax.default_matmul_precision("float32"):
        state = start_runs(block_plan, seeds.astype(jnp.int32), rates.astype(jnp.float32))
        programs = compile_programs(block_plan, state, 1)
        chunks: list[Any] = []
        goes_on = partial(_goes_on, chunks, chosen, block_plan.validation_lengths, began + 0.9 * seconds)
        run_chunks(programs, state, start=0, steps=_STEPS, every=_EVERY, after=goes_on)
        scores = _test_scores(chosen, block_plan.objective, chunks[-1].state, plan.train_lengths)
    validation = _scores(chosen, block_plan.validation_lengths, chunks[-1].validation).reshape(_SEEDS, -1)
    rate = int(np.nanargmax(np.append(np.nanmean(validation, axis=0), -np.inf)[:-1]))
    return {
        "task": task,
        "model": model,
        "scores": [round(float(score), 3) for score in scores.reshape(_SEEDS, -1)[:, rate]],
        "rate": _RATES[rate],
        "steps": chunks[-1].step,
        "seconds": round(time.process_time() - began, 1),
        "date": datetime.date.today().isoformat(),
    }


def study_of(task: str, model: str) -> Study:
    """The study a model's programs are planned by."""
    return Study(
        name="smoke",
        task=TASKS[task],
        models={model: MODELS[model]},
        train=TrainConfig(_STEPS, batch_size=32, seeds=_SEEDS, learning_rates=_RATES, warmup_steps=50),
        evaluate=EvaluateConfig(every=_EVERY, num_examples=128, lengths=(TASKS[task].make().spec.train_lengths[1],)),
    )


def _goes_on(chunks: list[Any], task: Task, lengths: tuple[int, ...], end: float, chunk: Any) -> bool:
    """Whether there is time left and no rate at which both seeds are beyond the threshold."""
    chunks[:] = [chunk]
    threshold = task.spec.threshold
    scores = _scores(task, lengths, chunk.validation).reshape(_SEEDS, -1)
    solved = threshold is not None and (scores >= max(threshold, 0.99)).all(axis=0).any()
    return not solved and time.process_time() < end


def _test_scores(task: Task, objective: Any, state: Any, lengths: tuple[int, ...]) -> np.ndarray:
    """[R] normalised scores on fresh test data, over the lengths trained on."""
    import jax

    from attn_jax.training.evaluate import evaluate, spread_lengths

    spread = spread_lengths(lengths, min(_TEST_LENGTHS, len(lengths)))
    score = partial(
        evaluate, objective, lengths=spread, split="test", batch_size=_TEST_BATCH * _TEST_LENGTHS // len(spread)
    )
    return _scores(task, spread, jax.device_get(jax.jit(jax.vmap(score))(state.params, state.seed)))


def _scores(task: Task, lengths: tuple[int, ...], evaluation: Any) -> np.ndarray:
    """[R] (metric - chance) / (best - chance), each length by its own floors, averaged."""
    metric = np.asarray(evaluation["metric"].total) / np.asarray(evaluation["metric"].number)
    floors = [task.floors(length) for length in lengths]
    chance = np.array([found[task.spec.chance].value for found in floors])
    best = np.array([task.spec.best_value(found) for found in floors])
    return ((metric - chance) / (best - chance)).mean(axis=-1)


def page(rows: list[dict[str, Any]]) -> str:
    """The page: one line a task."""
    found = {(row["task"], row["model"]): row for row in rows}
    dates = sorted({row["date"] for row in rows})
    head = f"""# Smoke: what rises above its floor in a minute

Written by `python scripts/smoke_tasks.py`, {" to ".join(sorted({dates[0], dates[-1]}))}, {os.cpu_count()} cores
({platform.machine()}), Python {platform.python_version()}, jax {version("jax")}. A small transformer and a small LSTM
(2 layers, width 32), one pinned core each, at most a minute with compiling; two seeds at the learning rate that
validates best of {_RATES[0]:g} and {_RATES[1]:g}. A score is 0 at the task's floor and 1 at the best possible, on fresh
test data of the lengths trained on; bold where both seeds are above {RISEN}. Below 0 a model does worse than the
floor's predictor. It says that a task can be learnt here, not which model is better: for that there are studies.

| task | floor | transformer | steps | LSTM | steps |
|---|---|---|---|---|---|
"""
    lines = []
    for task in TASKS:
        cells = [cell for model in MODELS for cell in _cells(found.get((task, model)))]
        lines.append(f"| {task} | {_floor(task)} | {' | '.join(cells)} |\n")
    return head + "".join(lines) + NOTES


def _floor(task: str) -> str:
    made = TASKS[task].make()
    name = made.spec.chance
    return f"{name} {made.floors(made.spec.train_lengths[1])[name].value:.3g}"


def _cells(row: dict[str, Any] | None) -> tuple[str, str]:
    if row is None:
        return ("not run", "")
    scores = " ".join(f"{score:.2f}" for score in row["scores"])
    return (f"**{scores}**" if min(row["scores"]) > RISEN else scores, f"{row['steps']}")


if __name__ == "__main__":
    main()
