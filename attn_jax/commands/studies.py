"""`attn-jax report DIR DIR ...`: each study's own page, then one of all."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from rich.console import Console

from attn_jax.commands.compare import held, rewrite_report, write_page
from attn_jax.errors import ConfigError
from attn_jax.files import read_json
from attn_jax.lab.outcome.leaderboard import Told, leaderboard
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.record.sweep_record import is_sweep, studies_in
from attn_jax.report import words
from attn_jax.report.studies_page import write_studies_report
from attn_jax.report.tables import print_rows
from attn_jax.terminal import Terminal

_PAGE = "studies.html"


def report(directories: Sequence[Path], title: str | None, output: Path | None) -> None:
    """Writes a study's or sweep's summary and page again, of several then the page of all.

    Raises:
      ConfigError: one is not finished, or no study, or there is no place for the page of all.
    """
    if len(directories) > 1:
        _report_all(directories, title, output)
    elif given := next((name for name, value in (("title", title), ("output", output)) if value is not None), None):
        raise ConfigError(
            f"--{given}: got it for {directories[0]} alone, wanted it for several: of one the page is its own"
        )
    else:
        rewrite_report(directories[0])


def _report_all(directories: Sequence[Path], title: str | None, output: Path | None) -> None:
    """Writes each study's or sweep's own summary and page, then a page of all, and prints its leaderboard.

    Args:
      directories: of finished studies and sweeps; a study that is named twice, or with its sweep, counts once.
      title: of the page.
      output: where to; default studies.html in the folder that all lie below.
    """
    absolute = [*dict.fromkeys(Path(os.path.abspath(directory)) for directory in directories)]
    page = Path(os.path.abspath(output)) if output is not None else _common(absolute) / _PAGE
    if page.is_dir():
        raise ConfigError(f"--output={page if output is None else output}: is a folder, wanted a file")
    if output is not None and not page.parent.is_dir():
        raise ConfigError(f"--output={output}: there is no folder {page.parent}")
    told: dict[Path, Told] = {}
    for directory in absolute:
        with held(directory):
            write_page(directory)
            told |= {study: one for study, one in _told(directory, page.parent) if study not in told}
    write_studies_report([*told.values()], title, page)
    console = Terminal()
    _print_board([*told.values()], console)
    console.print(f"report: {os.path.relpath(page)}", markup=False, highlight=False, soft_wrap=True)


def _common(directories: Sequence[Path]) -> Path:
    """The nearest folder that all lie below."""
    return Path(os.path.commonpath([directory.parent for directory in directories]))


def _told(directory: Path, root: Path) -> Iterator[tuple[Path, Told]]:
    """A study, or each point of a sweep, by its folder, as seen from that of the page."""
    link = quote(Path(os.path.relpath(directory / "report.html", root)).as_posix())
    points = "#points" if is_sweep(directory) else ""
    for study in studies_in(directory):
        label = Path(os.path.relpath(study, root)).as_posix().replace("/points/", "/")
        yield study, Told(label, link + points, read_study(study), read_json(study / "summary.json"))


def _print_board(told: Sequence[Told], console: Console) -> None:
    """The leaderboard."""
    rows = [
        {
            "model": standing.model,
            "mean score": " ".join(words.score(standing.final)),
            "studies": f"{standing.studies} of {len(told)}",
            "best in": str(standing.best),
        }
        for standing in leaderboard(told)
    ]
    print_rows(console, None, rows)
