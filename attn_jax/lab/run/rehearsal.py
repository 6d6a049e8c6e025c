"""A block of runs tried out where it would be trained: what compiling and a few steps take. Nothing is kept.

The parts of a block's programs, steps, validation and test, are compiled and timed apart: a chunk is the first `every`
times and the second once.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp

from attn_jax.blame import in_sentences
from attn_jax.config.codec import from_json
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.runs import padded
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.places.prepare import prepare
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.compiling import from_lowered
from attn_jax.training.loop import lower_probe, runs_twice, start_runs
from attn_jax.training.probes import Probe, When, probe_name
from attn_jax.training.runs import final_scores, over_devices, train_runs, validation_scores
from attn_jax.training.state import RunState

_STEPS = 3  # timed at once
_ENOUGH_SECONDS = 0.5  # of timing a program; one that takes longer is timed once


class Rehearsed(NamedTuple):
    """What a block of one model takes, in bytes and seconds: of CPU time where a CPU computes, whatever else runs."""

    began: float  # `time.time()` in the worker
    prepare: float  # the plan, the runs before their first step
    trace: float  # of its programs, which every worker pays once
    compile: float  # what XLA takes, which blocks that find the program in the cache do not pay
    trace_probes: float  # of theirs
    compile_probes: float
    step: float  # of all runs of the block
    validation: float
    test: float
    at_start: float  # of the probes that measure then
    at_chunk: float
    at_end: float
    memory: int  # the worker's most so far; on an accelerator, of the largest program
    state: int  # bytes of all runs: what a checkpoint holds
    measures: int  # tables of an evaluation


def ready_at(terms: Terms) -> float:
    """In a worker: when it had started, by the clock."""
    with in_sentences():
        prepare(terms)
    return time.time()


def rehearse(job: Job, terms: Terms) -> Rehearsed:
    """Tries a job out in its worker."""
    with in_sentences():
        prepare(terms, job.num_devices)
    began, clock = time.time(), _Clock()
    with in_sentences(), planned(partial(from_json, job.study)) as plan:
        block = replace(plan.block_plan(job.model), every=_STEPS, group=job.group)
        seeds, rates = zip(*(run[:2] for run in padded(job.runs, job.width)), strict=True)
        state = start_runs(block, jnp.array(seeds, jnp.int32), jnp.array(rates, jnp.float32))
        jax.block_until_ready(state)
        preparing = clock.lap()
        split = partial(over_devices, num_devices=job.num_devices)
        traced = [
            jax.jit(split(partial(train_runs, block), num_shared=1)).lower(state, jnp.int32(0)),
            jax.jit(split(partial(validation_scores, block))).lower(state),
            jax.jit(split(partial(final_scores, block))).lower(state),
        ]
        trace = clock.lap()
        steps, validate, test = programs = [from_lowered(program) for program in traced]
        compile_ = clock.lap()
        probes = _traced_probes(plan, job, block, state)
        trace_probes = clock.lap()
        measuring = [(probe, from_lowered(lowered, quickly=runs_twice(probe))) for probe, lowered in probes]
        compile_probes = clock.lap()
        at = dict.fromkeys(get_args(When), 0.0)
        for probe, program in measuring:
            taken = _seconds(partial(program, state.params, state.seed))
            at |= {when: at[when] + taken for when in probe.when}
        return Rehearsed(
            began=began,
            prepare=preparing,
            trace=trace,
            compile=compile_,
            trace_probes=trace_probes,
            compile_probes=compile_probes,
            step=_seconds(partial(steps, state, jnp.int32(0))) / _STEPS,
            validation=_seconds(partial(validate, state)),
            test=_seconds(partial(test, state)),
            at_start=at["start"],
            at_chunk=at["chunk"],
            at_end=at["end"],
            memory=max(map(_memory, [*programs, *(program for _, program in measuring)])),
            state=sum(leaf.nbytes for leaf in jax.tree.leaves(state)),
            measures=len(validate(state)),
        )


def _traced_probes(plan: StudyPlan, job: Job, block: BlockPlan, state: RunState) -> list[tuple[Probe, Any]]:
    """The probes that have something to measure of this model, each with its program."""
    model = plan.make(plan.model(job.model)[0])
    made = {probe_name(config): config.make(model, block.objective) for config in plan.study.probes}
    found = [
        (probe, lower_probe(block, name, probe, state, job.num_devices))
        for name, probe in made.items()
        if probe is not None
    ]
    return [(probe, lowered) for probe, lowered in found if lowered is not None]


def _seconds(call: Callable[[], Any]) -> float:
    """The median time of a call; the first one warms up, unless it takes so long that it need not."""
    first = _once(call)
    if first > _ENOUGH_SECONDS:
        return first
    taken = [_once(call)]
    while sum(taken) < _ENOUGH_SECONDS:
        taken.append(_once(call))
    return median(taken)


class _Clock:
    """Seconds since the last lap."""

    def __init__(self):
        self._last = _now()

    def lap(self) -> float:
        """How long it took."""
        last, self._last = self._last, _now()
        return self._last - last


def _once(call: Callable[[], Any]) -> float:
    began = _now()
    jax.block_until_ready(call())
    return _now() - began


def _now() -> float:
    """Seconds; of a worker on a CPU, which has one core to itself, those that it worked."""
    return time.process_time() if jax.default_backend() == "cpu" else time.perf_counter()


def _memory(program: Any) -> int:
    """The most this process has held; on an accelerator, which has memory of its own, what the program needs there."""
    if jax.default_backend() == "cpu":
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    sizes = program.memory_analysis()
    return sizes.argument_size_in_bytes + sizes.output_size_in_bytes + sizes.temp_size_in_bytes
