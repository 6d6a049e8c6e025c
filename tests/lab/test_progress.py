"""What is shown while a study runs."""

import io

from rich.console import Console

from attn_jax.lab.directory import append_row, block_directory
from attn_jax.lab.progress import Watch


def write_steps(directory, model, block, steps):
    folder = block_directory(directory, model, block)
    folder.mkdir(parents=True, exist_ok=True)
    for step in steps:
        append_row(folder / "metrics.jsonl", {"step": step})


def shown(directory, *, terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with Watch(console, directory, ["gru", "lstm"], 2, 100):
        pass
    return console.file.getvalue()


def test_a_terminal_gets_a_bar_for_the_study_and_each_model(tmp_path):
    write_steps(tmp_path, "gru", 0, [50, 100])
    write_steps(tmp_path, "gru", 1, [50])
    text = shown(tmp_path, terminal=True)
    assert "150/400" in text
    assert "150/200" in text
    assert "0/200" in text


def test_elsewhere_a_line_says_how_far_each_model_is(tmp_path):
    write_steps(tmp_path, "lstm", 0, [50])
    assert shown(tmp_path, terminal=False) == "  gru 0%, lstm 25%\n"
