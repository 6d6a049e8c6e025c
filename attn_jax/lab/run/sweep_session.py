"""A sweep from start to end: every point is a study's directory, and one queue has the blocks of all of them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from attn_jax.blame import in_sentences
from attn_jax.config import Study, Sweep
from attn_jax.config.codec import from_json, to_dict, to_json
from attn_jax.config.sweep import axis_value, sweep_to_dict
from attn_jax.errors import ConfigError
from attn_jax.lab.plan.alike import alike, alone, facts_of, in_turns, kind_of, named_as
from attn_jax.lab.plan.contracts import check_contracts
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.limits import demand, refuse_too_much, together
from attn_jax.lab.plan.numerics import planned
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import locked
from attn_jax.lab.record.sweep_record import is_sweep, point_directory, read_sweep, write_sweep
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.places.prepare import prepare
from attn_jax.lab.run.session import Layout, at_first, at_most, jobs_in, opened, unfinished


class Point(NamedTuple):
    """A study of a sweep, ready to be run."""

    directory: Path
    plan: StudyPlan
    facts: dict[str, Any]
    studies: dict[str, str]  # of each model alone, JSON


def plan_points(sweep: Sweep, directory: Path, executor: Executor, terms: Terms) -> dict[str, Point]:
    """Plans every point of a sweep, as `plan_studies`."""
    at = {point: (study, point_directory(directory, point)) for point, study in sweep.points.items()}
    return plan_studies(at, executor, terms)


def plan_studies(studies: Mapping[str, tuple[Study, Path]], executor: Executor, terms: Terms) -> dict[str, Point]:
    """Plans studies, in the workers: sizing and counting models takes a second or two; alike ones once.

    Args:
      studies: by name, each with where it lives.
      executor: of the workers.
      terms: on which they work.

    Raises:
      ConfigError: what is wrong with one.
    """
    plans = {point: StudyPlan(study) for point, (study, _) in studies.items()}
    at = {point: directory for point, (_, directory) in studies.items()}
    kinds: dict[str, str] = {point: alike(to_json(plan.study)) for point, plan in plans.items()}
    first = {kind: point for point, kind in reversed(kinds.items())}
    waiting: dict[str, set[str]] = {kind: set() for kind in first}
    for point, kind in kinds.items():
        waiting[kind].update(unfinished(at[point], plans[point], list(plans[point].study.models)))
    found = {
        kind: executor.submit(plan_study, to_json(plans[point].study), sorted(waiting[kind]), terms)
        for kind, point in sorted(first.items(), key=lambda item: list(plans).index(item[1]))
    }
    points = {}
    for point, plan in plans.items():
        facts, each = found[kinds[point]].result()
        each = {name: named_as(plan.study, model) for name, model in each.items()}
        points[point] = Point(at[point], plan, facts_of(plan.study, facts), each)
    return points


def plan_study(study: str, models: Sequence[str], terms: Terms) -> tuple[dict[str, Any], dict[str, str]]:
    """In a worker: a study's facts and its models alone; checks first what of these models is the user's own."""
    with in_sentences():
        prepare(terms)
    with in_sentences(), planned(partial(from_json, study)) as plan:
        check_contracts(plan, models)
        return study_facts(plan), {name: to_json(alone(plan, name)) for name in plan.study.models}


@contextlib.contextmanager
def opened_sweep(
    directory: Path, sweep: Sweep, points: Mapping[str, Point], layouts: Mapping[str, Layout], *, confirmed: bool
) -> Iterator[dict[str, Layout]]:
    """Holds the sweep's directory and every point's; writes sweep.json, or checks that all there is belongs to it.

    Args:
      directory: where it lives.
      sweep: its config.
      points: as `plan_points` gives them.
      layouts: their blocks, should they begin now.
      confirmed: whether it is meant, however long it takes.

    Yields:
      The layouts that they were begun with.

    Raises:
      ConfigError: the directory belongs to something else, or to a sweep with other points.
      MachineError: another process holds it, or it was begun on another kind of machine.
    """
    refuse_others(directory, sweep)
    begun = [point for point in points if (points[point].directory / "study.json").exists()]
    new = [point for point in points if point not in begun]
    _ask(directory, {point: points[point] for point in new}, layouts, confirmed=confirmed)
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory), contextlib.ExitStack() as held:
        (directory / "stop").unlink(missing_ok=True)
        _refuse_other_points(directory, sweep)
        found = {}
        for point in begun:  # what would be refused is, before sweep.json says that it belongs here
            found[point] = held.enter_context(opened_point(points[point], layouts[point], confirmed=confirmed))
        _write(directory, sweep)
        for point in new:  # asked about, all together
            found[point] = held.enter_context(opened_point(points[point], layouts[point], confirmed=True))
        yield {point: found[point] for point in points}


def sweep_jobs(directory: Path, points: Mapping[str, Point], layouts: Mapping[str, Layout]) -> list[Job]:
    """The blocks of all points that are not done: of each kind of program the first, then of each the second."""
    jobs = [
        job
        for point, (at, plan, _, studies) in points.items()
        for job in jobs_in(plan, at, layouts[point], studies, root=directory)
    ]
    return in_turns(jobs, lambda job: kind_of(job.study, job.sources, job.width))


def opened_point(point: Point, layout: Layout, *, confirmed: bool) -> contextlib.AbstractContextManager[Layout]:
    """Holds the directory of a study that is planned."""
    return opened(point.directory, point.plan, layout, facts=point.facts, confirmed=confirmed)


def _ask(directory: Path, points: Mapping[str, Point], layouts: Mapping[str, Layout], *, confirmed: bool) -> None:
    """Refuses what the machine cannot give to these points together, and what is much unless it is confirmed."""
    wanted = []
    for point, (_, plan, facts, studies) in points.items():
        facts = at_most(plan, at_first(plan, facts, layouts[point]))
        wanted.append(demand(facts, facts, list(studies)))
    if wanted:
        on_cpu = any(layout.platform == "cpu" for layout in layouts.values())
        refuse_too_much(together(wanted), directory, on_cpu=on_cpu, confirmed=confirmed)


def _write(directory: Path, sweep: Sweep) -> None:
    """sweep.json, unless it is as it would be."""
    points = {
        point: {path: axis_value(value) for path, value in values.items()} for point, values in sweep.values.items()
    }
    config = sweep_to_dict(sweep)
    if not is_sweep(directory) or read_sweep(directory) != read_sweep(directory) | config | {"points": points}:
        write_sweep(directory, config, points)


def refuse_others(directory: Path, sweep: Sweep) -> None:
    """Refuses what lies in the directory and is not this sweep, before anything is planned.

    Raises:
      ConfigError: the directory belongs to something else, or to a sweep with other points.
    """
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory}: is a file, wanted a directory; give another --workdir")
    if not directory.is_dir() or is_sweep(directory):
        _refuse_other_points(directory, sweep)
        return
    begun = {"lock", "sweep.json.part"}  # what was cut off before it was one
    strangers = sorted(path.name for path in directory.iterdir() if path.name not in begun)
    if strangers:
        raise ConfigError(f"{directory}: holds {strangers[0]} and no sweep; give an empty or new --workdir")


def _refuse_other_points(directory: Path, sweep: Sweep) -> None:
    """A sweep may gain values, and with them points; it loses none."""
    if not is_sweep(directory):
        return
    old = read_sweep(directory)
    before, now = old["axes"], sweep_to_dict(sweep)["axes"]
    changes = [] if old["study"]["name"] == sweep.name else [f"name: {old['study']['name']} -> {sweep.name}"]
    if list(before) != list(now):
        changes.append(f"axes: {', '.join(before)} -> {', '.join(now)}")
    else:
        changes += [
            f"axes.{path}: {to_dict(value)} is gone"
            for path, values in before.items()
            for value in values
            if value not in now[path]
        ]
    if changes:
        shown = "; ".join(changes[:5]) + ("; ..." if len(changes) > 5 else "")
        raise ConfigError(
            f"{directory}: belongs to another sweep ({shown}). Values may be added to its axes; else give another "
            "--workdir, or delete the directory."
        )
