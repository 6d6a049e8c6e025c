"""What scripts/look_at_page.py complains of; what a browser says of a page is its own to find out."""

import importlib
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
GOOD = {"letters": 9.4, "wider": 0, "height": 800, "scrolls": 2, "unreached": 0}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("look_at_page")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, None),
        ({"letters": None}, None),
        ({"letters": 8.2}, "letters of 8.20 pixels"),
        ({"wider": 3}, "the page is 3 pixels wider"),
        ({"unreached": 1}, "1 of 2 things that scroll"),
    ],
)
def test_what_cannot_be_read_or_reached_is_a_complaint(script, found, said):
    complaints = [*script._complaints(GOOD | found)]
    assert len(complaints) == (said is not None)
    assert said is None or complaints[0].startswith(said)


def test_messages_and_requests_are_heard_and_the_page_itself_is_not(script, tmp_path):
    page = tmp_path / "report.html"
    asked = lambda url: {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}  # noqa: E731
    quiet = [asked(page.as_uri()), asked("data:text/csv;base64,YQ=="), {"method": "Page.loadEventFired", "params": {}}]
    assert [*script._heard(quiet, page)] == []
    loud = [asked("https://example.org/a.js"), {"method": "Runtime.consoleAPICalled", "params": {"type": "error"}}]
    heard = [*script._heard(quiet + loud, page)]
    assert heard[0] == "it asked for https://example.org/a.js"
    assert heard[1].startswith("Runtime.consoleAPICalled") and len(heard) == 2
