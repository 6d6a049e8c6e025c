"""What is said reaches any terminal, file or pipe: other characters are replaced, and nobody listening is no fault."""

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table

from attn_jax.terminal import Terminal, sayable

SPOKEN = "a → b … “c” ␣ √ 漢"


@pytest.fixture
def output(monkeypatch):
    """Standard output and error of an encoding, and what has arrived there."""

    def open_as(encoding):
        raw = io.BytesIO()
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        return lambda: raw.getvalue().decode(encoding)

    return open_as


@pytest.mark.parametrize(
    ("encoding", "said"), [("ascii", 'a > b . "c" _ ? ?'), ("latin-1", 'a > b . "c" _ ? ?'), ("utf-8", SPOKEN)]
)
def test_print_and_rich_say_what_can_be_said(encoding, said, output):
    heard = output(encoding)
    with sayable():
        print(SPOKEN)
        print(SPOKEN, file=sys.stderr)
        Terminal(width=40).print(SPOKEN)
        table = Table("─")
        table.add_row(SPOKEN)
        Terminal(width=40).print(table)
    assert heard().count(said) == 4
    assert sys.stdout.errors == "strict", "the caller's stream is as it was"


def test_without_it_they_could_not(output):
    output("ascii")
    with pytest.raises(UnicodeEncodeError):
        print(SPOKEN)


def test_a_name_that_is_no_text_is_said_too(output):
    heard = output("utf-8")
    with sayable():
        print("results/\udcff")
    assert heard() == "results/?\n"


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "words", [["list", "configs"], ["--help"], ["compare", "--config=quickstart", "--config.help"]]
)
def test_a_reader_that_has_seen_enough_is_no_fault(words, tmp_path):
    """The pipe is closed before anything is said."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "attn_jax", *words]
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=env, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 0


def test_a_terminal_of_no_columns_is_as_wide_as_any(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    heard = io.StringIO()
    Terminal(file=heard).print("word " * 30)
    assert max(map(len, heard.getvalue().splitlines())) == 79


def test_nothing_stands_behind_a_line_of_a_pipe():
    """Rich fills the lines of a table, and where it folds a text it leaves the blank at which it did."""
    heard = io.StringIO()
    console, table = Terminal(file=heard, width=30), Table("model", "a note", title="title", title_justify="left")
    table.add_row("gru", "a", style="bold")
    for said in (table, "word " * 20):
        console.print(said)
    assert "gru" in heard.getvalue()
    assert [line for line in heard.getvalue().splitlines() if line != line.rstrip()] == []
