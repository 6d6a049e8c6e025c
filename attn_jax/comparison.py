"""The commands that compute: from a config to a trained study, its table and its page."""

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from attn_jax.config_file import load_study
from attn_jax.errors import AllDivergedError, ConfigError
from attn_jax.lab.collect import read_results
from attn_jax.lab.directory import write_json
from attn_jax.lab.executor import PinnedProcesses
from attn_jax.lab.planning import Prepared
from attn_jax.lab.progress import Watch
from attn_jax.lab.results import Results
from attn_jax.lab.study import Layout, Source, choose_layout, claimed, jobs_of, run_jobs
from attn_jax.lab.summary import summarize
from attn_jax.platforms import Platform, cpu_cores, device_lines, environment, select_platform
from attn_jax.report.page import write_report
from attn_jax.report.tables import print_table


def compare(source: Source, workdir: Path | None, platform: Platform) -> None:
    """Trains what is not trained yet, then writes summary.json and report.html and prints the table."""
    prepared = Prepared(load_study(source.config, source.overrides))
    directory = workdir or Path("results") / prepared.study.name
    console = Console()
    _train(source, prepared, directory, platform, list(prepared.study.models), console)
    _conclude(directory, console)


def train(source: Source, model: str, workdir: Path | None, platform: Platform) -> None:
    """Trains one model of a study, in the study's directory, and prints its row."""
    prepared = Prepared(load_study(source.config, source.overrides))
    if model not in prepared.study.models:
        raise ConfigError(f"--model: got {model!r}, wanted one of {', '.join(prepared.study.models)}")
    directory = workdir or Path("results") / prepared.study.name
    console = Console()
    _train(source, prepared, directory, platform, [model], console)
    results = read_results(directory)
    alone = replace(results, models={model: results.models[model]}, reference=model)
    print_table(summarize(alone), console)
    _refuse_all_diverged(alone)


def rewrite_report(directory: Path) -> None:
    """Writes summary.json and report.html from what is in a study's directory."""
    _conclude(directory, Console())


def _train(
    source: Source, prepared: Prepared, directory: Path, platform: Platform, models: list[str], console: Console
) -> None:
    backend = select_platform(platform)
    layout = _layout(prepared, backend)
    console.print(f"study {prepared.study.name} in {directory}, on {device_lines()[-1]}", markup=False, highlight=False)
    with claimed(directory, prepared, layout, environment()) as layout:
        jobs = jobs_of(source, prepared, directory, layout, models)
        if not jobs:
            console.print("already trained; nothing to do but the report", highlight=False)
            return
        executor = _executor(layout)
        try:
            with Watch(console, directory, models, layout.blocks, prepared.study.train.steps) as watch:
                run_jobs(jobs, executor, directory, watch)
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


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
