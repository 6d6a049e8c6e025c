"""`attn-jax list` and `attn-jax show`: what there is, from the registries themselves."""

import ast
import dataclasses
import inspect
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from attn_jax.blame import raised
from attn_jax.commands.claims import list_claims
from attn_jax.config.shipped import shipped_configs, shipped_files
from attn_jax.errors import ConfigError
from attn_jax.lab.cost.mixer_costs import measure_mixer, mixer_costs
from attn_jax.mixers import MIXERS, MixerConfig
from attn_jax.names import nearest_names
from attn_jax.tasks import TASKS, TaskConfig, TaskSpec
from attn_jax.tasks.base import token_names
from attn_jax.terminal import Terminal

_MOST_SHOWN = 10_000  # places of an example
# what fits a wide terminal, by what is listed, the last of it first left out; --json has it all
_SHOWN = {
    "mixers": ("name", "parameters", "state_bytes", "depth", "flops_per_token", "us_whole", "us_one_by_one", "source"),
    "tasks": ("name", "about", "train_lengths", "length_unit"),
    "configs": ("name", "about"),
    "claims": ("name", "about"),
}
_PROSE = {"source": 20, "about": 20}  # columns whose cells may be broken into lines, and the fewest letters of one


def print_list(what: str, *, as_json: bool, measure: bool = False) -> None:
    """Prints the mixers, if asked with the measured time of a token, the tasks, the configs, the claims, or all.

    Raises:
      ConfigError: what is to be measured are no mixers.
    """
    if measure and what not in ("mixers", "all"):
        raise ConfigError(f"--measure: got it for {what}, wanted it for mixers")
    makers = {"mixers": partial(list_mixers, measure=measure), "tasks": list_tasks, "configs": list_configs}
    makers["claims"] = list_claims
    chosen = {name: make() for name, make in makers.items() if what in (name, "all")}
    if as_json:
        print(json.dumps(chosen if what == "all" else chosen[what], indent=1))
        return
    for title, rows in chosen.items():
        _print_rows(title, rows)


def list_mixers(*, measure: bool = False) -> list[dict[str, Any]]:
    """Every registered mixer: what it is, its source, what `mixer_costs` counts, and the measured time of a token."""
    return [
        {
            "name": name,
            "class": type(mixer).__name__,
            "about": first_line(inspect.getdoc(type(mixer))),
            "config": short_repr(mixer),
            "source": mixer.source,
            **mixer_costs(mixer),
            **(measure_mixer(mixer) if measure else {}),
        }
        for name, mixer in MIXERS.items()
    ]


def list_tasks() -> list[dict[str, Any]]:
    """What `TaskSpec` says of every registered task, and its floors at the longest length trained on by default."""
    return [_task_row(name, config) for name, config in TASKS.items()]


def _task_row(name: str, config: TaskConfig) -> dict[str, Any]:
    """One task as JSON: numbers, strings, and null where there is nothing."""
    task = config.make()
    spec = task.spec
    missing, floors = None, {}
    try:
        floors = task.floors(spec.train_lengths[1])
    except ImportError as error:
        missing = str(error)
    return {
        "name": name,
        "about": first_line(inspect.getdoc(inspect.getmodule(type(config)))),
        "config": short_repr(config),
        "source": spec.source,
        "metric": spec.metric,
        "threshold": spec.threshold,
        "vocabulary": spec.io.vocab_size,
        "channels": spec.io.channels,
        "classes": spec.io.num_classes,
        "out_channels": spec.io.out_channels,
        "train_lengths": list(spec.train_lengths),
        "test_lengths": list(spec.test_lengths),
        "length_unit": spec.length_unit,
        "loss_places": spec.loss_places,
        "floors": {floor: {"value": _rounded(f.value), "loss": _rounded(f.loss)} for floor, f in floors.items()},
        "chance": spec.chance,
        "best": spec.best if spec.best_floor is None else None,
        "best_floor": spec.best_floor,
        "strings": task.strings is not None,
        "missing": missing,  # what must be installed before it has floors
    }


def short_repr(config: TaskConfig | MixerConfig) -> str:
    """The expression that makes a configuration, fields at their defaults left out.

    >>> short_repr(TASKS["parity_running"])
    "Parity(labels='running')"
    """
    given = ((field, getattr(config, field.name)) for field in dataclasses.fields(config))
    words = ", ".join(f"{field.name}={value!r}" for field, value in given if value != field.default)
    return f"{type(config).__name__}({words})"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


def list_configs(folder: Path = Path("configs")) -> list[dict[str, Any]]:
    """Name and first line of every shipped config, then of the others in a folder, by path; nothing is run."""
    shipped = shipped_configs()
    known = {path.resolve() for path in shipped_files().values()}
    own = {str(path): path for path in sorted(folder.glob("**/*.py")) if path.resolve() not in known}
    return [{"name": name, "about": _about(path)} for name, path in (shipped | own).items()]


def _about(path: Path) -> str:
    """The first line of a python file, or why it has none: others are listed all the same."""
    try:
        return first_line(ast.get_docstring(ast.parse(path.read_bytes())))
    except (OSError, SyntaxError, ValueError) as error:
        return f"cannot be read: {raised(error)}"


def show_task(name: str, length: int | None, key: int) -> None:
    """Prints one example of a task, input over target over weight, and the task's floors at that length."""
    import jax

    if name not in TASKS:
        raise ConfigError(f"task: got {name!r}, {nearest_names(name, TASKS)}")
    task = TASKS[name].make()
    spec = task.spec
    length = spec.train_lengths[1] if length is None else length
    try:
        spec.lengths(length, length)
    except ValueError as error:
        raise ConfigError(f"--length={length}: {error}{_nearest_lengths(spec, length)}") from error
    if spec.num_tokens(length) > _MOST_SHOWN:
        raise ConfigError(f"--length={length}: wanted at most {_MOST_SHOWN} places to be shown")
    if not 0 <= key < 2**32:
        raise ConfigError(f"--key={key}: wanted 0 to {2**32 - 1}")
    sample = jax.jit(task.sample, static_argnums=(1, 3))  # compiled as one: many tasks have many small steps
    batch = jax.device_get(sample(jax.random.key(key), 1, length, length))
    console = Terminal()
    title = f"{name}, {length} {spec.length_unit}: {spec.source}"
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    for line in _example_lines(batch, token_names(TASKS[name]), console.width):
        console.print(line, soft_wrap=True)
    for floor, (value, loss, _) in task.floors(length).items():
        loss = "no loss" if loss is None else f"loss {loss:.4g}"
        chance = ", chance" if floor == spec.chance else ""
        console.print(f"  floor {floor}: {spec.metric} {value:.4g}, {loss}{chance}", markup=False, highlight=False)


def _nearest_lengths(spec: TaskSpec, length: int) -> str:
    """The next allowed lengths below and above, as far as they are near or among the defaults."""
    near = {*range(max(0, length - 4), length + 5), *spec.train_lengths, *spec.test_lengths}
    allowed = [candidate for candidate in near if _is_allowed(spec, candidate)]
    below = [candidate for candidate in allowed if candidate < length]
    above = [candidate for candidate in allowed if candidate > length]
    nearest = [str(found) for found in (max(below, default=None), min(above, default=None)) if found is not None]
    return f"; try {' or '.join(nearest)}" if nearest else ""


def _is_allowed(spec: TaskSpec, length: int) -> bool:
    try:
        return bool(spec.lengths(length, length))
    except ValueError:
        return False


def _example_lines(batch: Any, names: Sequence[str] | None, width: int) -> list[Text]:
    """Columns one place wide, broken into as many bands as the terminal's width asks for.

    A target is green where it is scored, dim where it is only trained, and a dot where it is neither.
    """
    rows = [("input", [(text, "") for text in texts]) for texts in _texts(batch.inputs[0], names)]
    styles = np.where(batch.scored[0], "bold green", np.where(batch.weights[0] > 0, "dim", "none"))
    for texts in _texts(batch.targets[0], names):
        cells = [(".", "") if style == "none" else (text, style) for text, style in zip(texts, styles, strict=True)]
        rows.append(("target", cells))
    rows.append(("weight", [("." if weight == 0 else f"{weight:g}", "") for weight in batch.weights[0]]))
    cell = max(cell_len(text) for _, cells in rows for text, _ in cells) + 1
    per_band = max(1, (width - 8) // cell)
    lines = []
    for start in range(0, batch.valid.shape[1], per_band):
        for title, cells in rows:
            line = Text(f"{title:<7}")
            for text, style in cells[start : start + per_band]:
                line.append(" " * (cell - cell_len(text)) + text, style)
            lines.append(line)
        lines.append(Text())
    return lines


def _texts(values: np.ndarray, names: Sequence[str] | None) -> list[list[str]]:
    """One row of texts for tokens or classes [T], one a channel for real numbers [T, C]."""
    if values.ndim == 1:
        return [[str(value) if names is None else names[int(value)] for value in values]]
    return [[f"{value:.3g}" for value in channel] for channel in np.round(values, 3).T.tolist()]


def _print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """A table of as many columns as there is room for; names are never cut."""
    console = Terminal()
    columns = [column for column in _SHOWN[title] if rows and column in rows[0]]
    while len(columns) > 1 and sum(_narrowest(column, rows) for column in columns) > console.width:
        columns.pop()
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        number = not isinstance(rows[0][column], str | list)
        justify = "right" if number else "left"
        table.add_column(
            column.replace("_", " "), no_wrap=column not in (*_PROSE, "name"), overflow="fold", justify=justify
        )
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    console.print(table, markup=False, highlight=False)


def _narrowest(column: str, rows: list[dict[str, Any]]) -> int:
    """The fewest letters a column can be read in, and the gap beside it."""
    return 2 + (_PROSE.get(column) or max(len(column), *(cell_len(_cell(row[column])) for row in rows)))


def _cell(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def first_line(text: str | None) -> str:
    """The first line of a docstring.

    >>> first_line("One. Two. ")
    'One. Two.'
    """
    return (text or "").strip().split("\n")[0]
