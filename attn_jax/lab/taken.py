"""What studies take, by arithmetic: from their blocks and what one of each kind was found to take, to seconds."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from attn_jax.lab.plan.alike import in_turns
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.runs import grid_of, in_blocks, seeds_of
from attn_jax.lab.run.left import Left
from attn_jax.lab.run.rehearsal import Rehearsed

# What is not tried out is guessed; scripts/bench_plan.py holds it against whole studies. The command and the page
# take parts of the time that a worker takes to start, which loads Python, jax and this package too.
_COMMAND_STARTS = 0.7
_PAGE_STARTS = 1.6  # results read and summarised, the figures, their packages loaded
_RUN_SECONDS = 5e-4  # each run is read and summarised
_CHUNK_SECONDS = 0.02  # a line and a checkpoint written
_PRINTED = 20  # bytes of a number in metrics.jsonl
_PAGE_BYTES = 2e5
_BLOCK_FILES, _STUDY_FILES = 2, 7  # beside checkpoints; beside blocks
_ALONE_FILES, _SWEEP_FILES = 2, 5  # a study's that a point has not: page and owner; a sweep's own
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


@dataclass(frozen=True)
class SweepEstimate:
    """What a sweep takes from the command to its page; of one that has begun, what is left of it.

    Workers start once, points are planned by them, programs that several points share are compiled once, and there is
    one page: `seconds` is less than the sum over `studies`.

    Args:
      sweep: its name.
      studies: by point, each as it would be if it were run alone.
      runs, blocks, workers: as `StudyEstimate`'s, of all points.
      memory, files, disk: as well.
      seconds: by the clock.
      widened: the same with one learning rate more in every study that may add one, with two ...
    """

    sweep: str
    studies: dict[str, StudyEstimate]
    runs: int
    blocks: int
    workers: int
    memory: int
    files: int
    disk: int
    seconds: float
    widened: tuple[float, ...] = ()


class Planned(NamedTuple):
    """A study that is planned, in its folder as it is.

    Args:
      plan: the study.
      facts: what study.json is to hold.
      left: the blocks that are not done.
      kinds: of each model, what decides its programs: of two models of one kind one's serve the other.
    """

    plan: StudyPlan
    facts: dict[str, Any]
    left: Sequence[Left]
    kinds: dict[str, str]


class Measured(NamedTuple):
    """What was measured of the place.

    Args:
      rehearsed: a block of each kind that has one left.
      workers: that share the blocks.
      started: seconds until they had started.
      planning: seconds that it took to plan.
    """

    rehearsed: Mapping[str, Rehearsed]
    workers: int
    started: float
    planning: float


def study_estimate(one: Planned, measured: Measured) -> StudyEstimate:
    """What a study takes by a command of its own."""
    facts, study = one.facts, one.plan.study
    chunks = study.train.steps // study.evaluate.every
    tried = {name: measured.rehearsed[kind] for name, kind in one.kinds.items() if kind in measured.rehearsed}
    left, blocks = {block.model for block in one.left}, {name: len(runs) for name, runs in facts["runs"].items()}
    seconds, *widened = _seconds([one], measured)
    return StudyEstimate(
        study=study.name,
        runs=sum(len(block.runs) for block in one.left),
        blocks=len(one.left),
        width=facts["width"],
        workers=measured.workers,
        models={name: _model(facts["models"][name], tried[name], facts["width"]) for name in tried if name in left},
        memory=max((rehearsed.memory for rehearsed in tried.values()), default=0),
        files=_STUDY_FILES + sum(k * (_BLOCK_FILES + min(chunks, _KEPT)) for k in blocks.values()),
        disk=round(_PAGE_BYTES + sum(_disk(facts, tried[name], blocks[name], chunks) for name in tried)),
        seconds=seconds,
        widened=tuple(widened),
    )


def sweep_estimate(name: str, points: Mapping[str, Planned], measured: Measured, *, planning: float) -> SweepEstimate:
    """What a sweep takes by one command; `planning` is what one of its studies would take alone."""
    alone = measured._replace(planning=planning)
    studies = {point: study_estimate(one, alone) for point, one in points.items()}
    seconds, *widened = _seconds([*points.values()], measured)
    return SweepEstimate(
        sweep=name,
        studies=studies,
        runs=sum(study.runs for study in studies.values()),
        blocks=sum(study.blocks for study in studies.values()),
        workers=measured.workers,
        memory=max((study.memory for study in studies.values()), default=0),
        files=_SWEEP_FILES + sum(study.files - _ALONE_FILES for study in studies.values()),
        disk=round(_PAGE_BYTES + sum(study.disk - _PAGE_BYTES for study in studies.values())),
        seconds=seconds,
        widened=tuple(widened),
    )


def _seconds(studies: Sequence[Planned], measured: Measured) -> list[float]:
    """From one command to its page, as the studies are; then with one learning rate more, two ... as they may add."""
    rehearsed, workers, started, planning = measured
    every = {kind: one.plan.study.evaluate.every for one in studies for kind in one.kinds.values()}
    trained = partial(finished_at, rehearsed, workers=workers, started=started, every=every)
    runs = sum(len(block) for one in studies for model in one.facts["runs"].values() for block in model)
    waited = planning + started * (_COMMAND_STARTS + _PAGE_STARTS) + runs * _RUN_SECONDS
    left = [block._replace(model=one.kinds[block.model]) for one in studies for block in one.left]
    found = [waited + trained(in_turns(left, lambda block: block.model))]
    # a round for each rate: its runs of all models, by workers that start anew
    for rate in range(1, max(map(_still, studies), default=0) + 1):
        beyond = [block for one in studies if _still(one) >= rate for block in _beyond(one, rehearsed)]
        found.append(found[-1] + trained(in_turns(beyond, lambda block: block.model)))
    return found


def _still(one: Planned) -> int:
    """How many learning rates a study may still add."""
    widened = one.facts["widened"]
    return 0 if widened["settled"] else one.plan.study.train.widen - len(widened["rates"])


def _beyond(one: Planned, rehearsed: Mapping[str, Rehearsed]) -> list[Left]:
    """The blocks of one learning rate more, of the models that were tried out."""
    study = one.plan.study
    blocks = in_blocks(grid_of(seeds_of(vars(study.train)), [0.0], [*study.starts]), one.facts["width"])
    chunks = study.train.steps // study.evaluate.every
    kinds = [kind for kind in one.kinds.values() if kind in rehearsed]
    return [Left(kind, tuple(block), chunks, compiled=True) for block in blocks for kind in kinds]


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


def finished_at(
    rehearsed: Mapping[str, Rehearsed],
    left: Sequence[Left],
    *,
    workers: int,
    started: float,
    every: Mapping[str, int],
) -> float:
    """When the last block ends: each goes to the first free worker, in their order.

    A worker traces programs once; whoever begins after another has compiled them finds them in the cache.

    Args:
      rehearsed: a block of each kind.
      left: the blocks, each `model` a kind.
      workers: how many there are.
      started: when they begin.
      every: steps of a chunk, by kind.
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
            chunk = every[block.model] * one.step + one.validation + one.at_chunk + _CHUNK_SECONDS
            clock += block.chunks * chunk + one.test
        heapq.heappush(free, (clock, worker))
    return max(clock for clock, _ in free) if left else 0.0
