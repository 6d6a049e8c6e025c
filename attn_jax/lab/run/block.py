"""One job: a block of runs of one model, from its last checkpoint to its test scores."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attn_jax.config.codec import from_json
from attn_jax.errors import MachineError
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.plan.sources import hashed_sources, refuse_changed
from attn_jax.lab.plan.starts import started
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import TRAIN_ANEW, append_row, block_directory, read_rows
from attn_jax.lab.record.holding import held
from attn_jax.lab.record.runs import Run, is_tested, padded, start_of
from attn_jax.lab.run.host import host
from attn_jax.lab.run.lost import say_what_is_lost
from attn_jax.lab.run.probing import Probing, lacks_probes
from attn_jax.lab.run.program_cache import keep_programs
from attn_jax.lab.run.programs import Kept, keep, kept, program_key
from attn_jax.training.checkpoint import Checkpoints
from attn_jax.training.loop import Chunk, compile_programs, compile_start, run_chunks
from attn_jax.training.objective import Evaluation
from attn_jax.training.state import RunState


@dataclass(frozen=True)
class Job:
    """All a worker needs: strings and numbers, so that any executor can carry it to any machine."""

    study: str  # JSON, as codec.to_json writes it; of this model alone
    sources: str  # JSON, the model's hashed sources
    directory: str  # absolute
    model: str
    block: int
    runs: tuple[Run, ...]  # as study.json has them
    width: int
    num_devices: int = 1
    group: int = 1  # runs at a time
    root: str = ""  # absolute, of the command, which has its stop file; "" = the directory

    def __str__(self) -> str:
        point = f"{Path(self.directory).name}/" if self.root else ""
        return f"{point}{self.model}-{self.block}"

    @property
    def command(self) -> Path:
        """The folder of the command that the job is a part of."""
        return Path(self.root or self.directory)


def is_trained(folder: Path, plan: StudyPlan) -> bool:
    """Whether the block in this folder has the plan's test scores."""
    return is_tested(read_rows(folder / "metrics.jsonl"), plan.study.train.steps, plan.curve_lengths)


def is_done(folder: Path, plan: StudyPlan) -> bool:
    """Whether it has the values of the plan's probes, too."""
    return is_trained(folder, plan) and not lacks_probes(folder / "metrics.jsonl", plan.study)


def run_block(job: Job, should_stop: Any, wait_seconds: float = float("inf")) -> bool:
    """Trains a block to the end, or until `should_stop()` at the end of a chunk; True when it is done.

    Raises:
      MachineError: another process has it for longer than `wait_seconds`.
    """
    folder = block_directory(Path(job.directory), job.model, job.block)
    folder.mkdir(parents=True, exist_ok=True)
    keep_programs()
    with held(folder, give_up=should_stop, wait_seconds=wait_seconds) as lost:
        if lost is None:
            return False
        with planned(partial(from_json, job.study)) as plan:
            stops = lambda: should_stop() or lost()  # noqa: E731
            return is_done(folder, plan) or (not stops() and _train(job, plan, stops))


def _train(job: Job, plan: StudyPlan, should_stop: Any) -> bool:
    key = program_key(job.study, job.model, job.sources, (job.width, job.num_devices, job.group))
    made, block_plan = kept(key), cache(lambda: replace(plan.block_plan(job.model), group=job.group))
    begin = made.begin if made else _beginning(plan, job.model)
    if not is_trained(_metrics(job).parent, plan):
        say_what_is_lost(_metrics(job).parent, plan.study.evaluate.every)
    state = begin(padded(job.runs, job.width))
    checkpoints = Checkpoints(_metrics(job).parent / "checkpoints")
    probes = made.probes if made else {}
    probing = Probing(plan, block_plan, job.model, _metrics(job), job.num_devices, probes)
    probing.measure(0, state)
    if is_trained(_metrics(job).parent, plan):
        _probe_the_end(job, probing, plan.study.train.steps, checkpoints.restore(state))
        return True
    start, state = checkpoints.restore(state) or (0, state)
    append_row(_metrics(job), {"compiling": True})  # for whoever watches
    programs = made.programs if made else compile_programs(block_plan(), state, job.num_devices)
    before = json.loads(job.sources)
    refuse_changed(job.model, before, hashed_sources(plan.study, job.model, known=before))  # all is traced
    keep(key, Kept(begin, programs, probes))
    began = {"start": start, "compile_seconds": programs.compile_seconds, "cores": os.cpu_count() or 1}
    append_row(_metrics(job), began | host())
    after = partial(_after_chunk, job, checkpoints, probing, should_stop)
    steps, every = plan.study.train.steps, plan.study.evaluate.every
    state = run_chunks(programs, state, start=start, steps=steps, every=every, after=after)
    if state is None:
        return False
    probing.measure(steps, state)  # where no chunk was left that would have
    scores = _table(jax.device_get(programs.test(state)))
    append_row(_metrics(job), {"test": scores, "after": steps, "lengths": [*plan.curve_lengths]})
    return True


def _beginning(plan: StudyPlan, model: str) -> Callable[[list[Run]], RunState]:
    """A function of a block's runs to them before their first step: of each start all are made, its own taken."""
    compiled: dict[str, Callable[..., RunState]] = {}

    def begin(runs: list[Run]) -> RunState:
        data = jnp.array([run[0] for run in runs], jnp.int32), jnp.array([run[1] for run in runs], jnp.float32)
        names = [*dict.fromkeys(map(start_of, runs))]
        for name in names:
            if name not in compiled:
                compiled[name] = compile_start(started(plan, name).block_plan(model), *data)
        states = [compiled[name](*data) for name in names]
        if len(states) == 1:
            return states[0]
        places = [names.index(start_of(run)) for run in runs]
        take = lambda *leaves: np.stack(leaves)[places, np.arange(len(runs))]  # noqa: E731
        return jax.tree.map(take, *jax.device_get(states))

    return begin


def _probe_the_end(job: Job, probing: Probing, steps: int, restored: tuple[int, Any] | None) -> None:
    """Measures what a trained block lacks, of its last checkpoint."""
    if not probing.lacks(steps):
        return
    if restored is None or restored[0] != steps:
        folder = _metrics(job).parent
        raise MachineError(f"{folder}: the checkpoint of step {steps} is gone; {TRAIN_ANEW.format(folder)}")
    probing.measure(steps, restored[1])


def _after_chunk(job: Job, checkpoints: Checkpoints, probing: Probing, should_stop: Any, chunk: Chunk) -> bool:
    """Writes the chunk's rows, then the checkpoint: a row without its checkpoint is written again, alike."""
    row = {"step": chunk.step, "seconds": chunk.seconds, "train_loss": _finite(chunk.loss)} | _machine(chunk)
    diverged = np.asarray(chunk.state.diverged).tolist()
    append_row(_metrics(job), row | {"diverged": diverged, "validation": _table(chunk.validation)})
    probing.measure(chunk.step, chunk.state, anew=True)
    checkpoints.save(chunk.step, chunk.state)
    return not should_stop()


def _machine(chunk: Chunk) -> dict[str, float]:
    """How much the machine had to do; an accelerator's work is none of this process's."""
    cpu = {"cpu_seconds": chunk.cpu_seconds} if jax.default_backend() == "cpu" else {}
    try:
        return cpu | {"load": os.getloadavg()[0]}
    except OSError:  # not known here
        return cpu


def _table(evaluation: Evaluation) -> dict[str, Any]:
    """Means of the tallies, [R][M] lists; null where not finite."""
    return {name: _finite(_mean(*tally)) for name, tally in evaluation.items()}


def _mean(total: Any, number: Any) -> np.ndarray:
    """In float64: 19 of 20 is .95, and reaches a threshold of .95."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total, np.float64) / np.asarray(number, np.float64)


def _finite(values: Any) -> Any:
    """An array as nested lists with null for NaN and infinity."""
    values = np.asarray(values, np.float64)
    listed = values.astype(object)
    listed[~np.isfinite(values)] = None
    return listed.tolist()


def _metrics(job: Job) -> Path:
    return block_directory(Path(job.directory), job.model, job.block) / "metrics.jsonl"
