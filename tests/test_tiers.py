"""The rows that `sampled` leaves to the first tier, on invented items."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import tiers


class Item:
    """What pytest collects, as far as `sample` asks."""

    def __init__(self, name, *marks, file="a.py"):
        self.path, self.originalname, self.marks = Path(file), name, {mark.name: mark for mark in marks}

    def get_closest_marker(self, name):
        return self.marks.get(name)

    def add_marker(self, mark):
        self.marks[mark.name] = mark

    @property
    def second(self):
        return "exhaustive" in self.marks


def rows(name, count, number=None, **where):
    mark = SimpleNamespace(name="sampled", args=(number,))
    return [Item(name, *[mark] * (number is not None), **where) for _ in range(count)]


def test_so_many_rows_of_each_test_stay_evenly_spread():
    some, few, whole, alike = rows("x", 9, 3), rows("y", 2, 5), rows("z", 4), rows("x", 3, 1, file="b.py")
    tiers.sample([*some, *few, *whole, *alike])
    assert [place for place, item in enumerate(some) if not item.second] == [0, 4, 8]
    assert not any(item.second for item in few + whole)
    assert [item.second for item in alike] == [False, True, True]


def test_what_is_in_the_second_tier_already_is_not_counted():
    items = rows("x", 6, 2)
    for item in items[:3]:
        item.add_marker(tiers.SECOND.mark)
    tiers.sample(items)
    assert [place for place, item in enumerate(items) if not item.second] == [3, 5]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("row", range(3))
def test_the_mark_is_read_before_rows_are_chosen(row, request):
    """Of these three the first tier has the first alone, the second the others."""
    chosen = "not exhaustive" in request.config.getoption("markexpr")
    assert not chosen or row == 0
