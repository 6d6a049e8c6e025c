"""The commands that compute: from a config to a trained study, its table and its page."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from attn_jax.config_file import load_study
from attn_jax.errors import AllDivergedError, ConfigError
from attn_jax.lab.collect import read_results
from attn_jax.lab.directory import locked, write_json
from attn_jax.lab.executor import PinnedProcesses
from attn_jax.lab.planning import Prepared
from attn_jax.lab.progress import Watch
from attn_jax.lab.results import Results
from attn_jax.lab.study import Layout, Source, choose_layout, claimed, jobs_of, record_environment, run_jobs
from attn_jax.lab.summary import summarize
from attn_jax.platforms import Platform, cpu_cores, environment, select_platform, where_studies_run
from attn_jax.report.page import write_report
from attn_jax.report.tables import print_table


def compare(source: Source, workdir: Path | None, platform: Platform) -> None:
    """Trains what is not trained yet, then writes summary.json and report.html and prints the table."""
    prepared = Prepared(load_study(source.config, source.overrides))
    with _trained(source, prepared, workdir, platform, list(prepared.study.models)) as (directory, console):
        _conclude(directory, console)


def train(source: Source, model: str, workdir: Path | None, platform: Platform) -> None:
    """Trains one model of a study, in the study's directory, and prints its row."""
    prepared = Prepared(load_study(source.config, source.overrides))
    if model not in prepared.study.models:
        raise ConfigError(f"--model: got {model!r}, wanted one of {', '.join(prepared.study.models)}")
    with _trained(source, prepared, workdir, platform, [model]) as (directory, console):
        results = replace(read_results(directory, [model]), reference=model)
        print_table(summarize(results), console)
        _refuse_all_diverged(results)


def rewrite_report(directory: Path) -> None:
    """Writes summary.json and report.html from what is in a finished study's directory."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: holds no study; attn-jax compare makes one")
    with locked(directory):
        _conclude(directory, Console())


@contextmanager
def _trained(
    source: Source, prepared: Prepared, workdir: Path | None, platform: Platform, models: list[str]
) -> Iterator[tuple[Path, Console]]:
    """The study's directory, held, with these models trained to the end."""
    directory = workdir or Path("results") / prepared.study.name
    layout = _layout(prepared, select_platform(platform))
    console = Console()
    with claimed(directory, prepared, layout) as layout:
        title = f"study {prepared.study.name} in {directory}, on {where_studies_run()}"
        console.print(title, markup=False, highlight=False, soft_wrap=True)
        jobs = jobs_of(source, prepared, directory, layout, models)
        if jobs:
            record_environment(directory, environment())
            executor = _executor(layout)
            try:
                with Watch(console, directory, models, layout.blocks, prepared.study.train.steps) as watch:
                    run_jobs(jobs, executor, directory, watch)
            finally:
                executor.shutdown(wait=True, cancel_futures=True)
        else:
            console.print("already trained; nothing to do but the report", highlight=False)
        yield directory, console


def _layout(prepared: Prepared, backend: str) -> Layout:
    if backend == "cpu":
        return choose_layout(prepared, platform=backend, workers=len(cpu_cores()), num_devices=1)
    import jax

    return choose_layout(prepared, platform=backend, workers=1, num_devices=jax.local_device_count())


def _executor(layout: Layout) -> Executor:
    """Pinned processes on a CPU; beside an accelerator one thread, because the devices belong to this process."""
    return PinnedProcesses(cpu_cores()) if layout.platform == "cpu" else ThreadPoolExecutor(1)


def _conclude(directory: Path, console: Console) -> None:
    results = read_results(directory)
    summary = summarize(results)
    write_json(directory / "summary.json", summary)
    page = write_report(results, summary, directory)
    print_table(summary, console)
    console.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
    _refuse_all_diverged(results)


def _refuse_all_diverged(results: Results) -> None:
    if all(model.diverged.all() for model in results.models.values()):
        raise AllDivergedError("every run diverged; try smaller learning rates (--config.train.learning-rates)")
