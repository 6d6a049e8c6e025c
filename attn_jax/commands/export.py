"""`attn-jax export`: the runs, curves, lengths or probes of a finished study or sweep as a table for other programs."""

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

from attn_jax.errors import ConfigError, MachineError
from attn_jax.files import write_whole
from attn_jax.lab.loading import StudyResults, SweepResults, results_in
from attn_jax.lab.outcome.rows import Row

ROWS: dict[str, Callable[[StudyResults | SweepResults], list[Row]]] = {
    "runs": lambda results: results.runs(),
    "curves": lambda results: results.curves(),
    "lengths": lambda results: results.lengths(),
    "probes": lambda results: results.probes(),
}


def export(directory: Path, rows: str, format: str, output: Path | None) -> None:
    """Writes one of the tables of `ROWS` in one of the `FORMATS`, to standard output or a file.

    Raises:
      ConfigError: no finished study there, or no place to write to.
      MachineError: parquet, and pyarrow is not installed.
    """
    if output is None and format == "parquet":
        raise ConfigError(f"--output is missing: parquet is no text; --output={rows}.parquet, say")
    if output is not None and output.is_dir():
        raise ConfigError(f"--output={output}: is a folder, wanted a file")
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"--output={output}: there is no folder {output.parent}")
    found = ROWS[rows](results_in(directory, None))
    if not found:
        raise ConfigError(f"{directory}: has no {rows}; --config.probes=gradient_flow, say, and the study's command")
    table = FORMATS[format](found)
    if output is not None:
        write_whole(output, table)
    elif isinstance(table, str):
        sys.stdout.write(table)


def _csv(rows: list[Row]) -> str:
    """A line of names, then one a row; None is empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _jsonl(rows: list[Row]) -> str:
    """A JSON object a line; None is null."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)


def _parquet(rows: list[Row]) -> bytes:
    try:
        import pyarrow  # pyright: ignore[reportMissingImports]
        import pyarrow.parquet  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MachineError(
            "--format=parquet: pyarrow is not installed (pip install pyarrow); csv and jsonl need nothing"
        ) from error
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    return file.getvalue()


FORMATS: dict[str, Callable[[list[Row]], str | bytes]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
