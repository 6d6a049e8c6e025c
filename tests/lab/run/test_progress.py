"""What is shown while a study runs, and how long the rest of it is said to take."""

import io
import json
import random

import pytest
from rich.console import Console

from attn_jax.lab.record.directory import append_row, block_directory
from attn_jax.lab.run.pace import Extent, Pace
from attn_jax.lab.run.progress import Watch

LENGTHS = [2, 4]
EXTENT = Extent({"gru": 2, "lstm": 2}, 100, LENGTHS, 50, 2)


def write(directory, model, block, *rows):
    folder = block_directory(directory, model, block)
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        append_row(folder / "metrics.jsonl", row)


SCORES = {"loss": [[1.0]], "metric": [[0.5]], "whole": [[0.5]]}


def end_of(steps):
    return {"test": SCORES, "after": steps, "lengths": LENGTHS}


def chunk(step, seconds=2.0):
    return {"step": step, "seconds": seconds, "train_loss": [0.5], "diverged": [False], "validation": SCORES}


def console(*, terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=80)


def shown(directory, *, terminal):
    screen = console(terminal=terminal)
    with Watch(screen, directory, EXTENT):
        pass
    return screen.file.getvalue()


def test_a_terminal_gets_a_bar_for_the_study_and_each_model(tmp_path):
    write(tmp_path, "gru", 0, chunk(50), chunk(100))
    write(tmp_path, "gru", 1, chunk(50))
    text = shown(tmp_path, terminal=True)
    assert "150/400" in text
    assert "150/200" in text
    assert "0/200" in text


def test_elsewhere_a_line_says_how_far_each_model_is_and_what_is_left(tmp_path):
    write(tmp_path, "lstm", 0, chunk(50, 100.0))
    assert (
        shown(tmp_path, terminal=False) == "  gru 0%, lstm 25% (7 min left)\n"
    )  # 700 s on two workers, the longer half


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert shown(tmp_path, terminal=True) == "  gru 0%, lstm 0%\n"


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_line_is_printed_when_something_changed_and_now_and_then_as_a_sign_of_life(tmp_path, clock):
    screen = console(terminal=False)
    lines = []
    with Watch(screen, tmp_path, EXTENT) as update:
        for minute in range(11):
            clock[0] += 60
            if minute == 1:
                write(tmp_path, "gru", 0, {"start": 0, "compile_seconds": 1.0}, chunk(50))
            update()
            lines.append(screen.file.getvalue().count("\n"))
    assert lines == [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert screen.file.getvalue().count("\n") == 3, "the end brings nothing new, so it prints nothing"


def test_a_model_is_shown_to_compile_while_it_does(tmp_path, clock):
    screen = console(terminal=False)
    write(tmp_path, "gru", 0, {"compiling": True})  # of a command that was killed
    with Watch(screen, tmp_path, EXTENT) as update:
        for rows in [], [{"compiling": True}], [{"start": 0, "compile_seconds": 9.0}], [chunk(50)]:
            write(tmp_path, "lstm", 0, *rows)
            clock[0] += 60
            update()
    said = [line.split(" (")[0].strip() for line in screen.file.getvalue().splitlines()]
    assert said == ["gru 0%, lstm 0%", "gru 0%, lstm 0% compiling", "gru 0%, lstm 0%", "gru 0%, lstm 25%"]
    bars = console(terminal=True)
    with Watch(bars, tmp_path, EXTENT) as update:
        write(tmp_path, "gru", 0, {"compiling": True})
        clock[0] += 60
        update()
    assert "compiling" in bars.file.getvalue()


def test_only_what_was_appended_is_read_again(tmp_path, monkeypatch):
    write(tmp_path, "gru", 0, chunk(50))
    path = block_directory(tmp_path, "gru", 0) / "metrics.jsonl"
    pace = Pace(tmp_path, EXTENT)
    text = path.read_text()
    path.write_text(text.replace("50", "60"))  # nobody looks there again
    row = json.dumps(chunk(100, 4.0))
    with path.open("a") as file:
        file.write(row[:10])
        file.flush()
        pace.update()
        assert pace.steps_done("gru") == 50
        file.write(f"{row[10:]}\n{{torn\n[1]\n")
    pace.update()
    assert pace.steps_done("gru") == 100
    assert pace.blocks["gru"][0].seconds == 6.0


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"step": 50, "seconds": "x"}',
        '{"step": "50"}',
        json.dumps(chunk(100) | {"seconds": None}),
        '{"start": 0, "compile_seconds": "x"}',
        '{"step": ' + "9" * 5000 + "}",
    ],
)
def test_a_damaged_line_is_no_progress(line, tmp_path):
    write(tmp_path, "gru", 0, chunk(50))
    with (block_directory(tmp_path, "gru", 0) / "metrics.jsonl").open("a") as file:
        file.write(line + "\n")
    pace = Pace(tmp_path, EXTENT)
    assert pace.steps_done("gru") == 50
    assert pace.seconds_left() == 8.0  # 2 and 3 x 4 s, on two workers


def simulate(directory, extent, step_seconds, compile_seconds, test_seconds):
    """A study as its workers run it: (time, rows so far written) events in order, and when it ends."""
    draw = random.Random(0)
    free, events = [0.0] * extent.workers, []
    for block in range(4):
        for model in extent.models:
            now = min(free)
            worker = free.index(now)
            events.append((now, model, block, {"compiling": True}))
            now += compile_seconds[model] if block == 0 else 0.1 * compile_seconds[model]
            events.append((now, model, block, {"start": 0, "compile_seconds": compile_seconds[model]}))
            for step in range(extent.every, extent.steps + 1, extent.every):
                seconds = extent.every * step_seconds[model] * draw.uniform(0.9, 1.1)
                now += seconds
                events.append((now, model, block, chunk(step, seconds)))
            now += test_seconds
            events.append((now, model, block, end_of(extent.steps)))
            free[worker] = now
    return sorted(events, key=lambda event: event[0]), max(free)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_is_left_is_within_thirty_percent_once_every_model_has_had_a_chunk(tmp_path, workers):
    """Models of very different speeds, one after another: the steps so far say nothing of the steps to come."""
    extent = Extent(dict.fromkeys(["fast", "middle", "slow"], 4), 800, LENGTHS, 50, workers)
    events, end = simulate(
        tmp_path, extent, {"fast": 0.01, "middle": 0.04, "slow": 0.2}, {"fast": 3.0, "middle": 5.0, "slow": 12.0}, 1.0
    )
    pace, chunks, errors = Pace(tmp_path, extent), set(), []
    for now, model, block, row in events:
        write(tmp_path, model, block, row)
        pace.update()
        chunks |= {model} if "step" in row else set()
        if chunks == set(extent.models) and end - now > 0.05 * end:
            errors.append(pace.seconds_left() / (end - now) - 1)
    assert len(errors) > 50
    assert max(map(abs, errors)) < 0.3


def test_nothing_is_guessed_before_the_first_chunk_and_nothing_is_left_at_the_end(tmp_path):
    pace = Pace(tmp_path, EXTENT)
    assert pace.seconds_left() is None
    for model in EXTENT.models:
        for block in range(2):
            write(tmp_path, model, block, chunk(50), chunk(100), end_of(100))
    pace.update()
    assert pace.seconds_left() == 0


def test_a_block_that_was_tested_earlier_goes_on(tmp_path):
    """A study of 50 steps that grew to 100, one of its models by a block."""
    write(tmp_path, "gru", 0, chunk(50), end_of(50))
    write(tmp_path, "gru", 1, chunk(50), chunk(100), {"test": SCORES, "after": 100, "lengths": [2]})
    pace = Pace(tmp_path, EXTENT._replace(blocks={"gru": 3, "lstm": 1}))
    assert (pace.steps_done("gru"), pace.extent.steps_of("gru")) == (150, 300)
    write(tmp_path, "gru", 0, chunk(100), end_of(100))
    pace.update()
    assert [block.done for block in pace.blocks["gru"]] == [True, False, False]
    assert pace.seconds_left() == 4.0  # of the third block and of lstm's only one, 100 steps each
