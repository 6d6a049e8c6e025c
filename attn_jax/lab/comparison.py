"""From a study, or its config file, to trained models: what the command, Python and notebooks share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

from rich.console import Console

from attn_jax.blame import in_sentences
from attn_jax.config import Study, Sweep
from attn_jax.config.codec import checked, to_json
from attn_jax.config.file import load_config
from attn_jax.errors import ConfigError
from attn_jax.lab.loading import StudyResults, SweepResults, results_in
from attn_jax.lab.plan.contracts import check_contracts
from attn_jax.lab.plan.numerics import pinned, planned, recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.run.environment import record_environment
from attn_jax.lab.run.places.base import Place, terms_here
from attn_jax.lab.run.progress import Watch
from attn_jax.lab.run.session import Layout, jobs_of, opened, run_jobs, unfinished
from attn_jax.lab.summaries import write_summary
from attn_jax.lab.sweeping import trained_sweep
from attn_jax.lab.track.protocol import MakeTracker
from attn_jax.lab.track.tracking import Tracking, tracked
from attn_jax.lab.widening import widen
from attn_jax.lab.workers import extent_of, layout_at, opened_place, platform_at
from attn_jax.names import nearest_names
from attn_jax.platforms import Platform, environment
from attn_jax.terminal import Terminal


class Where(TypedDict, total=False):
    """The options of `compare` that `plan_of` takes too, for the types of their results."""

    workdir: str | Path | None
    overrides: Sequence[str]
    platform: Platform
    place: str


class _Options(Where, total=False):
    yes: bool
    track: Sequence[str | MakeTracker]


@overload
def compare(study: Study, **options: Unpack[_Options]) -> StudyResults: ...
@overload
def compare(study: Sweep, **options: Unpack[_Options]) -> SweepResults: ...
@overload
def compare(study: str | Path, **options: Unpack[_Options]) -> StudyResults | Any: ...
def compare(
    study: Study | Sweep | str | Path,
    *,
    workdir: str | Path | None = None,
    overrides: Sequence[str] = (),
    platform: Platform = "auto",
    place: str = "auto",
    yes: bool = False,
    track: Sequence[str | MakeTracker] = (),
) -> StudyResults | SweepResults:
    """Trains every model of a study, or of each study of a sweep, as `attn-jax compare` does; wherever Python runs.

    A study that is done already is only read. `attn-jax report` makes the page of the directory. In a notebook:

        results = attn_jax.lab.compare("configs/parity.py", overrides=["--config.train.seeds=4"])
        results.models["lstm"].final  # [seeds, rates]
        model, params = results.model("lstm", seed=3)

    Args:
      study: a study, a sweep, or the path of its config file. Classes of your own lie in a file that can be imported.
      workdir: where the study lives; default results/<study name>.
      overrides: of a config file's fields, as the command takes them: ["--config.train.steps=500"].
      platform: what to run on: "auto", "cpu", "cuda" or "tpu".
      place: where, as `--place` takes it: "auto" is this machine.
      yes: begins a study even if it takes more than an hour or 10 GB.
      track: who is told what is measured: "tensorboard", "package.module:function", functions that make a `Tracker`.

    Returns:
      What `load` gives: the scores and losses of every run, as arrays and tables, and the trained models; of a sweep
      its points'.

    Raises:
      ConfigError: what is wrong with the study, or the directory is another study's.
      UserError: whatever else ends the command with a sentence: a locked directory, Ctrl-C (all is saved) ...

    >>> compare("nowhere.py")
    Traceback (most recent call last):
    attn_jax.errors.ConfigError: nowhere.py: no such config file
    """
    options = {"workdir": workdir, "overrides": overrides, "platform": platform, "yes": yes, "track": track}
    with in_sentences(), trained(study, place=place, **options) as directory:
        results = results_in(directory, study)
        write_summary(results)
        return results


@contextmanager
def trained(
    study: Study | Sweep | str | Path,
    *,
    model: str | None = None,
    workdir: str | Path | None = None,
    overrides: Sequence[str] = (),
    platform: Platform = "auto",
    place: str = "auto",
    yes: bool = False,
    track: Sequence[str | MakeTracker] = (),
    console: Console | None = None,
) -> Iterator[Path]:
    """The study's directory, held, with its models trained to the end, or this one alone."""
    with pinned():
        config = loaded(study, overrides)
    directory = Path("results") / config.name if workdir is None else Path(workdir).expanduser()
    if isinstance(config, Sweep):
        if model is not None:
            raise ConfigError(f"--model: got {model!r} for a sweep, which attn-jax compare trains; wanted a study")
        backend, console = platform_at(place, platform), console or Terminal()
        options = {"platform": backend, "place": place, "yes": yes, "console": console}
        with (
            tracked(track, console) as tracking,
            trained_sweep(config, directory, tracking=tracking, **options) as directory,
        ):
            yield directory
        return
    with planned(lambda: config) as plan:
        models = list(config.models)
        if model not in (None, *models):
            raise ConfigError(f"--model: got {model!r}, {nearest_names(str(model), models)}")
        models = models if model is None else [model]
        backend = platform_at(place, platform)
        check_contracts(plan, unfinished(directory, plan, models))
        console = console or Terminal()
        with opened_place(place, backend, directory) as where:
            opening = opened(directory, plan, layout_at(where, plan, backend), models=models, confirmed=yes)
            with opening as layout, tracked(track, console, concluded=model is None) as tracking:
                title = f"study {plan.study.name} in {directory}, on {where.words}"
                console.print(title, markup=False, highlight=False, soft_wrap=True)
                _train(plan, directory, layout, models, where, console, tracking)
                while model is None and (added := widen(directory)):
                    console.print(added, markup=False, highlight=False, soft_wrap=True)
                    _train(plan, directory, layout, models, where, console, tracking)
                where.executor.shutdown(wait=True)
                yield directory


def loaded(study: Study | Sweep | str | Path, overrides: Sequence[str]) -> Study | Sweep:
    """The config, checked; what cannot travel to a worker is refused before anything is written."""
    if isinstance(study, str | Path):
        config = load_config(study, overrides)
    elif not isinstance(study, Study | Sweep):
        raise ConfigError(f"study: got a {type(study).__name__}, wanted a Study, a Sweep or the path of a config file")
    elif overrides:
        raise ConfigError("overrides: got them for a Study, wanted them for a config file; use dataclasses.replace")
    else:
        config = study
    if isinstance(config, Sweep):
        config = Sweep(checked(config.study), config.axes)
        for point in config.points.values():
            to_json(point)
        return config
    config = checked(config)
    to_json(config)
    return config


def _train(
    plan: StudyPlan,
    directory: Path,
    layout: Layout,
    models: list[str],
    place: Place,
    console: Console,
    tracking: Tracking,
) -> None:
    jobs, extent = jobs_of(plan, directory, layout, models), extent_of(plan, directory, models, place.workers)
    if not jobs:
        tracking.catch_up(directory, extent)
        console.print("already trained; nothing to do but the report", highlight=False)
        return
    record_environment(directory, environment() | {"numbers": recorded()})
    with Watch(console, directory, extent, tracking.heard(directory)) as watch:
        run_jobs(jobs, place, terms_here(layout.platform), directory, watch)
