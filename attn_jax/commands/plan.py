"""`attn-jax compare --plan`: what a study would take, before it is trained."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from attn_jax.config import Sweep
from attn_jax.config.file import load_config
from attn_jax.lab.estimate import ModelEstimate, StudyEstimate, plan_of
from attn_jax.lab.record.sweep_record import point_directory
from attn_jax.names import counted
from attn_jax.platforms import Platform
from attn_jax.report import words
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
    """Prints the models as they would run, and what is left of the study takes; of a sweep each of its studies."""
    console = Terminal()
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    loaded = load_config(config, overrides)
    directory = Path("results") / loaded.name if workdir is None else workdir
    if isinstance(loaded, Sweep):
        studies = {point_directory(directory, point): study for point, study in loaded.points.items()}
    else:
        studies = {directory: loaded}
    seconds = 0.0
    for at, study in studies.items():
        estimate = plan_of(study, workdir=at, platform=platform, place=place)
        seconds += estimate.seconds
        if estimate.models:
            _print_models(estimate, console)
        for line in plan_lines(estimate):
            say(line)
    if isinstance(loaded, Sweep):
        several = counted(len(studies), "study", "studies")
        say(f"{several} in about {_minutes(seconds)}, less where points share programs")


def plan_lines(estimate: StudyEstimate) -> list[str]:
    """What a study takes, in sentences; then what could not be matched."""
    workers = counted(estimate.workers, "worker")
    lines = [
        f"{counted(estimate.runs, 'run')} in {counted(estimate.blocks, 'block')} of {estimate.width}, on {workers}",
        f"about {_minutes(estimate.seconds)} from the command to the page, were nothing else to run here",
        f"about {words.size(estimate.memory)} of memory a worker",
        f"about {counted(estimate.files, 'file')}, {words.size(estimate.disk)} on disk",
    ]
    if not estimate.blocks:
        lines[:3] = ["all is trained; nothing is left but the report"]
    if estimate.widened:
        rates = counted(len(estimate.widened), "learning rate")
        lines.append(f"train.widen may add {rates}: with all of them about {_minutes(estimate.widened[-1])}")
    notes = {name: model.match_note for name, model in estimate.models.items() if model.match_note}
    return [*lines, *(f"{name}: {note}" for name, note in notes.items()), "nothing was trained, nothing written"]


def _minutes(seconds: float) -> str:
    """A guess, in minutes; in hours where it is many.

    >>> _minutes(28.0), _minutes(400.0), _minutes(9000.0)
    ('0.5 minutes', '6.7 minutes', '2.5 hours')
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.1f} minutes"


def _print_models(estimate: StudyEstimate, console: Console) -> None:
    """A line a model; where it is too wide for the terminal, as the parts of a model below each other."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(estimate.study), title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in _COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, model in estimate.models.items():
        table.add_row(Text(name), *(Text(write(model)) for write in _COLUMNS.values()))
    if console.measure(table, options=console.options.update(width=1000)).maximum <= console.width:
        console.print(table)
        return
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for name, model in estimate.models.items():
        say(f"{name}: " + ", ".join(f"{heading} {write(model)}" for heading, write in _COLUMNS.items()))
