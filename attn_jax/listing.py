"""`attn-jax list` and `attn-jax show`: what there is, from the registries themselves."""

import ast
import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from attn_jax.errors import ConfigError
from attn_jax.mixers import MIXERS
from attn_jax.tasks import TASKS

_SHOWN = ("name", "about", "train_lengths", "length_unit")  # what fits a terminal; --json has it all


def print_list(what: str, *, as_json: bool) -> None:
    """Prints the mixers, the tasks, the configs in ./configs, or all of them."""
    makers = {"mixers": list_mixers, "tasks": list_tasks, "configs": list_configs}
    chosen = {name: make() for name, make in makers.items() if what in (name, "all")}
    if as_json:
        print(json.dumps(chosen if what == "all" else chosen[what], indent=1))
        return
    for title, rows in chosen.items():
        _print_rows(title, rows)


def list_mixers() -> list[dict[str, Any]]:
    """Name, class and first sentence of every registered mixer."""
    return [
        {"name": name, "class": type(mixer).__name__, "about": _first_line(inspect.getdoc(type(mixer)))}
        for name, mixer in MIXERS.items()
    ]


def list_tasks() -> list[dict[str, Any]]:
    """Name, source, metric, threshold, sizes, default lengths and floors of every registered task."""
    rows = []
    for name, config in TASKS.items():
        task = config.make()
        spec = task.spec
        try:
            floors = {floor: round(value.metric, 4) for floor, value in task.floors(spec.train_lengths[1]).items()}
        except ImportError as error:
            floors = str(error)
        rows.append(
            {
                "name": name,
                "about": _first_line(inspect.getdoc(type(config))),
                "metric": spec.metric,
                "threshold": spec.threshold,
                "inputs": spec.io.vocab_size or f"{spec.io.channels} channel(s)",
                "classes": spec.io.num_classes,
                "train_lengths": list(spec.train_lengths),
                "length_unit": spec.length_unit,
                "floors": floors,
                "source": spec.source,
            }
        )
    return rows


def list_configs(folder: Path = Path("configs")) -> list[dict[str, Any]]:
    """Path and first line of every python config in a folder; nothing is run."""
    return [
        {"name": str(path), "about": _first_line(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))}
        for path in sorted(folder.glob("**/*.py"))
    ]


def show_task(name: str, length: int | None, key: int) -> None:
    """Prints one example of a task, input over target over weight, and the task's floors."""
    import jax

    if name not in TASKS:
        raise ConfigError(f"task: got {name!r}, wanted one of {', '.join(TASKS)}")
    task = TASKS[name].make()
    length = task.spec.train_lengths[1] if length is None else length
    try:
        task.spec.lengths(length, length)
    except ValueError as error:
        raise ConfigError(f"--length: {error}") from error
    batch = jax.device_get(task.sample(jax.random.key(key), 1, length, length))
    console = Console()
    title = f"{name}, {length} {task.spec.length_unit}: {task.spec.source}"
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    for line in _example_lines(batch, console.width):
        console.print(line, markup=True, highlight=False)
    for floor, value in task.floors(length).items():
        console.print(f"  floor {floor}: {task.spec.metric} {value.metric:.4g}", markup=False, highlight=False)


def _example_lines(batch: Any, width: int) -> list[str]:
    """Columns one place wide, broken into as many bands as the terminal's width asks for."""
    inputs = batch.inputs[0] if batch.inputs.ndim == 2 else np.round(batch.inputs[0, :, 0], 2)
    scored = batch.scored[0]
    targets = ["." if not s else str(t) for s, t in zip(scored, batch.targets[0], strict=True)]
    weights = ["." if w == 0 else f"{w:g}" for w in batch.weights[0]]
    rows = {"input": [str(x) for x in inputs], "target": targets, "weight": weights}
    cell = max(len(text) for texts in rows.values() for text in texts) + 1
    per_band = max(1, (width - 8) // cell)
    lines = []
    for start in range(0, len(inputs), per_band):
        for title, texts in rows.items():
            shown = "".join(_coloured(text.rjust(cell), title) for text in texts[start : start + per_band])
            lines.append(f"{title:<7}{shown}")
        lines.append("")
    return lines


def _coloured(text: str, title: str) -> str:
    return f"[bold green]{text}[/]" if title == "target" and text.strip() != "." else text


def _print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    columns = [column for column in _SHOWN if rows and column in rows[0]]
    for column in columns:
        table.add_column(column.replace("_", " "), no_wrap=column == "name")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console().print(table, markup=False, highlight=False)


def _cell(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n")[0]
