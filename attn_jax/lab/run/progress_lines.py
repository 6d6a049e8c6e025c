"""How far a study is, as lines of text of any width: a pure function of how its models stand."""

import textwrap
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from attn_jax.lab.run.pace import Standing

_BAR, _LONGEST_BAR = 8, 32  # columns that a bar has at least and at most
_GAP = "  "
_TIMES = 28  # columns that times seldom exceed: with less room a bar would come and go


def live_lines(
    whole: str, standings: Mapping[str, Standing], times: str, width: int, together: Standing | None = None
) -> Text:
    """What a terminal shows: all together, then a line a model; where it is narrow, a name has a line of its own.

    Args:
      whole: what they are together, "study" say.
      standings: of each model, or of each point of a sweep.
      times: what has passed and what is left, in words.
      width: columns. A name is shown whole, folded where it is longer.
      together: how all of them stand, where not all are shown.
    """
    lines = _head(whole, sum_of(standings) if together is None else together, times, width)
    for short in (False, True):
        widest = [[name, *_details(_widest(standing), short=short)] for name, standing in standings.items()]
        if _columns(widest) + len(_GAP) + _BAR <= width:  # now or later, so that the lines keep their form
            rows = [[name, *_details(standing, short=short)] for name, standing in standings.items()]
            return Text("\n").join([*lines, *_table(rows, [*standings.values()], width)])
    for name, standing in standings.items():
        lines += [Text(part, style="bold") for part in chop_cells(name, width)]
        lines += [Text(f"  {part}") for part in textwrap.wrap(", ".join(_details(standing, short=True)), width - 2)]
    return Text("\n").join(lines)


def plain_line(standings: Mapping[str, Standing]) -> str:
    """The same as one line, where there is no terminal.

    >>> gru, lstm = Standing(24, 12, 0, 500, 2000, False, 0.612, 0), Standing(24, 0, 0, 0, 2000, True, None, 0)
    >>> plain_line({"gru": gru, "lstm": lstm})
    'gru 25%, 12 of 24 runs in training, best .612, 0 solved; lstm compiling'
    """
    return "; ".join(f"{name} {', '.join(_details(standing, short=True))}" for name, standing in standings.items())


def sum_of(standings: Mapping[str, Standing]) -> Standing:
    """All of them together; whose score is best is none's concern."""
    all_of = [*standings.values()]
    return Standing(
        *(sum(getattr(standing, key) for standing in all_of) for key in ("runs", "training", "done", "steps", "total")),
        compiling=any(standing.compiling for standing in all_of),
        best=None,
        solved=None,
    )


def _head(whole: str, together: Standing, times: str, width: int) -> list[Text]:
    """How all are: a bar where there is room for it, else as many lines as it takes."""
    fullest = _widest(together)._replace(best=together.best, solved=together.solved)
    for short in (False, True):
        widest = [*_details(fullest, short=short), " " * max(_TIMES, len(times))]
        room = width - cell_len(whole) - 2 * len(_GAP) - len(", ".join(widest))
        if room >= _BAR:
            said = ", ".join([*_details(together, short=short), times])
            bar = _bar(together, min(room, _LONGEST_BAR))
            return [Text.assemble((whole, "bold"), _GAP, *bar, _GAP, (said, "bold"))]
    said = ", ".join([*_details(together, short=False), times])
    return [Text(line, style="bold") for line in textwrap.wrap(f"{whole}: {said}", width)]


def _details(standing: Standing, *, short: bool) -> list[str]:
    """What there is to say of one, in a few words each."""
    share = f"{standing.steps / standing.total:.0%}" if short else f"{standing.steps:,} of {standing.total:,} steps"
    doing = f"{standing.training} of {standing.runs} runs in training"
    if standing.done == standing.runs:
        doing = f"{standing.runs} runs done"
    elif not standing.training and standing.compiling:
        doing = "compiling"
    elif not standing.training:
        doing = "waiting" if not standing.steps else f"{standing.done} of {standing.runs} runs done"
    said = [doing] if doing == "compiling" and not standing.steps else [share, doing]
    if standing.best is not None:
        said.append(f"best {_score(standing.best)}")
        said += [] if standing.solved is None else [f"{standing.solved} solved"]
    return said


def _widest(standing: Standing) -> Standing:
    """Of as many runs and steps, what takes the most room to be said."""
    return standing._replace(training=standing.runs, done=0, steps=standing.total, best=-0.111, solved=standing.runs)


def _score(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{value:.0f}"


def _columns(rows: Sequence[Sequence[str]]) -> int:
    """What the table takes, without its bars."""
    return sum(_widths(rows)) + len(_GAP) * (max(map(len, rows)) - 1)


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(cell_len(row[at]) for row in rows if at < len(row)) for at in range(max(map(len, rows)))]


def _table(rows: Sequence[Sequence[str]], standings: Sequence[Standing], width: int) -> list[Text]:
    """A name, a bar and what there is to say, in columns."""
    widths = _widths(rows)
    room = min(width - _columns(rows) - len(_GAP), _LONGEST_BAR)
    lines = []
    for row, standing in zip(rows, standings, strict=True):
        cells = [set_cell_size(cell, size) for cell, size in zip(row, widths, strict=False)]
        line = Text.assemble((cells[0], "bold"), _GAP, *_bar(standing, room), _GAP, _GAP.join(cells[1:]))
        line.rstrip()
        lines.append(line)
    return lines


def _bar(standing: Standing, room: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """The steps that are done of all, and the rest."""
    full = round(room * standing.steps / standing.total) if standing.total else 0
    return ("━" * full, "green" if standing.done == standing.runs else "cyan"), ("─" * (room - full), "dim")
