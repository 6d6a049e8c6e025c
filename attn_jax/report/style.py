"""Colours and line styles: each model's in every figure, in a light and in a dark scheme."""

from typing import Any

from markupsafe import Markup

# Figures are drawn in the light colours; each is then written as a CSS variable, so that the page can turn it dark.
# Series: Okabe and Ito's palette, told apart by colour-blind readers; the order keeps neighbours far apart.
LIGHT = {
    "page": "#f7f8fa",
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
    "page": "#121519",
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


def series(index: int) -> dict[str, Any]:
    """The colour, line style and marker of the model at a place in the ranking."""
    return {
        "color": LIGHT[f"series-{index % NUM_SERIES}"],
        "linestyle": DASHES[index % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def swatch(index: int) -> Markup:
    """A short piece of a model's line, for the legend."""
    dash = DASHES[index % len(DASHES)]
    array = "" if dash == "-" else f' stroke-dasharray="{" ".join(f"{2.2 * part:g}" for part in dash[1])}"'
    return Markup(
        f'<svg class="swatch" viewBox="0 0 30 8" aria-hidden="true"><line x1="1" y1="4" x2="29" y2="4"'
        f' style="stroke: var(--series-{index % NUM_SERIES})" stroke-width="2.6"{array}/></svg>'
    )
