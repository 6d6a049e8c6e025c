"""The commands that compute: from a config to a trained study, its table and its page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from attn_jax.errors import AllDivergedError
from attn_jax.lab.comparison import trained
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.results import Results
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.record.directory import locked, write_json
from attn_jax.lab.record.schema import read_study
from attn_jax.platforms import Platform
from attn_jax.report.page import write_report
from attn_jax.report.tables import print_table
from attn_jax.terminal import Terminal


def compare(config: Path, overrides: Sequence[str], workdir: Path | None, platform: Platform, yes: bool) -> None:
    """Trains what is not trained yet, then writes summary.json and report.html and prints the table."""
    console = Terminal()
    options = {"overrides": overrides, "workdir": workdir, "platform": platform, "yes": yes, "console": console}
    with trained(config, **options) as directory:
        _conclude(directory, console)


def train(
    config: Path, overrides: Sequence[str], model: str, workdir: Path | None, platform: Platform, yes: bool
) -> None:
    """Trains one model of a study, in the study's directory, and prints its row."""
    console = Terminal()
    options = {"overrides": overrides, "workdir": workdir, "platform": platform, "yes": yes, "console": console}
    with trained(config, model=model, **options) as directory:
        results = replace(read_results(directory, [model]), reference=model)
        print_table(summarize(results), console)
        _refuse_all_diverged(results)


def rewrite_report(directory: Path) -> None:
    """Writes summary.json and report.html from what is in a finished study's directory."""
    read_study(directory)  # before a lock is left in a folder that is none of ours
    with locked(directory):
        _conclude(directory, Terminal())


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
