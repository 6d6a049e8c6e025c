"""A study from start to end: opens its directory, hands its blocks to an executor, watches them, gathers the results.

Workers write only their block's folder; this process alone writes the study's own files and shows progress.
"""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from attn_jax.blame import in_sentences
from attn_jax.config.codec import to_json
from attn_jax.errors import ConfigError, InterruptedStudyError, MachineError
from attn_jax.lab.plan.alike import alone
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.numerics import recorded
from attn_jax.lab.plan.sources import changed_file, hashed_sources, keep_sources
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.plan.widths import block_width, device_share, group_size
from attn_jax.lab.record.directory import block_directory, locked, refuse_strangers, write_json
from attn_jax.lab.record.holding import is_owner, take_over
from attn_jax.lab.record.runs import in_blocks, lanes_of
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.block import Job, is_done, is_trained, run_block
from attn_jax.lab.run.confirmed import ask, keep_confirmed
from attn_jax.lab.run.environment import refuse_other_numbers
from attn_jax.lab.run.growth import growth, taken_up
from attn_jax.lab.run.places.base import Place, Terms, WorkerDiedError
from attn_jax.lab.run.places.prepare import prepare
from attn_jax.lab.run.places.processes import stop_requested
from attn_jax.lab.run.program_cache import trouble
from attn_jax.lab.run.renewal import renewed, set_aside
from attn_jax.lab.run.stopping import asked_by_signals, stopping_if_this_fails

_ATTEMPTS = 2  # a job whose worker was killed is tried once more


@dataclass(frozen=True)
class Layout:
    """How runs fall into blocks; fixed when the study begins, because bits depend on a block's width and groups."""

    width: int
    workers: int
    platform: str
    num_devices: int
    group: int = 1  # runs that a device trains at a time


def choose_layout(plan: StudyPlan, *, platform: str, workers: int, num_devices: int) -> Layout:
    """Enough blocks for all workers: beside accelerators as wide as that allows, each split over its devices."""
    runs, models = len(plan.runs), len(plan.study.models)
    if platform == "cpu":
        width = block_width(runs, models, workers)
        share = max(1, width // num_devices)
    else:  # of one worker, one block
        share = device_share(-(-block_width(runs, models, workers, widest=runs) // num_devices), platform)
        width = share * num_devices
    group = group_size(share, platform, by_length=plan.short_places is not None)
    return Layout(width, workers, platform, num_devices, group)


@contextlib.contextmanager
def opened(
    directory: Path,
    plan: StudyPlan,
    layout: Layout,
    *,
    models: Sequence[str] | None = None,
    confirmed: bool = True,
    facts: dict[str, Any] | None = None,
) -> Iterator[Layout]:
    """Holds the study's directory; writes study.json, or checks that the one there is of the same study, be it less.

    Args:
      directory: where it lives.
      plan: the study.
      layout: its blocks, should it begin now.
      models: what is to be trained, all by default; asked about, once, before what takes long begins.
      confirmed: whether that is meant, however long it takes.
      facts: `study_facts` of the plan, where they are known.

    Yields:
      The layout that it was begun with.

    Raises:
      ConfigError: the directory belongs to another study, or to a config of this one that does not grow to this.
      MachineError: another process holds it, or it was begun on another kind of machine.
    """
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory}: is a file, wanted a directory; give another --workdir")
    refuse_strangers(directory)
    # before anything is written: it finds what is wrong with the config
    facts = at_first(plan, study_facts(plan) if facts is None else facts, layout)
    models = list(plan.study.models if models is None else models)
    if not (directory / "study.json").exists():
        ask(directory, at_most(plan, facts), facts, models, confirmed=confirmed)
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        (directory / "stop").unlink(missing_ok=True)
        if (directory / "study.json").exists():
            facts = _take_up(directory, plan, read_study(directory), facts, models, confirmed=confirmed)
        else:
            _write(directory, plan, facts)
        keep_confirmed(directory, models)
        yield Layout(**{key: facts[key] for key in vars(layout)})


def at_first(plan: StudyPlan, facts: dict[str, Any], layout: Layout) -> dict[str, Any]:
    """What study.json holds of a study that begins."""
    runs = {name: in_blocks(plan.runs, layout.width) for name in plan.study.models}
    widened = {"rates": [], "settled": not plan.study.train.widen}
    return facts | vars(layout) | {"runs": runs, "looks": [plan.study.train.seeds], "widened": widened}


def at_most(plan: StudyPlan, facts: dict[str, Any]) -> dict[str, Any]:
    """What a new study may come to, with all the rates that its grid may be widened by."""
    train = plan.study.train
    more = in_blocks([plan.runs[-1]] * (train.widen * len(plan.runs) // len(train.learning_rates)), facts["width"])
    return facts | {"runs": {name: blocks + more for name, blocks in facts["runs"].items()}}


def _take_up(
    directory: Path,
    plan: StudyPlan,
    begun: dict[str, Any],
    wanted: dict[str, Any],
    models: Sequence[str],
    *,
    confirmed: bool,
) -> dict[str, Any]:
    """Goes on with a study that was begun, grown and with models trained anew where the wanted one is so."""
    anew = renewed(directory, begun, wanted)
    facts = taken_up(directory, plan, begun, wanted, anew)
    grown = growth(begun, facts)
    if grown or anew:
        refuse_other_numbers(directory, recorded())
    left = {name: facts["runs"][name] if name in anew else _left(directory, plan, facts, name) for name in models}
    left = {name: blocks for name, blocks in left.items() if blocks}
    ask(directory, facts | {"runs": left}, facts, [*left], confirmed=confirmed, new=bool(grown or anew))
    said = f"study {plan.study.name} in {directory}"
    for name, file in anew.items():
        aside = set_aside(directory, begun, name)
        print(f"{said}: its source changed ({file}), models.{name} is trained anew; {aside} has the old", flush=True)
    if grown or any(begun[key] != facts[key] for key in ("sources", "config")):  # the latter by what decides no number
        _write(directory, plan, facts)
    if grown:
        print(f"{said} {grown}", flush=True)
    return facts


def _write(directory: Path, plan: StudyPlan, facts: dict[str, Any]) -> None:
    """What the study is, from now on."""
    keep_sources(plan.study, directory / "sources")
    write_json(directory / "study.json", facts)


def _left(directory: Path, plan: StudyPlan, facts: dict[str, Any], name: str) -> list[Any]:
    """The blocks of a model that are not trained to the end."""
    folder = partial(block_directory, directory, name)
    return [block for k, block in enumerate(facts["runs"].get(name, [])) if not is_trained(folder(k), plan)]


def jobs_of(plan: StudyPlan, directory: Path, layout: Layout, models: Sequence[str]) -> list[Job]:
    """The blocks of these models that are not done, every model's first ones first: equal programs compile once."""
    return jobs_in(plan, directory, layout, {name: to_json(alone(plan, name)) for name in models})


def jobs_in(
    plan: StudyPlan, directory: Path, layout: Layout, studies: Mapping[str, str], root: Path | None = None
) -> list[Job]:
    """The same, of models by the JSON of the study of each alone; `root` is the command's folder, if another."""
    facts, path = read_study(directory), str(directory.absolute())
    command, shape = "" if root is None else str(root.absolute()), (layout.width, layout.num_devices, layout.group)
    jobs = [
        Job(study, json.dumps(facts["sources"][name]), path, name, k, runs, *shape, command)
        for name, study in studies.items()
        for k, runs in enumerate(tuple(map(tuple, block)) for block in facts["runs"][name])
    ]
    jobs.sort(key=lambda job: job.block)
    return [job for job in jobs if not is_done(block_directory(directory, job.model, job.block), plan)]


def unfinished(directory: Path, plan: StudyPlan, models: Sequence[str]) -> list[str]:
    """Those of the models that are not trained to the end, before the study is opened or begun."""
    if not (directory / "study.json").exists():
        return list(models)
    begun = read_study(directory)
    there = {name: lanes_of(begun, name).keys() if name in begun["runs"] else set() for name in models}
    known = {name: begun["sources"].get(name, {}) for name in models}
    changed = [name for name in models if changed_file(known[name], hashed_sources(plan.study, name))]
    return [
        name for name in models if name in changed or {*plan.runs} - there[name] or _left(directory, plan, begun, name)
    ]


def run_jobs(jobs: Sequence[Job], place: Place, terms: Terms, directory: Path, watch: Callable[[], None]) -> None:
    """Runs the jobs to the end, calling `watch` several times a second.

    Args:
      jobs: what is not done.
      place: where they run.
      terms: on what terms, but for the token, which is this command's.
      directory: of the command.
      watch: shows how far they are.

    Raises:
      InterruptedStudyError: Ctrl-C or SIGTERM, everything is saved; or the place is a batch system.
      WorkerDiedError: a job's worker was killed twice; the other jobs have saved.
      MachineError: the place gave a job up, or another command has taken the study over.
      Exception: whatever a job raised; the other jobs have saved.
    """
    if place.hand_over is not None:
        place.hand_over(jobs, terms, directory)
    if said := trouble():
        _say_once(said)
    with asked_by_signals((directory / "stop").touch) as interrupted, stopping_if_this_fails(directory):
        attempts, stopped = dict.fromkeys(jobs, 1), False
        submit = partial(place.executor.submit, work)
        terms = terms._replace(token=take_over(directory))
        running: dict[Future, Job] = {submit(job, terms): job for job in jobs}
        failure: Exception | None = None
        while running:
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            watch()
            for future in done:
                job = running.pop(future)
                error = CancelledError() if future.cancelled() else future.exception()
                stopped = stopped or (error is None and not future.result())
                lost = _lost(error) if error is not None and place.died(error) else None
                if (lost or future.cancelled()) and interrupted.is_set():
                    continue  # whoever stopped the command may have killed its workers too
                if lost and attempts[job] < _ATTEMPTS and failure is None:
                    print(f"block {job}: {lost}; trying again from its last checkpoint", flush=True)
                    attempts[job] += 1
                    running[submit(job, terms)] = job
                elif error is not None and failure is None:
                    failure = _named(job, WorkerDiedError(f"{lost}.") if lost else error)
                    (directory / "stop").touch()
    (directory / "stop").unlink(missing_ok=True)
    if failure is not None:
        raise failure
    if interrupted.is_set():
        raise InterruptedStudyError(f"stopped; all is saved in {directory}, and the same command goes on from there")
    if stopped and not is_owner(directory, terms.token):
        raise MachineError(f"{directory}: another command has taken this study over, and goes on with it")
    if stopped:  # by hand
        raise InterruptedStudyError(f"{directory}: its stop file was written; the same command goes on from there")


def work(
    job: Job, terms: Terms, *, wait_seconds: float = float("inf"), asked: Callable[[], bool] = lambda: False
) -> bool:
    """A job in its worker: stops at the end of a chunk when asked to, or when the command is gone or another one's."""
    stop = partial(_should_stop, job.command, terms.token)
    with in_sentences():  # in its worker: an exception loses its traceback on the way, and some cannot travel at all
        if not job.command.is_dir():
            raise MachineError(f"the worker on {socket.gethostname()} does not see {job.command}")
        prepare(terms, job.num_devices)
        return run_block(job, lambda: asked() or stop(), wait_seconds)


def _should_stop(command: Path, token: str) -> bool:
    """In a worker: whether it is to save and stop."""
    return (command / "stop").exists() or stop_requested() or not is_owner(command, token)


@cache
def _say_once(said: str) -> None:
    """However many rounds a command trains in."""
    print(said, flush=True)


def _lost(error: BaseException) -> str:
    """What to say of a worker that was lost; an engine has a page for it."""
    ours = isinstance(error, WorkerDiedError)
    return str(error).rstrip(".") if ours else f"its worker was lost ({type(error).__name__})"


def _named(job: Job, error: BaseException) -> Exception:
    if isinstance(error, WorkerDiedError):
        return WorkerDiedError(
            f"block {job}: {error} Twice. What was finished is kept; the same command tries again from there."
        )
    if isinstance(error, CancelledError):
        return MachineError(f"block {job}: its place gave it up. What was finished is kept; the same command goes on.")
    if isinstance(error, Exception):
        error.add_note(f"in block {job}")
        return error
    return RuntimeError(f"block {job} ended with {error!r}")
