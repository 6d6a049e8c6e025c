"""Small pictures of matrices as inline SVG: one path for each strength of ink, so that a page stays small."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup, escape

from attn_jax.report.drawing import Drawn, standalone, written
from attn_jax.report.style import LIGHT

_LEVELS = 12  # strengths of ink; the eye tells no more apart
_SIDE, _GAP, _LETTERS = 100.0, 12.0, 14.0  # units of the picture: of a tile's longer side, between tiles, of its name
_TITLE, _SMALL = 16.0, 10.0
_COLUMNS = {"wide": 4, "narrow": 2}  # tiles a row


def heat_maps(tiles: Mapping[str, np.ndarray], *, name: str, title: str, label: str) -> Drawn:
    """Matrices side by side, each with its name above it, the first row on top; ink is the root of value / largest.

    Args:
      tiles: [T, S] each, not negative; what is not finite is left blank.
      name: of its files.
      title: stands above them.
      label: what is shown and what came out, in words.

    Returns:
      SVGs that follow the page's colours: the same bytes for the same matrices.
    """
    forms = {form: _picture(tiles, title, label, form) for form in _COLUMNS}
    head = f'<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"{forms["wide"].removeprefix("<svg")}'
    for variable, colour in LIGHT.items():
        head = head.replace(f"var(--{variable})", colour)
    table = [
        {"tile": tile, "row": place} | {f"column_{column}": f"{value:.2g}" for column, value in enumerate(row)}
        for tile, matrix in tiles.items()
        for place, row in enumerate(matrix.tolist())
    ]
    return Drawn(name, label, forms["wide"], forms["narrow"], standalone(head, label), written(table))


def _picture(tiles: Mapping[str, np.ndarray], title: str, label: str, form: str) -> Markup:
    columns = _COLUMNS[form]
    rows, columns = -(-len(tiles) // columns), max(2, min(columns, len(tiles)))
    height = _LETTERS + max(_high(tile) for tile in tiles.values()) + _GAP
    look = f"font-size: {_SMALL + 1:g}px; fill: var(--ink)"
    parts = [f'<text y="{_LETTERS - 4:g}" style="{look}">{escape(title)}</text>']
    for index, (name, tile) in enumerate(tiles.items()):
        row, column = divmod(index, columns)
        parts.append(_tile(name, tile, column * (_SIDE + _GAP), _TITLE + row * height))
    box = f"0 0 {columns * (_SIDE + _GAP) - _GAP:g} {_TITLE + rows * height - _GAP:g}"
    head = f'<svg class="plot maps {form}" role="img" aria-label="{escape(label)}" viewBox="{box}">'
    return Markup(f"{head}{''.join(parts)}</svg>")


def pixels(image: np.ndarray) -> str:
    """A picture alone, dark where its values are large; what it shows is said beside it."""
    rows, columns = image.shape
    cells = f'<rect width="{columns}" height="{rows}" style="fill: var(--shade)"/>{_inked(image)}'
    return f'<svg class="pixels" aria-hidden="true" viewBox="0 0 {columns} {rows}">{cells}</svg>'


def _inked(tile: np.ndarray) -> str:
    """One path for each strength of ink."""
    return "".join(
        f'<path fill-opacity="{level / _LEVELS:.2f}" d="{path}"/>'
        for level in range(1, _LEVELS + 1)
        if (path := _cells(_strength(tile) == level))
    )


def _tile(name: str, tile: np.ndarray, left: float, top: float) -> str:
    """A name, a frame, and the cells by their strength."""
    rows, columns = tile.shape
    unit = _unit(tile)
    text = f'<text y="{_LETTERS - 4:g}" style="font-size: {_SMALL:g}px; fill: var(--muted)">{escape(name)}</text>'
    frame = f'<rect y="{_LETTERS:g}" width="{columns * unit:g}" height="{rows * unit:g}" style="fill: var(--shade)"/>'
    scaled = (
        f'<g transform="translate(0 {_LETTERS:g}) scale({unit:.5g})" style="fill: var(--series-0)">{_inked(tile)}</g>'
    )
    return f'<g transform="translate({left:g} {top:g})">{text}{frame}{scaled}</g>'


def _unit(tile: np.ndarray) -> float:
    """The side of a cell: the longer side of every tile is the same."""
    return _SIDE / max(*tile.shape, 1)


def _high(tile: np.ndarray) -> float:
    return tile.shape[0] * _unit(tile)


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
