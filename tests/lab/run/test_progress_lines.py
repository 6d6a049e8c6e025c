"""What is shown of a study while it runs, at every width: names are whole, nothing is cut off, no blanks behind."""

import io

import pytest
from rich.console import Console
from written_study import tiny, write_study

from attn_jax.lab.record.directory import append_row, read_rows
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.pace import Extent, Pace, Standing
from attn_jax.lab.run.progress import Watch
from attn_jax.lab.run.progress_lines import live_lines
from attn_jax.lab.run.sweep_watch import SweepWatch

LONG = "transformer-with-randomised-rotary-positions"
STANDINGS = {
    "gru": Standing(24, 12, 12, 12_000, 16_000, False, 0.9984, 8),
    LONG: Standing(24, 0, 0, 0, 16_000, True, None, 0),
    "lstm": Standing(24, 0, 24, 16_000, 16_000, False, 0.1042, 0),
    "rnn": Standing(24, 0, 0, 0, 16_000, False, None, None),
}
WIDTHS = [40, 60, 80, 120, 200]


def rendered(width):
    screen = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    screen.print(live_lines("study", STANDINGS, "2 min, about 5 min left", width), soft_wrap=True)
    return screen.file.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_names_are_whole_and_nothing_is_cut_off(width):
    lines = rendered(width)
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)
    text = "".join(lines)
    assert all(name in text for name in STANDINGS)
    words = " ".join(" ".join(lines).split())
    for said in (
        "12 of 96 runs in training",
        "44% " if width < 1 else "2 min, about 5 min left",
        "best .998",
        "8 solved",
    ):
        assert said in words
    assert words.count("compiling") == 1


def test_wide_terminals_have_steps_and_bars_and_narrow_ones_shares():
    wide, narrow = rendered(200), rendered(40)
    assert "12,000 of 16,000 steps" in "".join(wide)
    assert len(wide) == 1 + len(STANDINGS)
    assert [line[: len(LONG)].rstrip() for line in wide[1:]] == [*STANDINGS]
    assert "━" not in "".join(narrow)
    assert "75%" in "".join(narrow)


@pytest.mark.parametrize(("width", "bar", "share"), [(60, 0, ""), (80, 10, "44%"), (120, 32, "28,000 of 64,000 steps")])
def test_the_study_has_a_bar_where_there_is_room(width, bar, share):
    """It stays as long as it is while the study goes on, and its numbers become longer."""
    done = {name: standing._replace(steps=16_000, training=24, done=0) for name, standing in STANDINGS.items()}
    heads = [
        live_lines("study", standings, times, width).plain.splitlines()[0]
        for standings, times in ((STANDINGS, "5 s"), (STANDINGS, "12 min, about 25 min left"), (done, "30 s"))
    ]
    assert [sum(map(head.count, "━─")) for head in heads] == [bar] * 3
    assert all(len(head) <= width for head in heads)
    assert share in heads[0] and heads[0].count("━") == round(bar * 28 / 64)


@pytest.fixture(scope="module")
def extent_of(tmp_path_factory):
    """A finished study's folder and its extent."""
    directory = tmp_path_factory.mktemp("lines") / "s"
    write_study(directory, tiny(seeds=3))
    facts = read_study(directory)
    blocks = {name: len(runs) for name, runs in facts["runs"].items()}
    return directory, Extent(blocks, 200, facts["task"]["lengths"], 10, 2, facts)


def test_a_model_stands_as_its_rows_say(extent_of):
    directory, extent = extent_of
    standing = Pace(directory, extent).standing("gru")
    assert standing[:6] == (6, 0, 6, 200 * extent.blocks["gru"], 200 * extent.blocks["gru"], False)
    assert standing.best == pytest.approx(1.0)  # an accuracy of .5 + .1 * run, of which chance is .5; cut by nothing
    assert standing.solved == 1


def test_solved_so_far_is_held_at_three_evaluations_and_lost_with_a_divergence(extent_of, tmp_path):
    directory, extent = extent_of
    (last,) = (row for row in read_rows(directory / "blocks" / "gru-0" / "metrics.jsonl") if row.get("step") == 10)
    folder = tmp_path / "blocks" / "gru-0"
    folder.mkdir(parents=True)
    pace, said = Pace(tmp_path, extent), []
    table, lost = last["validation"]["metric"], last["diverged"]
    for step, accuracy in zip((10, 20, 20, 30, 40, 50, 60, 70, 80), (1, 1, 1, 0, 1, 1, 1, 0, 1), strict=True):
        given = [[float(accuracy)] * len(batches) for batches in table]
        scores = dict.fromkeys(last["validation"], given)
        row = {"step": step, "diverged": [step == 80] * len(lost), "validation": scores}
        append_row(folder / "metrics.jsonl", last | row)
        pace.update()
        said.append(pace.standing("gru").solved)
    runs = extent.runs_of("gru", 0)
    assert said == [0, 0, 0, 0, 0, 0, runs, runs, 0]
    assert pace.standing("gru").best == pytest.approx(1.0)


def test_a_sweep_says_how_its_points_are(extent_of):
    directory, extent = extent_of
    screen = Console(file=io.StringIO(), width=80)
    with SweepWatch(
        screen, {"d_model=4": (directory, extent, None), "d_model=8": (directory / "none", extent, None)}, 2
    ):
        pass
    assert screen.file.getvalue() == "  5 s: 1 of 2 points done\n"
    bars = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with SweepWatch(bars, {"d_model=4": (directory, extent, None)}, 2):
        pass
    assert "d_model=4" in bars.file.getvalue()
    assert "12 runs done" in bars.file.getvalue()


def test_names_are_no_markup(tmp_path):
    screen = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with Watch(screen, tmp_path, Extent({"[red]": 1}, 10, [2], 10, 1)):
        pass
    assert "[red]" in screen.file.getvalue()
