"""docs/promises.md: every row of its table names tests, each of which there is."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "promises.md"


def rows(page):
    """The rows of the page's first table, as cells."""
    table = page.partition("|---|---|---|---|\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def complaints(page):
    """What a row of promises lacks."""
    for what, promise, tests, measured in rows(page):
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        if not (promise and measured):
            yield f"{what}: promises or measured nothing"
        if len(named) != tests.count("`") / 2 or not named:
            yield f"{what}: wanted tests as `tests/file.py::test_name`"
        for file, test in named:
            if test not in functions(ROOT / file):
                yield f"{what}: there is no {test} in {file}"


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_promise_has_tests_that_there_are():
    page = PAGE.read_text(encoding="utf-8")
    assert len(rows(page)) >= 13
    assert not list(complaints(page))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "::test_names_are_inert",
            "::test_names_are_dead",
            "there is no test_names_are_dead in tests/report/test_page.py",
        ),
        ("`tests/lab/test_doctor.py::test_what_is_found_and_what_comes_next`", "none", "wanted tests as"),
        ("11 changes: refused", "", "promises or measured nothing"),
    ],
)
def test_a_row_that_lacks_something_is_found(old, new, said):
    page = PAGE.read_text(encoding="utf-8")
    assert old in page
    assert any(said in complaint for complaint in complaints(page.replace(old, new)))
