"""From a sweep to trained studies: plans its points, runs all their blocks, leaves a study's directory a point."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from attn_jax.config import Sweep
from attn_jax.lab.plan.numerics import pinned, recorded
from attn_jax.lab.run.environment import record_environment
from attn_jax.lab.run.places.base import Place, terms_here
from attn_jax.lab.run.session import Layout, run_jobs
from attn_jax.lab.run.sweep_session import Point, opened_sweep, plan_points, refuse_others, sweep_jobs
from attn_jax.lab.run.sweep_watch import SweepWatch
from attn_jax.lab.track.tracking import Tracking
from attn_jax.lab.widening import widen
from attn_jax.lab.workers import extent_of, layout_at, opened_place
from attn_jax.names import counted
from attn_jax.platforms import environment


@contextmanager
def trained_sweep(
    sweep: Sweep, directory: Path, *, platform: str, place: str, yes: bool, console: Console, tracking: Tracking
) -> Iterator[Path]:
    """The sweep's directory, held, with every point trained to the end by the same workers.

    Args:
      sweep: what to run.
      directory: where it lives.
      platform: of the jobs.
      place: where they run, as `--place` takes it.
      yes: begins it even if it takes more than an hour or 10 GB.
      console: shows how far it is.
      tracking: is told of every point, as of the study that it is.
    """
    refuse_others(directory, sweep)
    title = f"sweep {sweep.name} in {directory}, {counted(len(sweep.points), 'study', 'studies')}"
    with opened_place(place, platform, directory) as where:
        console.print(f"{title}, on {where.words}", markup=False, highlight=False, soft_wrap=True)
        with pinned():
            points = plan_points(sweep, directory, where.executor, terms_here(platform))
        layouts = {point: layout_at(where, planned.plan, platform) for point, planned in points.items()}
        with opened_sweep(directory, sweep, points, layouts, confirmed=yes) as layouts:
            train_points(directory, points, layouts, where, console, tracking)
            where.executor.shutdown(wait=True)
            yield directory


def train_points(
    directory: Path,
    points: Mapping[str, Point],
    layouts: Mapping[str, Layout],
    place: Place,
    console: Console,
    tracking: Tracking,
) -> None:
    """Trains studies that are held to the end in one queue, and the rates that their grids are widened by."""
    _train(directory, points, layouts, place, console, tracking)
    while added := {point: said for point in points if (said := widen(points[point].directory))}:
        for point, said in added.items():
            console.print(f"{point}: {said}", markup=False, highlight=False, soft_wrap=True)
        _train(directory, points, layouts, place, console, tracking)


def _train(
    directory: Path,
    points: Mapping[str, Point],
    layouts: Mapping[str, Layout],
    place: Place,
    console: Console,
    tracking: Tracking,
) -> None:
    """Runs what is not done of all points."""
    jobs = sweep_jobs(directory, points, layouts)
    extents = {
        point: (at, extent_of(plan, at, [*studies], place.workers)) for point, (at, plan, _, studies) in points.items()
    }
    if not jobs:
        for at, extent in extents.values():
            tracking.catch_up(at, extent)
        console.print("already trained; nothing to do but the report", highlight=False)
        return
    here = environment() | {"numbers": recorded()}
    for at in sorted({Path(job.directory) for job in jobs}):
        record_environment(at, here)
    told = {point: (at, extent, tracking.heard(at)) for point, (at, extent) in extents.items()}
    with SweepWatch(console, told, place.workers) as watch:
        run_jobs(jobs, place, terms_here(next(iter(layouts.values())).platform), directory, watch)
