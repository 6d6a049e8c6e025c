"""`attn-jax compare --plan`: what a study or a sweep would take, before it is trained."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from attn_jax.lab.estimate import plan_of
from attn_jax.lab.taken import ModelEstimate, StudyEstimate, SweepEstimate
from attn_jax.names import counted
from attn_jax.platforms import Platform
from attn_jax.report import words
from attn_jax.report.tables import print_rows
from attn_jax.terminal import Terminal

_COLUMNS: dict[str, Callable[[ModelEstimate], str]] = {
    "params": lambda model: words.count(model.parameters),
    "matched": lambda model: words.count(model.parameters_matched),
    "state": lambda model: words.size(model.state_bytes),
    "FLOPs/step": lambda model: words.flops(model.train_flops_per_step),
    "ms/step": lambda model: words.duration(1000 * model.step_seconds),
    "compile s": lambda model: words.duration(model.compile_seconds),
}


def print_plan(config: Path, overrides: Sequence[str], workdir: Path | None, platform: Platform, place: str) -> None:
    """Prints the models as they would run, and what is left of the study takes; of a sweep those of each point."""
    console = Terminal()
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    estimate = plan_of(config, workdir=workdir, overrides=overrides, platform=platform, place=place)
    if isinstance(estimate, SweepEstimate):
        for study in estimate.studies.values():
            if study.models:
                _print_models(study, console)
            for line in point_lines(study):
                say(line)
    elif estimate.models:
        _print_models(estimate, console)
    for line in plan_lines(estimate):
        say(line)


def plan_lines(estimate: StudyEstimate | SweepEstimate) -> list[str]:
    """What it takes in sentences; of a study then what could not be matched."""
    of = f" of {estimate.width}" if isinstance(estimate, StudyEstimate) else ""
    workers = counted(estimate.workers, "worker")
    lines = [
        f"{counted(estimate.runs, 'run')} in {counted(estimate.blocks, 'block')}{of}, on {workers}",
        f"about {_minutes(estimate.seconds)} from the command to the page, were nothing else to run here",
        f"about {words.size(estimate.memory)} of memory a worker",
        f"about {counted(estimate.files, 'file')}, {words.size(estimate.disk)} on disk",
    ]
    if not estimate.blocks:
        lines[:3] = ["all is trained; nothing is left but the report"]
    if isinstance(estimate, SweepEstimate):
        several = counted(len(estimate.studies), "study", "studies")
        lines.insert(0, f"{several} as one sweep: workers start once, shared programs are compiled once, one page")
    if estimate.widened:
        rates = counted(len(estimate.widened), "learning rate")
        each = " to a study" if isinstance(estimate, SweepEstimate) else ""
        lines.append(f"train.widen may add {rates}{each}: with all of them about {_minutes(estimate.widened[-1])}")
    notes = _notes(estimate) if isinstance(estimate, StudyEstimate) else []
    return [*lines, *notes, "nothing was trained, nothing written"]


def point_lines(study: StudyEstimate) -> list[str]:
    """A point of a sweep: what is left of it, and what could not be matched."""
    if not study.blocks:
        return [f"{study.study}: all is trained", *_notes(study)]
    blocks = f"{counted(study.runs, 'run')} in {counted(study.blocks, 'block')} of {study.width}"
    return [f"{study.study}: {blocks}; by a command of its own about {_minutes(study.seconds)}", *_notes(study)]


def _notes(study: StudyEstimate) -> list[str]:
    return [f"{name}: {model.match_note}" for name, model in study.models.items() if model.match_note]


def _minutes(seconds: float) -> str:
    """A guess, in minutes; in hours where it is many.

    >>> _minutes(28.0), _minutes(400.0), _minutes(9000.0)
    ('0.5 minutes', '6.7 minutes', '2.5 hours')
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.1f} minutes"


def _print_models(estimate: StudyEstimate, console: Console) -> None:
    """A line a model."""
    rows = [
        {"model": name} | {heading: write(model) for heading, write in _COLUMNS.items()}
        for name, model in estimate.models.items()
    ]
    print_rows(console, estimate.study, rows)
