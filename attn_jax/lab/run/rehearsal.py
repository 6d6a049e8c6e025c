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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from attn_jax.blame import in_sentences
from attn_jax.config.codec import from_json
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.record.runs import padded
from attn_jax.lab.run.block import Job
from attn_jax.training.loop import from_lowered, start_runs
from attn_jax.training.runs import final_scores, over_devices, train_runs, validation_scores

_STEPS = 3  # timed at once
_ENOUGH_SECONDS = 0.5  # of timing a program; one that takes longer is timed once


class Rehearsed(NamedTuple):
    """What a block of one model takes, in bytes and seconds: of CPU time where a CPU computes, whatever else runs."""

    began: float  # `time.time()` in the worker
    prepare: float  # the plan, the runs before their first step
    trace: float  # of its programs, which every block pays
    compile: float  # what XLA takes, which blocks that find the program in the cache do not pay
    step: float  # of all runs of the block
    validation: float
    test: float
    memory: int  # the worker's most so far; on an accelerator, of the largest program
    state: int  # bytes of all runs: what a checkpoint holds
    measures: int  # tables of an evaluation


def rehearse(job: Job) -> Rehearsed:
    """Tries a job out in its worker."""
    began, clock = time.time(), _now()
    with in_sentences(), planned(partial(from_json, job.study)) as plan:
        block = replace(plan.block_plan(job.model), every=_STEPS)
        seeds, rates = zip(*padded(job.runs, job.width), strict=True)
        state = start_runs(block, jnp.array(seeds, jnp.int32), jnp.array(rates, jnp.float32))
        jax.block_until_ready(state)
        prepare, clock = _now() - clock, _now()
        split = partial(over_devices, num_devices=job.num_devices)
        traced = [
            jax.jit(split(partial(train_runs, block), num_shared=1)).lower(state, jnp.int32(0)),
            jax.jit(split(partial(validation_scores, block))).lower(state),
            jax.jit(split(partial(final_scores, block))).lower(state),
        ]
        trace, clock = _now() - clock, _now()
        programs = [from_lowered(program) for program in traced]
        steps, validate, test = programs
        return Rehearsed(
            began=began,
            prepare=prepare,
            trace=trace,
            compile=_now() - clock,
            step=_seconds(partial(steps, state, jnp.int32(0))) / _STEPS,
            validation=_seconds(partial(validate, state)),
            test=_seconds(partial(test, state)),
            memory=max(map(_memory, programs)),
            state=sum(leaf.nbytes for leaf in jax.tree.leaves(state)),
            measures=len(validate(state)),
        )


def _seconds(call: Callable[[], Any]) -> float:
    """The median time of a call; the first one warms up, unless it takes so long that it need not."""
    first = _once(call)
    if first > _ENOUGH_SECONDS:
        return first
    taken = [_once(call)]
    while sum(taken) < _ENOUGH_SECONDS:
        taken.append(_once(call))
    return median(taken)


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
