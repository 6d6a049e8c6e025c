"""The commands that compute: from a config to a trained study, its table and its page."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from attn_jax.errors import AllDivergedError
from attn_jax.lab.comparison import trained
from attn_jax.lab.loading import StudyResults, SweepResults, results_in
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.record.directory import locked
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.record.sweep_record import is_sweep, point_directory, read_sweep
from attn_jax.lab.summaries import write_study_summary, write_sweep_summary
from attn_jax.report.page import write_report
from attn_jax.report.sweep_page import write_sweep_report
from attn_jax.report.sweep_table import print_sweep_table
from attn_jax.report.tables import print_table
from attn_jax.terminal import Terminal


def compare(config: Path, **options: Any) -> None:
    """Trains what is not trained yet, then writes summary.json and report.html and prints the table; of a sweep too.

    Args:
      config: the file.
      options: as `attn_jax.lab.compare` takes them.
    """
    console = Terminal()
    with trained(config, console=console, **options) as directory:
        _conclude(directory, console)


def train(config: Path, model: str, **options: Any) -> None:
    """Trains one model of a study, in the study's directory, and prints its row; options as of `compare`."""
    console = Terminal()
    with trained(config, model=model, console=console, **options) as directory:
        results = replace(read_results(directory, [model]), reference=model)
        print_table(summarize(results), console)
        _refuse_all_diverged(results)


def rewrite_report(directory: Path) -> None:
    """Writes summary.json and report.html from what is in the directory of a finished study or sweep."""
    with held(directory):
        _conclude(directory, Terminal())


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Holds a study's directory, or a sweep's with those of its points."""
    # before a lock is left in a folder that is none of ours
    points = read_sweep(directory)["points"] if is_sweep(directory) else {}
    studies = [point_directory(directory, point) for point in points] or [directory]
    for study in studies:
        read_study(study)
    with ExitStack() as locks:
        for folder in {directory: None} | dict.fromkeys(studies):
            locks.enter_context(locked(folder))
        yield


def write_page(directory: Path) -> tuple[StudyResults | SweepResults, Any, Path]:
    """Writes summary.json, of a sweep of its points too, and report.html: (results, summary, page)."""
    results = results_in(directory, None)
    if isinstance(results, SweepResults):
        summary, first = write_sweep_summary(results), next(iter(results.points.values()))
        config = {key: read_sweep(directory)[key] for key in ("study", "axes")}
        return results, summary, write_sweep_report(summary, config, first.environment, directory)
    summary = write_study_summary(results)
    return results, summary, write_report(results, summary, directory)


def _conclude(directory: Path, console: Console) -> None:
    results, summary, page = write_page(directory)
    if isinstance(results, SweepResults):
        print_sweep_table(summary, console)
    else:
        print_table(summary, console)
    console.print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
    _refuse_all_diverged(*(results.points.values() if isinstance(results, SweepResults) else [results]))


def _refuse_all_diverged(*studies: Results) -> None:
    if all(model.diverged.all() for results in studies for model in results.models.values()):
        raise AllDivergedError(
            "every run diverged; try smaller learning rates (--config.train.learning-rates), and of a task of your own "
            "attn-jax check task"
        )
