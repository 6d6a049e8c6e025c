"""How long the rest is said to take, on timings of simulated studies: near the truth early, without jumps."""

import random
from itertools import pairwise
from typing import NamedTuple

import pytest

from attn_jax.lab.record.directory import append_row, block_directory
from attn_jax.lab.run.pace import Extent, Pace
from attn_jax.lab.run.sweep_watch import SweepPace

LENGTHS = [2, 4]
SCORES = {"loss": [[1.0]], "metric": [[0.5]], "whole": [[0.5]]}


class Takes(NamedTuple):
    """What a model takes, in seconds."""

    step: float
    compile: float
    test: float


# models, blocks of each, steps, steps a chunk, and how much longer a chunk takes than it says: probes, checkpoints
ALIKE = {"transformer": Takes(0.053, 4, 3), "gru": Takes(0.054, 6, 3), "lstm": Takes(0.046, 6, 3)}
UNLIKE = {"fast": Takes(0.01, 3, 1), "middle": Takes(0.04, 5, 2), "slow": Takes(0.2, 12, 9)}
STUDIES = {
    "alike": (ALIKE, 2, 800, 10, 1.05),
    "unlike models": (UNLIKE, 8, 800, 50, 1.05),
    "one model": ({"gru": Takes(0.1, 30, 10)}, 4, 2000, 100, 1.05),
    "long chunks": ({"lstm": Takes(0.3, 20, 30), "rnn": Takes(0.2, 10, 30)}, 8, 1000, 250, 1.05),
    "many small blocks": ({"a": Takes(0.002, 4, 0.2), "b": Takes(0.003, 4, 0.2)}, 100, 300, 10, 1.05),
    "much beside": (ALIKE, 2, 800, 10, 1.6),
}


def simulated(takes, blocks, steps, every, around, workers):
    """(time, model, block, row) of a study as its workers run it, and when it ends; chunks say less than they take."""
    draw = random.Random(0)
    free, events, seen = [3.0] * workers, [], set()
    for block in range(blocks):
        for model, (a_step, compiling, testing) in takes.items():
            worker = free.index(min(free))
            now = free[worker] + draw.uniform(0.2, 0.6)
            events.append((now, model, block, {"compiling": True}))
            first = (model, worker) not in seen
            seen.add((model, worker))
            now += compiling * draw.uniform(0.9, 1.1) if first else 0.1
            events.append((now, model, block, {"start": 0, "compile_seconds": float(compiling)}))
            for step in range(every, steps + 1, every):
                seconds = every * a_step * draw.uniform(0.85, 1.15)
                now += seconds * around
                scores = {"train_loss": [0.5], "diverged": [False], "validation": SCORES}
                events.append((now, model, block, {"step": step, "seconds": seconds} | scores))
            now += testing * draw.uniform(0.9, 1.1)
            events.append((now, model, block, {"test": SCORES, "after": steps, "lengths": LENGTHS}))
            free[worker] = now
    return sorted(events, key=lambda event: event[0]), max(free)


def looks(directory, monkeypatch, study, workers):
    """[(time, seconds said to be left)] once a second, and the end."""
    takes, blocks, steps, every, _ = STUDIES[study]
    events, end = simulated(*STUDIES[study], workers)
    clock, seen = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for model in takes:
        for block in range(blocks):
            block_directory(directory, model, block).mkdir(parents=True)
    pace = Pace(directory, Extent(dict.fromkeys(takes, blocks), steps, LENGTHS, every, workers))
    tick = max(1.0, end / 300)
    while clock[0] < end:
        while events and events[0][0] <= clock[0]:
            _, model, block, row = events.pop(0)
            append_row(block_directory(directory, model, block) / "metrics.jsonl", row)
        pace.update()
        seen.append((clock[0], pace.seconds_left()))
        clock[0] += tick
    return seen, end


SMALL = {"a": Takes(0.002, 4, 0.2), "b": Takes(0.003, 4, 0.2)}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("models", "blocks", "steps"), [(ALIKE, 4, 400), (SMALL, 80, 50)])  # these wait between blocks
def test_points_that_take_turns_are_looked_at_as_one(models, blocks, steps, workers, tmp_path, monkeypatch):
    takes = {
        f"{point}/{name}": of._replace(step=of.step * (1 + point / 3))
        for point in range(6)
        for name, of in models.items()
    }
    every = 25
    events, end = simulated(takes, blocks, steps, every, 1.05, workers)
    clock, seen = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for name in takes:
        for block in range(blocks):
            block_directory(tmp_path / name.partition("/")[0], name.partition("/")[2], block).mkdir(parents=True)
    extent = Extent(dict.fromkeys(models, blocks), steps, LENGTHS, every, workers)
    pace = SweepPace({str(point): (tmp_path / str(point), extent, None) for point in range(6)}, workers)
    while clock[0] < end:
        while events and events[0][0] <= clock[0]:
            _, name, block, row = events.pop(0)
            point, _, model = name.partition("/")
            append_row(block_directory(tmp_path / point, model, block) / "metrics.jsonl", row)
        pace.update()
        seen.append((clock[0], pace.seconds_left()))
        clock[0] += end / 200
    errors = {round(now): round(left / (end - now) - 1, 2) for now, left in seen if 0.1 * end <= now < 0.97 * end}
    assert max(map(abs, errors.values())) < 0.3, errors


MORE = [("alike", 1), ("unlike models", 1), ("unlike models", 4)]


@pytest.mark.parametrize(("study", "workers"), [(study, 2) for study in STUDIES] + MORE)
def test_what_is_left_is_near_the_truth_after_a_tenth_and_does_not_jump(study, workers, tmp_path, monkeypatch):
    seen, end = looks(tmp_path, monkeypatch, study, workers)
    shown = [(now, left) for now, left in seen if now >= 0.1 * end]
    errors = {round(now): round(left / (end - now) - 1, 2) for now, left in shown if end - now > 0.03 * end}
    assert max(map(abs, errors.values())) < 0.3, errors
    ends = [now + left for now, left in shown]
    assert max(abs(after - before) for before, after in pairwise(ends)) < 0.06 * end
