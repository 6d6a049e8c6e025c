"""From a study, or its config file, to trained models: what the command, Python and notebooks share."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console

from attn_jax.blame import in_sentences
from attn_jax.config import Study
from attn_jax.config.codec import checked, to_json
from attn_jax.config.file import load_study
from attn_jax.errors import ConfigError
from attn_jax.lab.loading import StudyResults, results_in
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.plan.contracts import check_contracts
from attn_jax.lab.plan.numerics import planned, recorded
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.environment import record_environment
from attn_jax.lab.run.executor import PinnedProcesses
from attn_jax.lab.run.pace import Extent
from attn_jax.lab.run.progress import Watch
from attn_jax.lab.run.session import Layout, choose_layout, jobs_of, opened, run_jobs, unfinished
from attn_jax.lab.widening import widen
from attn_jax.names import nearest_names
from attn_jax.platforms import Platform, cpu_cores, environment, select_platform, where_studies_run
from attn_jax.terminal import Terminal


def compare(
    study: Study | str | Path,
    *,
    workdir: str | Path | None = None,
    overrides: Sequence[str] = (),
    platform: Platform = "auto",
    yes: bool = False,
) -> StudyResults:
    """Trains every model of a study, as `attn-jax compare` does; in a script, a notebook or a thread.

    A study that is done already is only read. `attn-jax report` makes the page of the directory. In a notebook:

        results = attn_jax.lab.compare("configs/parity.py", overrides=["--config.train.seeds=4"])
        results.models["lstm"].final  # [seeds, rates]
        model, params = results.model("lstm", seed=3)

    Args:
      study: a study, or the path of its config file. Classes of your own lie in a file that can be imported.
      workdir: where the study lives; default results/<study name>.
      overrides: of a config file's fields, as the command takes them: ["--config.train.steps=500"].
      platform: what to run on: "auto", "cpu", "cuda" or "tpu".
      yes: begins a study even if it takes more than an hour or 10 GB.

    Returns:
      What `load` gives: the scores and losses of every run, as arrays and tables, and the trained models.

    Raises:
      ConfigError: what is wrong with the study, or the directory is another study's.
      UserError: whatever else ends the command with a sentence: a locked directory, Ctrl-C (all is saved) ...

    >>> compare("nowhere.py")
    Traceback (most recent call last):
    attn_jax.errors.ConfigError: nowhere.py: no such config file
    """
    with in_sentences(), trained(study, workdir=workdir, overrides=overrides, platform=platform, yes=yes) as directory:
        results = results_in(directory, study)
        write_json(directory / "summary.json", summarize(results))
        return results


@contextmanager
def trained(
    study: Study | str | Path,
    *,
    model: str | None = None,
    workdir: str | Path | None = None,
    overrides: Sequence[str] = (),
    platform: Platform = "auto",
    yes: bool = False,
    console: Console | None = None,
) -> Iterator[Path]:
    """The study's directory, held, with its models trained to the end, or this one alone."""
    with planned(partial(loaded, study, overrides)) as plan:
        models = list(plan.study.models)
        if model not in (None, *models):
            raise ConfigError(f"--model: got {model!r}, {nearest_names(str(model), models)}")
        directory = Path("results") / plan.study.name if workdir is None else Path(workdir).expanduser()
        models = models if model is None else [model]
        backend = select_platform(platform)
        check_contracts(plan, unfinished(directory, plan, models))
        layout = layout_of(plan, backend)
        with opened(directory, plan, layout, models=models, confirmed=yes) as layout:
            console = console or Terminal()
            _train(plan, directory, layout, models, console)
            while model is None and (added := widen(directory)):
                console.print(added, markup=False, highlight=False, soft_wrap=True)
                _train(plan, directory, layout, models, console)
            yield directory


def loaded(study: Study | str | Path, overrides: Sequence[str]) -> Study:
    """A study, or that of a config file, checked."""
    if isinstance(study, str | Path):
        study = load_study(study, overrides)
    elif not isinstance(study, Study):
        raise ConfigError(f"study: got a {type(study).__name__}, wanted a Study or the path of a config file")
    elif overrides:
        raise ConfigError("overrides: got them for a Study, wanted them for a config file; use dataclasses.replace")
    study = checked(study)
    to_json(study)  # what cannot travel to a worker is refused before anything is written
    return study


def _train(plan: StudyPlan, directory: Path, layout: Layout, models: list[str], console: Console) -> None:
    title = f"study {plan.study.name} in {directory}, on {where_studies_run()}"
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    jobs = jobs_of(plan, directory, layout, models)
    if not jobs:
        console.print("already trained; nothing to do but the report", highlight=False)
        return
    record_environment(directory, environment() | {"numbers": recorded()})
    executor = executor_of(layout)
    try:
        with Watch(console, directory, _extent(plan, directory, layout, models)) as watch:
            run_jobs(jobs, executor, directory, watch)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _extent(plan: StudyPlan, directory: Path, layout: Layout, models: list[str]) -> Extent:
    workers = len(cpu_cores()) if layout.platform == "cpu" else 1
    runs, study = read_study(directory)["runs"], plan.study
    blocks = {name: len(runs[name]) for name in models}
    return Extent(blocks, study.train.steps, [*plan.curve_lengths], study.evaluate.every, workers)


def layout_of(plan: StudyPlan, backend: str) -> Layout:
    """The blocks of a study that begins on this machine."""
    if backend == "cpu":
        return choose_layout(plan, platform=backend, workers=len(cpu_cores()), num_devices=1)
    import jax

    return choose_layout(plan, platform=backend, workers=1, num_devices=jax.local_device_count())


def executor_of(layout: Layout) -> Executor:
    """Pinned processes on a CPU; beside an accelerator one thread, because the devices belong to this process."""
    return PinnedProcesses(cpu_cores()) if layout.platform == "cpu" else ThreadPoolExecutor(1)
