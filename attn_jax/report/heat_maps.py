"""Small pictures of matrices as inline SVG: one path for each strength of ink, so that a page stays small."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup, escape

_LEVELS = 12  # strengths of ink; the eye tells no more apart
_SIDE, _GAP, _LETTERS = 100.0, 12.0, 11.0  # units of the picture: of a tile's longer side, between tiles, of its name
_TITLE = 14.0


def heat_maps(tiles: Mapping[str, np.ndarray], *, title: str, label: str, columns: int = 4) -> Markup:
    """Matrices side by side, each with its name above it, the first row on top; ink is the root of value / largest.

    Args:
      tiles: [T, S] each, not negative; what is not finite is left blank.
      title: stands above them.
      label: what is shown, in words.
      columns: tiles a row.

    Returns:
      An SVG that follows the page's colours: the same bytes for the same matrices.
    """
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    height = _LETTERS + _SIDE + _GAP
    parts = [f'<text y="{_LETTERS - 2:g}" style="font-size: 9px; fill: var(--ink)">{escape(title)}</text>']
    for index, (name, tile) in enumerate(tiles.items()):
        row, column = divmod(index, columns)
        parts.append(_tile(name, tile, column * (_SIDE + _GAP), _TITLE + row * height))
    box = f"0 0 {columns * (_SIDE + _GAP) - _GAP:g} {_TITLE + rows * height - _GAP:g}"
    head = f'<svg class="plot" role="img" aria-label="{escape(label)}" viewBox="{box}">'
    return Markup(f"{head}{''.join(parts)}</svg>")


def _tile(name: str, tile: np.ndarray, left: float, top: float) -> str:
    """A name, a frame, and the cells by their strength."""
    rows, columns = tile.shape
    unit = _SIDE / max(rows, columns, 1)
    text = f'<text y="{_LETTERS - 3:g}" style="font-size: 7.5px; fill: var(--muted)">{escape(name)}</text>'
    frame = f'<rect y="{_LETTERS:g}" width="{columns * unit:g}" height="{rows * unit:g}" style="fill: var(--shade)"/>'
    cells = "".join(
        f'<path fill-opacity="{level / _LEVELS:.2f}" d="{path}"/>'
        for level in range(1, _LEVELS + 1)
        if (path := _cells(_strength(tile) == level))
    )
    scaled = f'<g transform="translate(0 {_LETTERS:g}) scale({unit:.5g})" style="fill: var(--series-0)">{cells}</g>'
    return f'<g transform="translate({left:g} {top:g})">{text}{frame}{scaled}</g>'


def _strength(tile: np.ndarray) -> np.ndarray:
    """Whole numbers from 0, blank, to `_LEVELS`, the largest of the tile."""
    finite = np.where(np.isfinite(tile), tile, 0.0)
    largest = finite.max(initial=0.0)
    if largest <= 0:
        return np.zeros(tile.shape, int)
    # the root, because one place in fifty with an even share of a row would not be seen
    return np.rint(_LEVELS * np.sqrt(np.maximum(finite, 0.0) / largest)).astype(int)


def _cells(here: np.ndarray) -> str:
    """A path of unit squares, those that follow each other in a row as one."""
    edges = np.diff(np.pad(here.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return "".join(f"M{x} {y}h{end - x}v1h{x - end}z" for (y, x), (_, end) in zip(starts, ends, strict=True))
