"""What scripts/bench_overhead.py counts: each part once, whatever is done within another."""

import importlib
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    now = [0.0]
    made = importlib.import_module("bench_overhead").Parts(lambda: now[0])
    made.work = lambda seconds: now.__setitem__(0, now[0] + seconds)
    return made


def test_what_is_done_within_another_part_is_counted_once(parts):
    with parts.taking("probes"):
        parts.work(2)
        with parts.taking("logging"):
            parts.work(1)
        with parts.taking("logging"):
            parts.work(0.5)
        parts.work(4)
    parts.work(8)
    with parts.taking("probes"):
        parts.work(16)
    assert parts.seconds == {"probes": 22, "logging": 1.5}


def test_a_part_that_fails_is_counted(parts):
    def full_disk():
        parts.work(1)
        raise OSError("full")

    with pytest.raises(OSError, match="full"), parts.taking("checkpoints"):
        full_disk()
    assert parts.timed("evaluation", lambda value: parts.work(3) or value)(5) == 5
    assert parts.seconds == {"checkpoints": 1, "evaluation": 3}
