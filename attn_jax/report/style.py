"""Colours, line styles and the drawing of a figure as inline SVG that follows the page's light or dark scheme."""

import io
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from markupsafe import Markup, escape

# Figures are drawn in the light colours; each is then written as a CSS variable, so that the page can turn it dark.
# Series: Okabe and Ito's palette, told apart by colour-blind readers; the order keeps neighbours far apart.
LIGHT = {
    "ink": "#1c2024",
    "muted": "#5f6b76",
    "rule": "#dfe3e8",
    "card": "#fefefe",
    "shade": "#eef1f5",
    "series-0": "#0072b2",
    "series-1": "#d55e00",
    "series-2": "#009e73",
    "series-3": "#b0508a",
    "series-4": "#b27d00",
    "series-5": "#3f8fc4",
    "series-6": "#444b53",
}
DARK = {
    "ink": "#e8eaed",
    "muted": "#9aa5b1",
    "rule": "#343b44",
    "card": "#1a1e23",
    "shade": "#272d35",
    "series-0": "#5ab0ea",
    "series-1": "#f58a4b",
    "series-2": "#3ecb9f",
    "series-3": "#e795c5",
    "series-4": "#edbc4f",
    "series-5": "#a3d3f2",
    "series-6": "#b9c1ca",
}
NUM_SERIES = sum(name.startswith("series") for name in LIGHT)

# (offset, (on, off, ...)) in line widths; solid first. Five dashes and seven colours: 35 models differ in both.
DASHES: tuple[Any, ...] = ("-", (0, (4.5, 1.8)), (0, (1.2, 1.5)), (0, (6, 1.6, 1.2, 1.6)), (0, (2.5, 1.2)))
MARKERS = ("o", "s", "^", "D", "v")

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


def series(index: int) -> dict[str, Any]:
    """The colour, line style and marker of the model at a place in the ranking."""
    return {
        "color": LIGHT[f"series-{index % NUM_SERIES}"],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def draw(plot: Callable[..., None], *args: Any, name: str, label: str, size: tuple[float, float]) -> Markup:
    """An inline SVG of what `plot(axes, *args)` draws.

    Args:
      plot: draws into a matplotlib Axes.
      *args: handed on to it.
      name: a prefix that keeps the ids of several figures in one page apart.
      label: what the figure shows, in words, for those who do not see it.
      size: width and height, inches.

    Returns:
      The same bytes for the same drawing: no date, no version, no random id.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    parameters: Any = {**_RC, "svg.hashsalt": name}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change the page
        matplotlib.rcParams.update(parameters)
        figure = Figure(figsize=size, layout="constrained")
        plot(figure.add_subplot(), *args)
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)
    return _inline(buffer.getvalue(), name, label)


def _inline(svg: str, name: str, label: str) -> Markup:
    """matplotlib's SVG file as an element of a page: scalable, themed, labelled, its ids its own."""
    body = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]*)"', body)
    if box is None:
        raise ValueError(f"figure {name!r}: wanted an SVG with a viewBox, got {body[:80]!r}")
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<[^<>]*>", partial(_theme_tag, name=name), body)  # tags only: text is the user's
    head = f'<svg class="plot" role="img" aria-label="{escape(label)}" viewBox="{box[1]}">'
    return Markup(head + body.strip())


def _theme_tag(tag: re.Match[str], name: str) -> str:
    """One tag with its ids prefixed and its colours turned into the page's variables."""
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag[0])
    for variable, colour in LIGHT.items():
        text = text.replace(f": {colour}", f": var(--{variable})")
    return text


def swatch(index: int) -> Markup:
    """A short piece of a model's line, for the legend."""
    dash = DASHES[index % len(DASHES)]
    array = "" if dash == "-" else f' stroke-dasharray="{" ".join(f"{2.2 * part:g}" for part in dash[1])}"'
    return Markup(
        f'<svg class="swatch" viewBox="0 0 30 8" aria-hidden="true"><line x1="1" y1="4" x2="29" y2="4"'
        f' style="stroke: var(--series-{index % NUM_SERIES})" stroke-width="2.6"{array}/></svg>'
    )
