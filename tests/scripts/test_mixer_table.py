"""docs/mixers.md holds the table that the registry gives; counts are those by hand; times are kept."""

import importlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from attn_jax.commands.listing import list_mixers
from attn_jax.lab.cost.mixer_costs import measure_mixer, mixer_costs, one_by_one
from attn_jax.mixers import GRU, LRU, MIXERS, RNN, Attention, Hyena, MinGRU, MixerConfig, ShortConv, StackRNN

ROOT = Path(__file__).parent.parent.parent
D, T = 64, 1024
ROW = {
    "name": "one",
    "source": "A. & B. 2017, arXiv 1706.03762",
    "counted_form": "form='a|b'",
    "parameters": 16384,
    "state_bytes": 512,
    "depth": "log T",
    "flops_per_token": 1234.5,
}


@pytest.fixture(scope="module")
def rows():
    return list_mixers()


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("mixer_table")
    sys.modules.pop("mixer_table", None)


@pytest.fixture
def page_of(script):
    """A page with a table of these rows, all measured."""

    def page(*rows, times=("3.14", "1,162"), note="Measured once."):
        table = script.table_of(list(rows), {row["name"]: times for row in rows}, note)
        return script.put_between(f"# Before\n{script.MARKS[0]}old\n{script.MARKS[1]}\nAfter\n", script.MARKS, table)

    return page


@pytest.mark.exhaustive
def test_the_page_is_not_stale(script, rows):
    page = (ROOT / "docs" / "mixers.md").read_text(encoding="utf-8")
    times, note = script.kept(page)
    new = script.put_between(page, script.MARKS, script.table_of(rows, times, note))
    assert not script.is_stale(page, new), "docs/mixers.md is stale: python scripts/mixer_table.py"
    assert list(times) == list(MIXERS)
    assert all(float(taken.replace(",", "")) > 0 for pair in times.values() for taken in pair)
    assert re.match(r"Measured 20\d\d-\d\d-\d\d: .*, jax \d", note)


@pytest.mark.parametrize("name", MIXERS)
def test_a_source_is_authors_year_and_number_as_the_docstring_has_it(name):
    config = type(MIXERS[name])
    assert "source" in vars(config), "each class says its own source"
    numbers = re.findall(r"arXiv (\d{4}\.\d{4,5})\b", config.source)
    assert numbers or name in ("rnn", "lstm")
    assert all(number in config.__doc__ for number in numbers)
    assert all(1980 < int(year) < 2030 for year in re.findall(r" (\d{4})\b(?!\.)", config.source.split(", arXiv")[0]))
    assert config.source[0].isupper()


def test_a_mixer_of_ones_own_needs_no_source():
    assert MixerConfig.source == ""
    assert "source" not in {field for row in MIXERS.values() for field in vars(row)}


@pytest.mark.parametrize(
    ("config", "parameters", "state", "depth", "form"),
    [
        (Attention(num_heads=4), 4 * D * D, 2 * T * D, "constant", "implementation='dense'"),
        (Attention(num_heads=4, num_kv_heads=1), 2 * D * D + 2 * D * 16, 2 * T * 16, "constant", "implementation"),
        (RNN(), 2 * D * D + D, D, "linear", ""),
        (GRU(d_inner=32), 3 * (32 * D + 32 * 32 + 2 * 32) + 32 * D + D, 32, "linear", ""),
        (MinGRU(), 2 * (D * D + D), D, "log T", "form='associative'"),
        (LRU(), None, 2 * D, "log T", "form='associative'"),
        (LRU(form="sequential"), None, 2 * D, "linear", ""),
        (ShortConv(), 5 * D, 3 * D, "constant", ""),
        (StackRNN(cell_size=5, memory_size=7), None, D + 5 * 7, "linear", ""),
        (Hyena(), None, None, "log T", ""),
    ],
)
def test_counts_by_hand(config, parameters, state, depth, form):
    costs = mixer_costs(config)
    assert parameters in (None, costs["parameters"])
    assert state in (None, costs["state_bytes"] / 4)
    assert costs["depth"] == depth
    assert costs["counted_form"].startswith(form)
    assert bool(costs["counted_form"]) == bool(form)


def test_operations_by_hand():
    rnn = mixer_costs(RNN())["flops_per_token"]
    assert rnn == 2 * 2 * D * D + 3 * D  # x w_x, h w_h; two sums and a tanh
    dense = mixer_costs(Attention(num_heads=4))["flops_per_token"]
    products = 4 * 2 * D * D + 2 * 2 * T * D  # four projections, scores and values over all S
    assert products < dense < products + 4 * 12 * T  # and about ten operations a score for the softmax, 4 heads


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["attention", "lru", "tape_rnn"])
def test_one_by_one_is_the_whole(name):
    mixer = replace(MIXERS[name], d_model=16).make()
    params = jax.jit(mixer.init)(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (2, 5, 16))
    alone = jax.jit(lambda params, x: one_by_one(mixer, params, x))(params, x)
    np.testing.assert_allclose(alone, jax.jit(mixer.apply)(params, x, None), atol=1e-5)


def test_a_measurement_is_of_a_token_in_microseconds(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr("time.process_time", lambda: float(next(clock)))  # one second a call
    assert measure_mixer(ShortConv()) == {"us_whole": 1e6 / T, "us_one_by_one": 1e6 / T}


@pytest.mark.exhaustive
def test_a_list_that_is_measured_has_the_times_too(monkeypatch, rows):
    monkeypatch.setattr(
        "attn_jax.commands.listing.measure_mixer", lambda config: {"us_whole": 1.0, "us_one_by_one": 2.0}
    )
    monkeypatch.setattr("attn_jax.commands.listing.MIXERS", {"rnn": RNN()})
    (row,) = list_mixers(measure=True)
    assert row == rows[1] | {"us_whole": 1.0, "us_one_by_one": 2.0}


def test_a_row(script):
    *_, line, _, counted, note = script.table_of([ROW], {"one": ("3.14", "162")}, "Measured once.").splitlines()
    assert line == (
        r"| `one`<br>counted as `form='a\|b'` | A. & B. 2017, arXiv 1706.03762 | 16,384 | 512 | log T | 1,234 | "
        "3.14 | 162 |"
    )
    assert counted == f"Counted with jax {jax.__version__}."
    assert note == "Measured once."
    assert script.table_of([ROW | {"counted_form": ""}], {}, "").splitlines()[2].startswith("| `one` | A. & B.")


def test_times_are_kept_and_only_measuring_changes_them(script, page_of, tmp_path, monkeypatch, capsys):
    two = ROW | {"name": "two"}
    assert script.kept(page_of(ROW, two)) == ({"one": ("3.14", "1,162"), "two": ("3.14", "1,162")}, "Measured once.")
    times = {"us_whole": 0.12345, "us_one_by_one": 45.678}
    monkeypatch.setattr(script, "list_mixers", lambda measure: [row | (times if measure else {}) for row in (ROW, two)])
    monkeypatch.setattr(script, "pin_one_core", lambda: None)
    page = tmp_path / "mixers.md"
    page.write_text(stale := page_of(ROW), encoding="utf-8")
    words = [f"--page={page}"]
    assert script.main(["--check", *words]) == 1
    assert "is stale: python scripts/mixer_table.py" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == stale
    assert script.main(words) == 0
    assert script.main(["--check", *words]) == 0
    assert script.kept(page.read_text(encoding="utf-8"))[0] == {"one": ("3.14", "1,162"), "two": ("", "")}
    assert script.main(["--measure", *words]) == 0
    measured, note = script.kept(page.read_text(encoding="utf-8"))
    assert measured == {"one": ("0.123", "45.7"), "two": ("0.123", "45.7")}
    assert note.startswith("Measured 20")
    assert script.main(["--check", *words]) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"name": "two"},
        {"source": "C. 2020"},
        {"parameters": 1},
        {"state_bytes": 1},
        {"depth": "linear"},
        {"counted_form": ""},
    ],
)
def test_every_change_of_a_row_is_noticed_whatever_counted_it(script, page_of, change):
    page = page_of(ROW)
    for old in (page, page.replace(f"jax {jax.__version__}", "jax 0.1.2")):
        assert script.is_stale(old, page_of(ROW | change))
        assert not script.is_stale(old, page_of(ROW))


def test_operations_are_compared_where_the_same_jax_counted_them(script, page_of):
    page, new = page_of(ROW), page_of(ROW | {"flops_per_token": 1300.0})
    assert script.is_stale(page, new)
    assert not script.is_stale(page.replace(f"jax {jax.__version__}", "jax 0.1.2"), new)
