"""What the command lists and shows of tasks, against the registry and plain Python."""

import json
import re
import sys
from dataclasses import dataclass, replace
from functools import partial

import jax
import numpy as np
import pytest
from rich.console import Console

from attn_jax.cli import main
from attn_jax.commands.listing import _example_lines, _print_rows, list_configs, list_tasks, short_repr, show_task
from attn_jax.config.shipped import shipped_configs
from attn_jax.mixers import MIXERS
from attn_jax.tasks import TASKS, AssociativeRecall, CopyMemory, Parity, TaskConfig
from attn_jax.tasks.data import digits
from attn_jax.tasks.data.text import Text, load
from attn_jax.tasks.numbers.adding import Adding
from attn_jax.tasks.sampling import length_range
from attn_jax.types import Batch


@pytest.fixture(scope="module")
def rows():
    return {row["name"]: row for row in list_tasks()}


@pytest.fixture
def shown(capsys, monkeypatch):
    """Rows of cells of what `show` prints of a configuration, on a wide terminal, and the lines of its floors."""

    def show(config: TaskConfig, length, key=0):
        monkeypatch.setenv("COLUMNS", "400")
        monkeypatch.setitem(TASKS, "shown", config)
        show_task("shown", length, key)
        title, *lines = capsys.readouterr().out.splitlines()
        assert title.startswith(f"shown, {length} ")
        table = [line.split() for line in lines[: lines.index("")]]
        assert len({len(line) for line in table}) == 1
        return table, lines[lines.index("") + 1 :]

    return show


def test_list_holds_every_task_as_it_is(rows):
    assert list(rows) == list(TASKS)
    for name, row in rows.items():
        task = TASKS[name].make()
        spec = task.spec
        assert row["source"] == spec.source
        assert (row["metric"], row["threshold"], row["loss_places"]) == (spec.metric, spec.threshold, spec.loss_places)
        assert (row["vocabulary"], row["channels"]) == (spec.io.vocab_size, spec.io.channels)
        assert (row["classes"], row["out_channels"]) == (spec.io.num_classes, spec.io.out_channels)
        assert (row["train_lengths"], row["length_unit"]) == (list(spec.train_lengths), spec.length_unit)
        assert row["test_lengths"] == list(spec.test_lengths)
        assert row["strings"] == (task.strings is not None)
        assert row["chance"] in row["floors"]
        assert row["about"].endswith((".", "?", ":"))
    recall = rows["associative_recall"]
    assert recall["floors"]["most_frequent_value"] == {"value": 0.287877, "loss": None}
    assert recall["floors"]["uniform"] == {"value": 0.0625, "loss": pytest.approx(np.log(16), abs=1e-6)}
    json.dumps(rows, allow_nan=False)


@pytest.mark.exhaustive
def test_list_of_mixers_says_what_each_is_and_costs(capsys, monkeypatch):
    assert main(["list", "mixers", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(MIXERS)
    signed = rows["mamba_signed"]
    assert (signed["class"], signed["config"]) == ("Mamba", "Mamba(transition='signed')")
    assert rows["gru"]["source"] == "Cho et al. 2014, arXiv 1406.1078"
    assert rows["gru"]["state_bytes"] == 64 * 4
    assert "us_whole" not in rows["gru"]
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["list", "mixers"]) == 0
    (gru,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("gru ")]
    assert gru.split()[:5] == ["gru", "24,960", "256", "linear", "50,240"]
    assert gru.rstrip().endswith("Cho et al. 2014, arXiv 1406.1078")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("what", ["mixers", "tasks", "configs"])
def test_lists_fit_and_cut_no_name(what, width, capsys, monkeypatch, rows):
    made = {
        "mixers": [
            {"name": name, "parameters": 24_960, "depth": "log T", "source": "Cho et al. 2014"} for name in MIXERS
        ]
    }
    monkeypatch.setenv("COLUMNS", str(width))
    _print_rows(what, made.get(what) or {"tasks": list(rows.values()), "configs": list_configs()}[what])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    names = {"mixers": MIXERS, "tasks": TASKS, "configs": shipped_configs()}[what]
    cells = "".join(line[:width].split("  ")[0] for line in lines) if width == 20 else "\n".join(lines)
    assert all(name in cells for name in names)


def test_config_is_the_expression_that_makes_the_row(rows):
    assert rows["digits_permuted"]["config"] == "Digits(order='permuted')"
    assert short_repr(Parity()) == "Parity()"
    names = {type(config).__name__: type(config) for config in TASKS.values()}
    for name, row in rows.items():
        assert eval(row["config"], names) == TASKS[name]


def test_without_scikit_learn_digits_are_listed_without_floors(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits._load.cache_clear()
    row = next(row for row in list_tasks() if row["name"] == "digits")
    assert row["floors"] == {}
    assert 'pip install "attn_jax[digits]"' in row["missing"]


def test_show_lays_input_over_target_over_weight(shown):
    table, floors = shown(AssociativeRecall(), 2)
    (_, *inputs), (_, *targets), (_, *weights) = table
    assert [title for title, *_ in table] == ["input", "target", "weight"]
    assert len(inputs) == 6
    value_of = dict(zip(inputs[0:4:2], inputs[1:4:2], strict=True))
    assert [str(int(value_of[query]) - 16) for query in inputs[4:]] == targets[4:]
    assert targets[:4] == weights[:4] == ["."] * 4
    assert weights[4:] == ["1", "1"]
    assert "  floor uniform: accuracy 0.0625, loss 2.773" in floors
    assert "  floor most_frequent_value: accuracy 0.5312, no loss, chance" in floors


def test_another_key_shows_another_example(shown):
    assert shown(AssociativeRecall(), 6, key=0) == shown(AssociativeRecall(), 6, key=0)
    assert shown(AssociativeRecall(), 6, key=0) != shown(AssociativeRecall(), 6, key=1)


def test_channels_and_real_targets_are_numbers(shown):
    table, floors = shown(Adding(), 5)
    assert [title for title, *_ in table] == ["input", "input", "target", "weight"]
    numbers, marks, targets, weights = (cells for _, *cells in table)
    both = [float(number) for number, mark in zip(numbers, marks, strict=True) if mark == "1"]
    assert len(both) == 2
    assert float(targets[-1]) == pytest.approx(sum(both), abs=0.01)
    assert targets[:-1] == weights[:-1] == ["."] * 4
    assert "  floor first_number: mse 0.08333, loss 0.08333" in floors


def test_characters_are_shown_as_such(shown, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text('[b]"a_\\\n ü\x07' * 40, encoding="utf-8")
    config = Text(str(path))
    (_, *inputs), (_, *targets), _ = shown(config, 11)[0]
    assert inputs[1:] == targets[:-1]
    assert set(inputs) == {*'[b]"a_ü\\', "\\n", "\\x07", "␣"}
    assert len(config.token_names()) == len(load(config.path).alphabet)


def test_places_that_are_only_trained_are_dim_and_scored_ones_green():
    yes, no = [True], [False]
    one = np.array
    batch = Batch(one([[7, 8, 9]]), one([[1, 2, 3]]), one([[1, 0.5, 0]]), one([yes + no + no]), one([yes * 3]))
    lines = _example_lines(batch, None, 80)
    assert [line.plain.split() for line in lines[1:3]] == [["target", "1", "2", "."], ["weight", "1", "0.5", "."]]
    assert [(line.plain[span.start : span.end].strip(), span.style) for line in lines[1:2] for span in line.spans] == [
        ("1", "bold green"),
        ("2", "dim"),
    ]


@pytest.mark.parametrize("width", [20, 80])
def test_bands_are_as_wide_as_the_terminal(width):
    batch = jax.device_get(jax.jit(lambda: CopyMemory().make().sample(jax.random.key(0), 1, 30, 30))())
    lines = _example_lines(batch, None, width)
    console = Console(width=width)
    assert max(console.measure(line).maximum for line in lines) <= width
    cells = [line.plain.split()[1:] for line in lines if line.plain.startswith("input")]
    assert [int(cell) for band in cells for cell in band] == batch.inputs[0].tolist()


@dataclass(frozen=True)
class OddParity(Parity):
    """Parity of odd lengths only."""

    def make(self):
        task = super().make()
        lengths = partial(length_range, step=2)
        return task._replace(spec=replace(task.spec, lengths=lengths, train_lengths=(3, 19), test_lengths=(3, 19)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["copy_memry"], "task: got 'copy_memry', did you mean copy_memory"),
        (["digit"], "task: got 'digit', did you mean digits"),
        (["running"], "did you mean parity_running"),
        (["zebra"], "task: got 'zebra', the nearest of 54 names are "),
        (["Dyck"], "task: got 'Dyck', did you mean dyck"),
        (["digits", "--length=3"], "--length=3: lengths: got low=3, high=3, .* the only one; try 64\n"),
        (["associative_recall", "--length=17"], "--length=17: .*; try 16\n"),
        (["odd", "--length=6"], "--length=6: .*; try 5 or 7\n"),
        (["odd", "--length=-6"], "--length=-6: .*; try 3\n"),
    ],
)
def test_a_bad_name_or_length_is_one_sentence_with_what_is_near(words, said, capsys, monkeypatch):
    monkeypatch.setitem(TASKS, "odd", OddParity())
    assert main(["show", "task", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("attn-jax: ")
    assert re.search(said, error)
