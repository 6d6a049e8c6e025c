"""What is shown while a study runs, and how long the rest of it is said to take."""

import io
import json

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


def test_a_terminal_gets_a_line_for_the_study_and_each_model(tmp_path):
    write(tmp_path, "gru", 0, chunk(50), chunk(100))
    write(tmp_path, "gru", 1, chunk(50))
    text = shown(tmp_path, terminal=True)
    assert "38%, 0 of 4 runs done" in text
    assert "150 of 200 steps" in text
    assert "lstm" in text


def test_elsewhere_a_line_says_how_far_each_model_is_and_what_is_left(tmp_path):
    write(tmp_path, "lstm", 0, chunk(50, 100.0))
    line = "  5 s, about 7 min left: gru 0%, waiting; lstm 25%, 0 of 2 runs done\n"  # 700 s, the longer half for one
    assert shown(tmp_path, terminal=False) == line


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert shown(tmp_path, terminal=True) == "  5 s: gru 0%, waiting; lstm 0%, waiting\n"


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_line_is_printed_when_something_changed_and_now_and_then_as_a_sign_of_life(tmp_path, clock):
    screen, lines = console(terminal=False), []
    with Watch(screen, tmp_path, EXTENT) as update:
        for minute in range(13):
            clock[0] += 60
            if minute == 1:
                write(tmp_path, "gru", 0, {"start": 0, "compile_seconds": 1.0}, chunk(50))
            update()
            lines.append(screen.file.getvalue().count("\n"))
    assert lines == [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4]
    said = screen.file.getvalue().splitlines()
    assert len(said) == 4, "the end brings nothing new, so it prints nothing"
    assert len({*said}) == 4
    assert all(line == line.rstrip() for line in said)


def test_lines_of_a_long_study_come_less_and_less_often(tmp_path, clock):
    screen, extent = console(terminal=False), Extent({"gru": 1}, 10**6, LENGTHS, 1, 1)
    with Watch(screen, tmp_path, extent) as update:
        for step in range(1, 2000):
            clock[0] += 10
            if step % 20 == 0:
                write(tmp_path, "gru", 0, chunk(step * 500))
            update()
    assert 40 < screen.file.getvalue().count("\n") < 100  # five and a half hours


def test_a_model_is_shown_to_compile_while_it_does(tmp_path, clock):
    screen = console(terminal=False)
    write(tmp_path, "gru", 0, {"compiling": True})  # of a command that was killed
    with Watch(screen, tmp_path, EXTENT) as update:
        for rows in [], [{"compiling": True}], [{"start": 0, "compile_seconds": 9.0}], [chunk(50)]:
            write(tmp_path, "lstm", 0, *rows)
            clock[0] += 60
            update()
    said = [line.partition("lstm ")[2] for line in screen.file.getvalue().splitlines()]
    training = "1 of 2 runs in training"
    assert said == ["0%, waiting", "compiling", f"0%, {training}", f"25%, {training}"]
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
        assert pace.standing("gru").steps == 50
        file.write(f"{row[10:]}\n{{torn\n[1]\n")
    pace.update()
    assert pace.standing("gru").steps == 100
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
    assert pace.standing("gru").steps == 50
    assert pace.seconds_left() == pytest.approx(8.0, abs=0.1)  # 2 and 3 x 4 s, on two workers


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
    assert pace.standing("gru")[3:5] == (150, 300)
    write(tmp_path, "gru", 0, chunk(100), end_of(100))
    pace.update()
    assert [block.done for block in pace.blocks["gru"]] == [True, False, False]
    assert pace.seconds_left() == pytest.approx(4.0, abs=0.1)  # the third block, and lstm's only one, of 100 steps each
