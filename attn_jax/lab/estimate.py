"""What a study would take, before it is trained: sizes from its plan, time from a few steps of every model."""

import heapq
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.runs import grid_of, in_blocks, seeds_of
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.left import Left, what_is_left
from attn_jax.lab.run.places.base import Place, terms_here
from attn_jax.lab.run.rehearsal import Rehearsed, rehearse
from attn_jax.lab.run.session import at_first, unfinished
from attn_jax.lab.workers import layout_at, opened_place, platform_at
from attn_jax.platforms import Platform

# What is not tried out is guessed; scripts/bench_plan.py holds it against whole studies. The command and the page
# take parts of the time that a worker takes to start, which loads Python, jax and this package too.
_COMMAND_STARTS = 0.7
_PAGE_STARTS = 1.6  # results read and summarised, the figures, their packages loaded
_RUN_SECONDS = 5e-4  # each run is read and summarised
_CHUNK_SECONDS = 0.02  # a line and a checkpoint written
_PRINTED = 20  # bytes of a number in metrics.jsonl
_PAGE_BYTES = 2e5
_BLOCK_FILES, _STUDY_FILES = 2, 6  # beside checkpoints; beside blocks
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
    """What a study takes from the command to its page; of one that has begun, what is left of it.

    Args:
      study: its name.
      runs: that are trained, of all models.
      blocks: of runs that are trained together, of all models.
      width: runs a block.
      workers: that share the blocks.
      models: by name, those that have something left.
      memory: bytes of one worker; on an accelerator, of the largest program.
      files, disk: how many there are in the end, and their bytes.
      seconds: by the clock.
      widened: the same with one learning rate more, with two ..., as many as `train.widen` may still add.
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
    widened: tuple[float, ...] = ()


def plan_of(
    study: Study | str | Path,
    *,
    workdir: str | Path | None = None,
    overrides: Sequence[str] = (),
    platform: Platform = "auto",
    place: str = "auto",
) -> StudyEstimate:
    """What a study would take: `attn-jax compare --plan` from Python. Trains nothing and writes nothing.

    Every model is compiled and a few of its steps are timed where it would be trained, so it takes about as long as
    compiling them does. Where the study has begun, or grows, what is there already is left out.

    Args:
      study: a study, or the path of its config file.
      workdir: where the study lives, or would; default results/<study name>.
      overrides: of a config file's fields, as the command takes them: ["--config.train.steps=500"].
      platform: what to run on: "auto", "cpu", "cuda" or "tpu".
      place: where, as `--place` takes it; the steps are timed there, those of slurm:array on this machine.

    Raises:
      ConfigError: what is wrong with the study, or the directory is another study's.
      UserError: whatever else would end its comparison with a sentence.

    >>> plan_of("nowhere.py")
    Traceback (most recent call last):
    attn_jax.errors.ConfigError: nowhere.py: no such config file
    """
    began = time.process_time()
    with in_sentences(), planned(partial(_study, study, overrides)) as plan:
        directory = Path("results") / plan.study.name if workdir is None else Path(workdir).expanduser()
        backend = platform_at(place, platform)
        with opened_place(place, backend, directory) as where:
            check_contracts(plan, unfinished(directory, plan, list(plan.study.models)))
            wanted = at_first(plan, study_facts(plan), layout_at(where, plan, backend))
            facts, left = what_is_left(directory, plan, wanted)
            planning = time.process_time() - began
            rehearsed, started = _rehearsed(plan.study, facts, left, where)
        return _estimate(plan, facts, left, rehearsed, started, planning, where.workers)


def _study(study: Study | str | Path, overrides: Sequence[str]) -> Study:
    config = loaded(study, overrides)
    if not isinstance(config, Study):
        raise ConfigError("study: got a Sweep, wanted a Study, one of the sweep's points")
    return config


def _rehearsed(
    study: Study, facts: Mapping[str, Any], left: Sequence[Left], place: Place
) -> tuple[dict[str, Rehearsed], float]:
    """A block of each model that has one left, tried out, and how long a worker takes to start."""
    first = {block.model: block for block in reversed(left)}
    layout = {key: facts[key] for key in ("width", "num_devices", "group")}
    like = partial(Job, to_json(study), json.dumps({}), "", **layout)
    jobs = [like(model=name, block=0, runs=first[name].runs) for name in study.models if name in first]
    asked, terms = time.time(), terms_here(facts["platform"])
    futures = {job.model: place.executor.submit(rehearse, job, terms) for job in jobs}
    found = {name: future.result() for name, future in futures.items()}
    return found, min((one.began for one in found.values()), default=asked) - asked


def _estimate(
    plan: StudyPlan,
    facts: Mapping[str, Any],
    left: Sequence[Left],
    rehearsed: Mapping[str, Rehearsed],
    started: float,
    planning: float,
    workers: int,
) -> StudyEstimate:
    study, tried, blocks = plan.study, rehearsed.values(), {name: len(runs) for name, runs in facts["runs"].items()}
    chunks = study.train.steps // study.evaluate.every
    trained = partial(_trained, rehearsed, workers=workers, started=started, every=study.evaluate.every)
    runs = sum(len(block) for model in facts["runs"].values() for block in model)
    waited = planning + started * (_COMMAND_STARTS + _PAGE_STARTS) + runs * _RUN_SECONDS
    seconds = waited + trained(left)
    # a round for each rate: its runs of all models, by workers that start anew
    beyond = in_blocks(grid_of(seeds_of(vars(study.train)), [0.0], [*study.starts]), facts["width"])
    more = trained([Left(name, tuple(block), chunks, compiled=True) for block in beyond for name in rehearsed])
    still = 0 if facts["widened"]["settled"] else study.train.widen - len(facts["widened"]["rates"])
    return StudyEstimate(
        study=study.name,
        runs=sum(len(block.runs) for block in left),
        blocks=len(left),
        width=facts["width"],
        workers=workers,
        models={name: _model(facts["models"][name], one, facts["width"]) for name, one in rehearsed.items()},
        memory=max((one.memory for one in tried), default=0),
        files=_STUDY_FILES + sum(k * (_BLOCK_FILES + min(chunks, _KEPT)) for k in blocks.values()),
        disk=round(_PAGE_BYTES + sum(_disk(facts, one, blocks[name], chunks) for name, one in rehearsed.items())),
        seconds=seconds,
        widened=tuple(seconds + rates * more for rates in range(1, still + 1)),
    )


def _disk(facts: Mapping[str, Any], one: Rehearsed, blocks: int, chunks: int) -> float:
    """Bytes of a model's blocks: rows and checkpoints."""
    batches = len(facts["task"]["validation_lengths"]) * (chunks + 1 + len(facts["task"]["lengths"]))
    printed = facts["width"] * batches * one.measures * _PRINTED
    return blocks * (printed + min(chunks, _KEPT) * one.state)


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
    rehearsed: Mapping[str, Rehearsed], left: Sequence[Left], *, workers: int, started: float, every: int
) -> float:
    """When the last block ends: each goes to the first free worker, in their order.

    A worker traces a model's programs once; whoever begins after another has compiled them finds them in the cache.
    """
    free, kept = [(started, worker) for worker in range(workers)], [set() for _ in range(workers)]
    cached = {block.model: 0.0 for block in left if block.compiled}
    for block in left:
        clock, worker = heapq.heappop(free)
        one, new = rehearsed[block.model], block.model not in kept[worker]
        kept[worker].add(block.model)
        clock += new * (one.prepare + one.trace + one.trace_probes)
        if new and not cached.get(block.model, clock) < clock:
            clock += one.compile + one.compile_probes
            cached.setdefault(block.model, clock)
        clock += one.at_start + one.at_end
        if not block.tested:
            clock += block.chunks * (every * one.step + one.validation + one.at_chunk + _CHUNK_SECONDS) + one.test
        heapq.heappush(free, (clock, worker))
    return max(clock for clock, _ in free) if left else 0.0
