"""What a study would take, before it is trained: sizes from its plan, time from a few steps of every model."""

import heapq
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from attn_jax.blame import in_sentences
from attn_jax.config import Study
from attn_jax.config.codec import to_json
from attn_jax.errors import ConfigError
from attn_jax.lab.comparison import loaded
from attn_jax.lab.plan.contracts import check_contracts
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.record.runs import Run, in_blocks
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.rehearsal import Rehearsed, rehearse
from attn_jax.lab.run.session import Layout
from attn_jax.lab.workers import executor_here, layout_here
from attn_jax.platforms import Platform, select_platform

# What is not tried out is guessed; scripts/bench_plan.py holds it against whole studies. The command and the page
# take parts of the time that a worker takes to start, which loads Python, jax and this package too.
_COMMAND_STARTS = 0.7
_PAGE_STARTS = 1.6  # results read and summarised, the figures, their packages loaded
_RUN_SECONDS = 5e-4  # each run is read and summarised
_CHUNK_SECONDS = 0.02  # a line and a checkpoint written
_PRINTED = 20  # bytes of a number in metrics.jsonl
_PROGRAM_BYTES = 5e5  # of a model's compiled programs on disk
_PAGE_BYTES = 2e5
_BLOCK_FILES, _STUDY_FILES, _PROGRAMS = 2, 6, 3  # beside checkpoints; beside blocks; of a model
_KEPT = 2  # checkpoints of a block


@dataclass(frozen=True)
class ModelEstimate:
    """One model of a study, matched, and what it takes.

    Args:
      description to train_flops_per_step: as in study.json.
      compile_seconds: of its programs, once.
      step_seconds: of one run, on one worker.
      evaluation_seconds: of one run at each evaluation.
      test_seconds: of one run, at the end, at all lengths.
    """

    description: str
    parameters: int
    parameters_matched: int
    match_note: str | None
    state_bytes: int
    train_flops_per_step: float | None
    compile_seconds: float
    step_seconds: float
    evaluation_seconds: float
    test_seconds: float


@dataclass(frozen=True)
class StudyEstimate:
    """What a study takes from the command to its page, were it begun now in a folder of its own.

    Args:
      study: its name.
      runs: of all models.
      blocks: of runs that are trained together, of all models.
      width: runs a block.
      workers: that share the blocks.
      models: by name.
      memory: bytes of one worker; on an accelerator, of the largest program.
      files, disk: how many in the end, and their bytes.
      seconds: by the clock.
    """

    study: str
    runs: int
    blocks: int
    width: int
    workers: int
    models: dict[str, ModelEstimate]
    memory: int
    files: int
    disk: int
    seconds: float


def plan_of(study: Study | str | Path, *, overrides: Sequence[str] = (), platform: Platform = "auto") -> StudyEstimate:
    """What a study would take: `attn-jax compare --plan` from Python. Trains nothing and writes nothing.

    Every model is compiled and a few of its steps are timed where it would be trained, so it takes about as long as
    compiling them does.

    Args:
      study: a study, or the path of its config file.
      overrides: of a config file's fields, as the command takes them: ["--config.train.steps=500"].
      platform: what to run on: "auto", "cpu", "cuda" or "tpu".

    Raises:
      ConfigError: what is wrong with the study.
      UserError: whatever else would end its comparison with a sentence.

    >>> plan_of("nowhere.py")
    Traceback (most recent call last):
    attn_jax.errors.ConfigError: nowhere.py: no such config file
    """
    began = time.process_time()
    with in_sentences(), planned(partial(_study, study, overrides)) as plan:
        layout = layout_here(plan, select_platform(platform))
        check_contracts(plan, list(plan.study.models))
        facts = study_facts(plan)
        planning = time.process_time() - began
        blocks = in_blocks(plan.runs, layout.width)
        rehearsed, started = _rehearsed(plan.study, layout, blocks[0])
        return _estimate(facts, layout, len(blocks), rehearsed, started, planning)


def _study(study: Study | str | Path, overrides: Sequence[str]) -> Study:
    config = loaded(study, overrides)
    if not isinstance(config, Study):
        raise ConfigError("study: got a Sweep, wanted a Study, one of the sweep's points")
    return config


def _rehearsed(study: Study, layout: Layout, runs: Sequence[Run]) -> tuple[dict[str, Rehearsed], float]:
    """The first block of each model tried out, and how long a worker takes to start."""
    text = to_json(study)
    first = Job(text, json.dumps({}), "", "", 0, tuple(runs), layout.width, layout.num_devices)
    jobs = [replace(first, model=name) for name in study.models]
    executor = executor_here(layout.platform)
    try:
        asked = time.time()
        futures = {job.model: executor.submit(rehearse, job) for job in jobs}
        found = {name: future.result() for name, future in futures.items()}
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    return found, min(one.began for one in found.values()) - asked


def _estimate(
    facts: Mapping[str, Any],
    layout: Layout,
    blocks: int,
    rehearsed: Mapping[str, Rehearsed],
    started: float,
    planning: float,
) -> StudyEstimate:
    train, every = facts["config"]["train"], facts["config"]["evaluate"]["every"]
    chunks, runs, models = train["steps"] // every, train["seeds"] * len(train["learning_rates"]), len(rehearsed)
    kept, tried = min(chunks, _KEPT), rehearsed.values()
    waited = planning + started * (_COMMAND_STARTS + _PAGE_STARTS) + runs * models * _RUN_SECONDS
    return StudyEstimate(
        study=facts["config"]["name"],
        runs=runs * models,
        blocks=blocks * models,
        width=layout.width,
        workers=layout.workers,
        models={name: _model(facts["models"][name], one, layout.width) for name, one in rehearsed.items()},
        memory=max(one.memory for one in tried),
        files=_STUDY_FILES + models * (_PROGRAMS + blocks * (_BLOCK_FILES + kept)),
        disk=round(
            sum(_disk(facts["task"], one, layout.width, blocks, chunks) for one in rehearsed.values()) + _PAGE_BYTES
        ),
        seconds=waited + _trained(rehearsed, layout.workers, blocks, started, chunks, every),
    )


def _disk(task: Mapping[str, Any], one: Rehearsed, width: int, blocks: int, chunks: int) -> float:
    """Bytes of a model's blocks: rows, checkpoints, and its programs."""
    batches = len(task["validation_lengths"]) * (chunks + 1 + len(task["lengths"]))
    printed = width * batches * one.measures * _PRINTED
    return blocks * (printed + min(chunks, _KEPT) * one.state) + _PROGRAM_BYTES


def _model(facts: Mapping[str, Any], one: Rehearsed, width: int) -> ModelEstimate:
    names = ("description", "parameters", "parameters_matched", "match_note", "state_bytes", "train_flops_per_step")
    return ModelEstimate(
        **{name: facts[name] for name in names},
        compile_seconds=one.trace + one.compile,
        step_seconds=one.step / width,
        evaluation_seconds=one.validation / width,
        test_seconds=one.test / width,
    )


def _trained(
    rehearsed: Mapping[str, Rehearsed], workers: int, blocks: int, started: float, chunks: int, every: int
) -> float:
    """When the last block ends: each goes to the first free worker, in the order of `jobs_of`.

    A block that begins after another of its model has compiled finds the programs in the study's cache.
    """
    free, known = [started] * workers, {}
    for _ in range(blocks):
        for name, one in rehearsed.items():
            begins = heapq.heappop(free)
            traced = begins + one.prepare + one.trace
            ready = traced if known.get(name, traced + 1) <= traced else traced + one.compile
            known.setdefault(name, ready)
            chunk = every * one.step + one.validation + _CHUNK_SECONDS
            heapq.heappush(free, ready + chunks * chunk + one.test)
    return max(free)
