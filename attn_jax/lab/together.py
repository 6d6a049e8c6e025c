"""Several studies and sweeps trained by one command: planned side by side in the workers, in one queue of blocks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from attn_jax.config import Study, Sweep
from attn_jax.lab.plan.numerics import pinned
from attn_jax.lab.record.sweep_record import point_directory
from attn_jax.lab.run.places.base import terms_here
from attn_jax.lab.run.session import Layout
from attn_jax.lab.run.sweep_session import Point, opened_point, opened_sweep, plan_studies
from attn_jax.lab.sweeping import train_points
from attn_jax.lab.track.protocol import MakeTracker
from attn_jax.lab.track.tracking import tracked
from attn_jax.lab.workers import layout_at, opened_place
from attn_jax.names import counted


@contextmanager
def trained_together(
    configs: Mapping[str, tuple[Study | Sweep, Path]],
    directory: Path,
    *,
    platform: str,
    place: str = "auto",
    track: Sequence[str | MakeTracker] = (),
    console: Console,
) -> Iterator[None]:
    """All of them held, each in its own directory, and trained to the end by the same workers.

    Args:
      configs: by name, each with where it lives.
      directory: of the command, which exists: it asks the workers to stop.
      platform: of the jobs.
      place: where they run, as `--place` takes it.
      track: who is told of every study what is measured, as `--track` takes it.
      console: shows how far it is.
    """
    studies = {name: at for key, config in configs.items() for name, at in _studies(key, *config).items()}
    with opened_place(place, platform, directory) as where:
        said = f"{counted(len(studies), 'study', 'studies')} in {directory}, on {where.words}"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
        with pinned():
            points = plan_studies(studies, where.executor, terms_here(platform))
        begun = {name: layout_at(where, planned.plan, platform) for name, planned in points.items()}
        with ExitStack() as held, tracked(track, console, concluded=False) as tracking:
            layouts: dict[str, Layout] = {}
            for key, config in configs.items():
                mine = list(_studies(key, *config))
                layouts |= _open(held, key, *config, {name: points[name] for name in mine}, begun)
            train_points(directory, points, layouts, where, console, tracking)
            where.executor.shutdown(wait=True)
            yield


def _studies(key: str, config: Study | Sweep, directory: Path) -> dict[str, tuple[Study, Path]]:
    """A study, or those of a sweep's points, "key/point"."""
    if isinstance(config, Study):
        return {key: (config, directory)}
    return {f"{key}/{point}": (study, point_directory(directory, point)) for point, study in config.points.items()}


def _open(
    held: ExitStack,
    key: str,
    config: Study | Sweep,
    directory: Path,
    points: Mapping[str, Point],
    layouts: Mapping[str, Layout],
) -> dict[str, Layout]:
    """Holds the directories of one config; the layouts that its studies were begun with."""
    if isinstance(config, Study):
        return {key: held.enter_context(opened_point(points[key], layouts[key], confirmed=True))}
    own = {name.removeprefix(f"{key}/"): name for name in points}
    found = held.enter_context(
        opened_sweep(
            directory,
            config,
            {point: points[name] for point, name in own.items()},
            {point: layouts[name] for point, name in own.items()},
            confirmed=True,
        )
    )
    return {own[point]: layout for point, layout in found.items()}
