"""scripts/bench_mixers.py measures what it says, holds it against its targets, and ends with 1 where one is missed."""

import importlib
import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from attn_jax.mixers import MIXERS

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
MODULES = ("bench_mixers", "bench_mixers_contenders", "bench_timing", "bench_attention")
SMALL = {"length": 6, "batch": 2, "width": 8}


@pytest.fixture
def scripts(monkeypatch):
    """The script and its contenders as modules, on a core that is not pinned."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    monkeypatch.setenv("XLA_FLAGS", "")
    bench, contenders = map(importlib.import_module, MODULES[:2])
    monkeypatch.setattr(bench, "pin_one_core", lambda: None)
    yield bench, contenders
    for name in MODULES:
        sys.modules.pop(name, None)


def assert_alike(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * max(1.0, np.abs(b).max()))


@pytest.mark.exhaustive
@pytest.mark.programs(40)  # a gradient of each form of each operator, and what draws their inputs
def test_the_forms_of_an_operator_are_given_the_same_and_give_the_same(scripts):
    bench, contenders = scripts
    for name in contenders.OPERATORS:
        gradients = [contenders.recurrence(name, form, length=6, heads=2, size=4)[form]() for form in bench.FORMS]
        for gradient in gradients[1:]:
            assert_alike(gradient, gradients[0])


def test_the_forms_of_an_operator_twin(scripts):
    _, contenders = scripts
    one, other = (
        contenders.recurrence(name, "chunked", length=6, heads=2, size=4)["chunked"]()
        for name in ("gated, a decay a head", "mlstm")
    )
    with pytest.raises((AssertionError, ValueError)):
        assert_alike(one, other)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("maker", "group", "whats", "target"),
    [("cells", "cells", ["rnn", "lstm", "gru"], 1.0), ("transformer", "transformer", ["transformer"], 1.1)],
)
def test_what_is_held_against_torch(maker, group, whats, target, scripts, monkeypatch):
    bench, contenders = scripts
    monkeypatch.setattr(contenders, maker, partial(getattr(contenders, maker), **SMALL))
    rows = list(bench.GROUPS[group](1))
    assert [row.what.partition(",")[0] for row in rows] == whats
    if importlib.util.find_spec("torch"):
        assert {row.target for row in rows} == {target}
        assert all(row.got > 0 for row in rows)


def test_without_torch_what_is_compared_with_it_is_measured_alone(scripts, monkeypatch):
    bench, contenders = scripts
    monkeypatch.setattr(contenders, "HAS_TORCH", False)
    assert list(contenders.cells("rnn", **SMALL)) == ["attn_jax"]
    row = bench.against("rnn", {"attn_jax": lambda: None}, 1.0, 1)
    assert "torch is not installed" in str(row)
    assert (row.got, row.target, row.missed) == (None, None, False)


def test_the_delta_rule_is_held_against_its_own_scan(scripts, monkeypatch):
    bench, contenders = scripts
    asked = []

    def recurrence(name, form, *, length):
        asked.append((name, form, length))
        return {form: lambda: sum(range(20_000 if form == "recurrent" else 1_000))}

    monkeypatch.setattr(contenders, "recurrence", recurrence)
    (row,) = bench.measure_delta(3)
    assert asked == [("delta_rule", "chunked", 1024), ("delta_rule", "recurrent", 1024)]
    assert row.target == 0.2
    assert row.got < 1


def test_the_fastest_form_is_named_and_long_parallel_ones_are_left_out(scripts, monkeypatch):
    bench, contenders = scripts
    assert str(bench.form_row("x", {"recurrent": 3.0, "chunked": 1.0, "parallel": 2.0})).endswith("fastest: chunked")
    monkeypatch.setattr(contenders, "recurrence", lambda name, form, length: {form: lambda: None})
    rows = [str(row) for row in bench.measure_forms(1)]
    assert len(rows) == 4 * len(contenders.OPERATORS)
    assert [row.partition(",")[0] for row in rows if "T 4096" in row and "parallel" in row] == []
    assert all("parallel" in row for row in rows if "T 1024" in row)


def test_every_mixer_is_compiled_with_its_gradient(scripts, monkeypatch):
    bench, contenders = scripts
    contenders.four_layers("min_gru", length=4, batch=1).compile()
    asked = []
    monkeypatch.setattr(
        contenders, "four_layers", lambda name: SimpleNamespace(compile=lambda compiler_options: asked.append(name))
    )
    rows = list(bench.measure_compile(1))
    assert asked == list(MIXERS)
    assert {row.target for row in rows} == {6.0}


def test_the_whole_command_is_measured_by_the_clock(scripts, monkeypatch):
    bench, _ = scripts
    words = []

    def run(command, **options):
        words.extend(command)
        assert "XLA_FLAGS" not in options["env"]
        return SimpleNamespace(stdout="rnn  1/1")

    monkeypatch.setattr(subprocess, "run", run)
    (row,) = bench.measure_command(1)
    assert words[1:4] == ["-m", "attn_jax.cli", "compare"]
    assert f"--config={bench.PARITY}" in words
    assert bench.PARITY.exists()
    assert row.target == 30.0
    assert row.got < 5
    assert str(row).count("solved") == 1


def test_what_misses_its_target_is_named_and_checked(scripts, monkeypatch, capsys):
    bench, _ = scripts
    rows = {
        "cells": [bench.Row("lstm", "1.01 x", 1.01, 1.0), bench.Row("gru", "1 x", 1.0, 1.0)],
        "delta": [bench.Row("delta rule", "0.2 x", 0.2, 0.2), bench.Row("told", "7 ms")],
    }
    for name, group in rows.items():
        monkeypatch.setitem(bench.GROUPS, name, lambda repeats, group=group: iter(group))
    assert bench.main(["--check", "--groups", "cells", "delta"]) == 1
    assert capsys.readouterr().out.endswith("targets missed: lstm\n")
    assert bench.main(["--groups", "cells"]) == 0
    assert bench.main(["--check", "--groups", "delta"]) == 0
    assert capsys.readouterr().out.endswith("targets missed: none\n")


def test_an_unknown_group_ends_with_the_names():
    command = [sys.executable, str(SCRIPTS / "bench_mixers.py"), "--groups", "sudoku"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "transformer" in done.stderr
