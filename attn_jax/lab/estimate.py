"""What a study or a sweep would take, before it is trained: sizes from its plan, time from a few steps of models."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, overload

from attn_jax.blame import in_sentences
from attn_jax.config import Study, Sweep
from attn_jax.config.codec import to_json
from attn_jax.lab.comparison import Where, loaded
from attn_jax.lab.plan.alike import alike, kind_of
from attn_jax.lab.plan.contracts import check_contracts
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.numerics import pinned, planned
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.left import what_is_left
from attn_jax.lab.run.places.base import Place, terms_here
from attn_jax.lab.run.rehearsal import Rehearsed, ready_at, rehearse
from attn_jax.lab.run.session import at_first, unfinished
from attn_jax.lab.run.sweep_session import Point, plan_points, refuse_others
from attn_jax.lab.taken import Measured, Planned, StudyEstimate, SweepEstimate, study_estimate, sweep_estimate
from attn_jax.lab.workers import layout_at, opened_place, platform_at
from attn_jax.platforms import Platform


@overload
def plan_of(study: Study, **options: Unpack[Where]) -> StudyEstimate: ...
@overload
def plan_of(study: Sweep, **options: Unpack[Where]) -> SweepEstimate: ...
@overload
def plan_of(study: str | Path, **options: Unpack[Where]) -> StudyEstimate | Any: ...
def plan_of(
    study: Study | Sweep | str | Path,
    *,
    workdir: str | Path | None = None,
    overrides: Sequence[str] = (),
    platform: Platform = "auto",
    place: str = "auto",
) -> StudyEstimate | SweepEstimate:
    """What a study or a sweep would take: `attn-jax compare --plan` from Python. Trains nothing and writes nothing.

    Every model is compiled and a few of its steps are timed where it would be trained, so it takes about as long as
    compiling them does; of a sweep what points share is tried once. Where it has begun, or grows, what is there already
    is left out.

    Args:
      study: a study, a sweep, or the path of its config file.
      workdir: where it lives, or would; default results/<its name>.
      overrides: of a config file's fields, as the command takes them: ["--config.train.steps=500"].
      platform: what to run on: "auto", "cpu", "cuda" or "tpu".
      place: where, as `--place` takes it; the steps are timed there, those of slurm:array on this machine.

    Returns:
      The estimate, of a sweep one of all its points together, with each point's own.

    Raises:
      ConfigError: what is wrong with the study, or the directory is another one's.
      UserError: whatever else would end its comparison with a sentence.

    >>> plan_of("nowhere.py")
    Traceback (most recent call last):
    attn_jax.errors.ConfigError: nowhere.py: no such config file
    """
    with in_sentences():
        with pinned():
            config = loaded(study, overrides)
        directory = Path("results") / config.name if workdir is None else Path(workdir).expanduser()
        backend = platform_at(place, platform)
        if isinstance(config, Sweep):
            return _plan_of_sweep(config, directory, backend, place)
        return _plan_of_study(config, directory, backend, place)


def _plan_of_study(study: Study, directory: Path, platform: str, place: str) -> StudyEstimate:
    began = time.process_time()
    with planned(lambda: study) as plan, opened_place(place, platform, directory) as where:
        check_contracts(plan, unfinished(directory, plan, list(study.models)))
        wanted = at_first(plan, study_facts(plan), layout_at(where, plan, platform))
        facts, left = what_is_left(directory, plan, wanted)
        one = Planned(plan, facts, left, {name: name for name in study.models})
        planning = time.process_time() - began
        rehearsed, started = _rehearsed(_jobs(one, dict.fromkeys(study.models, to_json(study))), where, platform)
        return study_estimate(one, Measured(rehearsed, where.workers, started, planning))


def _plan_of_sweep(sweep: Sweep, directory: Path, platform: str, place: str) -> SweepEstimate:
    """Planned by the workers, as the command has it: they start once, and points that are alike are planned once."""
    refuse_others(directory, sweep)
    with opened_place(place, platform, directory) as where:
        terms, asked = terms_here(platform), time.time()
        waiting = [where.executor.submit(ready_at, terms) for _ in range(min(where.workers, len(sweep.points)))]
        started = min(future.result() for future in waiting) - asked
        clock = time.perf_counter()
        with pinned():
            points = plan_points(sweep, directory, where.executor, terms)
        planning = time.perf_counter() - clock
        found = {point: _planned(ready, where, platform) for point, ready in points.items()}
        jobs = {kind: job for point, one in found.items() for kind, job in _jobs(one, points[point].studies).items()}
        rehearsed, _ = _rehearsed(jobs, where, platform)
        measured = Measured(rehearsed, where.workers, max(started, 0.0), planning)
        rounds = -(-len({alike(to_json(study)) for study in sweep.points.values()}) // where.workers)
        return sweep_estimate(sweep.name, found, measured, planning=planning / rounds)


def _planned(point: Point, place: Place, platform: str) -> Planned:
    """A point of a sweep in its folder as it is."""
    wanted = at_first(point.plan, point.facts, layout_at(place, point.plan, platform))
    facts, left = what_is_left(point.directory, point.plan, wanted)
    sources = {name: json.dumps(facts["sources"][name]) for name in point.studies}
    kinds = {name: kind_of(study, sources[name], facts["width"]) for name, study in point.studies.items()}
    return Planned(point.plan, facts, left, kinds)


def _jobs(one: Planned, studies: Mapping[str, str]) -> dict[str, Job]:
    """A block of each kind that has one left, as a job that keeps nothing."""
    layout: dict[str, Any] = {key: one.facts[key] for key in ("width", "num_devices", "group")}
    jobs: dict[str, Job] = {}
    for name, runs in ((block.model, block.runs) for block in one.left):
        jobs.setdefault(one.kinds[name], Job(studies[name], "{}", "", name, 0, runs, **layout))
    return jobs


def _rehearsed(jobs: Mapping[str, Job], place: Place, platform: str) -> tuple[dict[str, Rehearsed], float]:
    """Each tried out, and how long a worker took to start."""
    asked, terms = time.time(), terms_here(platform)
    futures = {kind: place.executor.submit(rehearse, job, terms) for kind, job in jobs.items()}
    found = {kind: future.result() for kind, future in futures.items()}
    return found, min((one.began for one in found.values()), default=asked) - asked
