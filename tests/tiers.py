"""Rows of a table that the first tier runs; the second, `pytest -m exhaustive`, runs the rest. No test in it."""

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
