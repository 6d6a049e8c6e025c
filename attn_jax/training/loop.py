"""The host's side of training a block of runs: compile, then a chunk at a time. No mathematics here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.compiling import compiled, from_lowered
from attn_jax.training.objective import Evaluation
from attn_jax.training.probes.base import Probe
from attn_jax.training.probes.runs import probe_runs
from attn_jax.training.runs import advance_runs, final_scores, init_runs, over_devices
from attn_jax.training.state import RunState
from attn_jax.types import Array, Params


@dataclass(frozen=True)
class Programs:
    """The two compiled programs of a block, and what compiling cost."""

    advance: Callable[[RunState, Array], tuple[RunState, Array, Evaluation]]
    test: Callable[[RunState], Evaluation]
    compile_seconds: float


@dataclass(frozen=True)
class Chunk:
    """What the host sees after each chunk."""

    step: int
    state: RunState  # on the device
    loss: Any  # [R] mean training loss of the chunk
    validation: Evaluation  # [R, M]
    seconds: float  # by the clock
    cpu_seconds: float  # of this process: where it computes on a CPU, what the chunk took whoever else was there


def start_runs(plan: BlockPlan, seeds: Array, learning_rates: Array) -> RunState:
    """The block's runs before their first step."""
    return compile_start(plan, seeds, learning_rates)(seeds, learning_rates)


def compile_start(plan: BlockPlan, seeds: Array, learning_rates: Array) -> Callable[[Array, Array], RunState]:
    """The program that starts as many runs, of any seeds and rates."""
    return compiled(partial(init_runs, plan), seeds, learning_rates, quickly=True)


def compile_programs(plan: BlockPlan, state: RunState, num_devices: int) -> Programs:
    """Compiles a chunk and the final test for states of this shape."""
    began = time.perf_counter()
    advance = over_devices(partial(advance_runs, plan), num_devices, num_shared=1)
    test = over_devices(partial(final_scores, plan), num_devices)
    advance, test = compiled(advance, state, jnp.int32(0), donate=(0,)), compiled(test, state)
    return Programs(advance, test, time.perf_counter() - began)


def compile_probe(
    plan: BlockPlan, name: str, probe: Probe, state: RunState, num_devices: int
) -> Callable[[Params, Array], dict[str, Array]]:
    """Compiles what a probe measures of runs of this shape, given their parameters and seeds."""
    lowered = lower_probe(plan, name, probe, state, num_devices)
    return (lambda params, seeds: {}) if lowered is None else from_lowered(lowered, quickly=runs_twice(probe))


def lower_probe(plan: BlockPlan, name: str, probe: Probe, state: RunState, num_devices: int) -> Any:
    """The same program, traced only; None where there is nothing to measure."""
    program = over_devices(partial(probe_runs, plan, name, probe), num_devices)
    traced = jax.jit(program).trace(state.params, state.seed)
    return traced.lower() if traced.out_info else None


def runs_twice(probe: Probe) -> bool:
    """Whether a probe measures the start and the end alone: compiling is what such a program costs."""
    return "chunk" not in probe.when


def run_chunks(
    programs: Programs, state: RunState, *, start: int, steps: int, every: int, after: Callable[[Chunk], bool]
) -> RunState | None:
    """Trains from step `start` to `steps`; None where `after` a chunk answered False, which means stop."""
    for step in range(start, steps, every):
        began, worked = time.perf_counter(), time.process_time()
        state, loss, validation = programs.advance(state, jnp.int32(step))
        loss, validation = jax.device_get((loss, validation))
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - worked
        if not after(Chunk(step + every, state, loss, validation, seconds, cpu_seconds)):
            return None
    return state
