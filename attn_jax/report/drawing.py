"""A figure as inline SVG that follows the page's scheme: for wide pages, for narrow ones, and to take along."""

import base64
import csv
import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup, escape

from attn_jax.report.style import LIGHT

_UPRIGHT = 28  # letters beside the height of a narrow figure
SMALL = 7.8  # points of the smallest text: 9 pixels at least wherever the page shows a figure
WIDE, NARROW = 4.75, 3.35  # inches; two wide ones stand side by side, a narrow one fills a phone or half a sheet

_MIME = {"svg": "image/svg+xml", "csv": "text/csv"}
_RC = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, in the page's own face
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that the layout does not depend on the machine
    "font.size": 8.5,
    "text.color": LIGHT["ink"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.edgecolor": LIGHT["rule"],
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LIGHT["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT["rule"],
    "xtick.labelcolor": LIGHT["muted"],
    "xtick.major.size": 3,
    "ytick.labelcolor": LIGHT["muted"],
    "ytick.major.size": 0,
    "lines.linewidth": 1.9,
    "lines.solid_capstyle": "round",
    "lines.dash_capstyle": "butt",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}


@dataclass(frozen=True)
class Drawn:
    """A figure: its two forms, of which the page shows the one that its width has room for, and files of it."""

    name: str  # of its files
    label: str  # what it shows and what came out, in words, for those who do not see it
    wide: Markup
    narrow: Markup
    svg: str  # a file of its own, in the light scheme
    csv: str

    def __html__(self) -> str:
        """Both forms, and links that hold the files themselves."""
        return f"{self.wide}{self.narrow}{take_along(self.name, svg=self.svg, csv=self.csv)}"


def take_along(name: str, **files: str) -> Markup:
    """Links that hold files themselves.

    Args:
      name: of the files.
      **files: what they hold, by their kind: "svg", "csv".
    """
    links = "".join(
        f'<a download="{escape(name)}.{kind}" aria-label="{escape(f"{name} as {kind.upper()}")}" '
        f'href="data:{_MIME[kind]};base64,{base64.b64encode(text.encode()).decode()}">{kind.upper()}</a>'
        for kind, text in files.items()
    )
    return Markup(f'<p class="take">{links}</p>')


def draw(
    plot: Callable[..., None],
    *args: Any,
    name: str,
    label: str,
    height: float,
    table: Sequence[Mapping[str, Any]],
    width: float = WIDE,
    shorter: float = 0.66,
) -> Drawn:
    """What `plot(axes, *args)` draws.

    Args:
      plot: draws into a matplotlib Axes.
      *args: handed on to it.
      name: a prefix that keeps the ids of several figures in one page apart.
      label: what the figure shows and what came out, in words.
      height, width: inches, of the wide form.
      table: the numbers that are drawn, a row each.
      shorter: the narrow form's height, of this one.

    Returns:
      The same bytes for the same drawing: no date, no version, no random id.
    """
    wide, narrow = _svgs(plot, args, name, (width, height), (NARROW, shorter * height))
    return Drawn(
        name,
        label,
        inline(wide, name, label, "wide"),
        inline(narrow, f"narrow-{name}", label, "narrow"),
        standalone(wide, label),
        written(table),
    )


def _svgs(
    plot: Callable[..., None], args: Sequence[Any], name: str, wide: tuple[float, float], narrow: tuple[float, float]
) -> tuple[str, str]:
    """matplotlib's files of both sizes: plotted once, and margins are found once, for they take most of the time."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the page
        parameters: Any = _RC
        matplotlib.rcParams.update(parameters)
        figure = Figure(figsize=wide, layout="constrained")
        axes = figure.add_subplot()
        plot(axes, *args)
        axes.set_ylabel("\n".join(textwrap.wrap(axes.get_ylabel(), _UPRIGHT)))
        drawn = _svg(figure, name)
        found = axes.get_position()
        left, bottom = found.x0 * wide[0], found.y0 * wide[1]
        right, top = (1 - found.x1) * wide[0], (1 - found.y1) * wide[1]
        figure.set_layout_engine("none")
        figure.set_size_inches(*narrow)
        inner = (narrow[0] - left - right) / narrow[0], (narrow[1] - bottom - top) / narrow[1]
        axes.set_position((left / narrow[0], bottom / narrow[1], *inner))
        return drawn, _svg(figure, f"narrow-{name}")


def _svg(figure: Any, salt: str) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    matplotlib.rcParams["svg.hashsalt"] = salt
    FigureCanvasSVG(figure).print_svg(buffer, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return buffer.getvalue()


def inline(svg: str, name: str, label: str, form: str) -> Markup:
    """An SVG file as an element of a page: scalable, themed, labelled, its ids its own.

    Args:
      svg: the file, in the light scheme's colours.
      name: a prefix of its ids.
      label: in words.
      form: "wide" or "narrow".
    """
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]*)"', body)
    if box is None:
        raise ValueError(f"figure {name!r}: wanted an SVG with a viewBox, got {body[:80]!r}")
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<[^<>]*>", partial(_theme_tag, name=name), body)  # tags only: text is the user's
    head = f'<svg class="plot {form}" role="img" aria-label="{escape(label)}" viewBox="{box[1]}">'
    return Markup(head + body.strip())


def standalone(svg: str, label: str) -> str:
    """An SVG file that is readable on any ground, and says what it shows."""
    body = svg[svg.index("<svg") :]
    title = body.index(">") + 1
    head = body[:title].replace("<svg", f'<svg style="background: {LIGHT["card"]}"', 1)
    return f"{head}<title>{escape(label)}</title>{body[title:]}"


def written(table: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV: six digits, nothing where a number is not finite.

    >>> written([{"model": "a", "step": 1, "score": 0.5}, {"model": "b", "step": 2, "score": math.nan}])
    'model,step,score\\na,1,0.5\\nb,2,\\n'
    """
    buffer = io.StringIO()
    columns = dict.fromkeys(column for row in table for column in row)
    writer = csv.DictWriter(buffer, [*columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in table)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else ""


def _theme_tag(tag: re.Match[str], name: str) -> str:
    """One tag with its ids prefixed and its colours turned into the page's variables."""
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag[0])
    for variable, colour in LIGHT.items():
        text = text.replace(f": {colour}", f": var(--{variable})")
    return text
