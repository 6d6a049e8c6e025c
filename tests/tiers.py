"""Rows of a table that the first tier runs; the second, `pytest -m exhaustive`, runs the rest. No test in it.

`first` and `diagonal` choose rows where it matters which; `@pytest.mark.sampled(n)` takes n, evenly spread, of those
that are left.
"""

import itertools

import pytest

SECOND = pytest.mark.exhaustive


def first(names, *chosen):
    """Each name, those that are not chosen in the second tier.

    >>> [name if isinstance(name, str) else name.values for name in first(["a", "b"], "b")]
    [('a',), 'b']
    """
    return [name if name in chosen else pytest.param(name, marks=SECOND) for name in names]


def diagonal(*axes):
    """Every combination of the axes' values, of which the first tier has each value as seldom as will do."""
    longest = max(map(len, axes))
    chosen = {tuple(axis[place % len(axis)] for axis in map(list, axes)) for place in range(longest)}
    return [row if row in chosen else pytest.param(*row, marks=SECOND) for row in itertools.product(*axes)]


def spread(count, number):
    """So many places of 0 .. count - 1, evenly spread from the first on.

    >>> spread(9, 3), spread(9, 1), spread(2, 3)
    ([0, 4, 8], [0], [0, 1])
    """
    return sorted({round(place * (count - 1) / max(number - 1, 1)) for place in range(number)})


def sample(items):
    """Puts the rows of each test marked `sampled` into the second tier, but for so many as the mark says."""
    rows = {}
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark and not item.get_closest_marker("exhaustive"):
            rows.setdefault((item.path, item.originalname), (mark.args[0], []))[1].append(item)
    for number, alike in rows.values():
        kept = spread(len(alike), number)
        for place, item in enumerate(alike):
            if place not in kept:
                item.add_marker(SECOND)
