"""scripts/bench_attention.py measures what it says: its contenders agree, and one tiny case runs from end to end."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture
def scripts(monkeypatch):
    """The modules of the benchmark, importable as they are from the script."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    names = ("bench_attention", "bench_attention_cases", "bench_attention_contenders")
    yield [importlib.import_module(name) for name in names]
    for name in names:
        sys.modules.pop(name, None)


KINDS = ["full", "causal", "window", "bias", "bias-learned", "soft-cap", "alibi", "segments", "gqa", "train"]


def small(cases, kind):
    """A case of that kind, of 16 places."""
    runs = 3 if kind == "train" else None
    case = replace(cases.CASES[f"{kind}-{64 if runs else 2048}"], T=16, batch=2, head_dim=8, runs=runs)
    return case if case.window is None else replace(case, window=3)


def assert_the_same(contenders, name, case, want):
    """A contender's output and gradients are `want`, those of attn_jax; raises what the contender raises."""
    got = [np.asarray(x) for x in jax.tree.leaves(contenders.CONTENDERS[name](case, True).run())]
    if name == "torch SDPA":  # [B, N, T, H], the gradients alone
        got, want = [x.swapaxes(1, 2) if x.ndim == 4 else x for x in got], want[1:]
    for x, y in zip(got, want, strict=True):
        np.testing.assert_allclose(x.reshape(np.shape(y)), y, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.exhaustive
def test_contenders_compute_the_same(kind, scripts):
    _, cases, contenders = scripts
    case, others = small(cases, kind), 0
    want = jax.tree.leaves(contenders.CONTENDERS["attn_jax dense"](case, True).run())
    for name in ("attn_jax", "attn_jax blockwise", "jax.nn", "torch SDPA", "equinox"):
        try:
            assert_the_same(contenders, name, case, want)
        except (NotImplementedError, ImportError):
            continue
        others += 1
    assert others >= 2


def test_contenders_compute_the_same_twin(scripts):
    _, cases, contenders = scripts
    want = jax.tree.leaves(contenders.CONTENDERS["attn_jax"](small(cases, "full"), True).run())
    with pytest.raises(AssertionError, match=r"jax\.nn"):
        assert_the_same(contenders, "jax.nn", small(cases, "causal"), want)


def test_cases_stand_with_what_they_are_compared_with(scripts):
    _, cases, _ = scripts
    groups = cases.families(list(cases.CASES))
    assert sorted(name for group in groups for name in group) == sorted(cases.CASES)
    for group in groups:
        assert all(cases.CASES[name].against in (None, *group) for name in group)
    assert cases.families(["full-2048", "causal-2048", "tiny"]) == [["full-2048", "causal-2048"], ["tiny"]]


def test_turns_are_interleaved_and_ratios_paired(scripts):
    bench, _, _ = scripts
    calls = []
    slow = ("case", "forward", "slow")
    runs = {
        slow: lambda: calls.append("s") or sum(range(2_000_000)),
        ("case", "forward", "torch SDPA"): lambda: calls.append("t"),
    }
    bench.MIN_SAMPLE_S = 0.0  # one call a turn
    samples = bench.take_turns(runs, 4)
    assert "".join(calls[-8:]) == "sttsstts"  # the first of a round changes
    row = bench._row(slow, bench_program(), "", samples, None)
    assert row.ratios["torch SDPA"] > 10
    assert row.cpu_s == pytest.approx(np.median([cpu for cpu, _ in samples[slow]]))


def bench_program():
    contenders = importlib.import_module("bench_attention_contenders")
    return contenders.Program(None, None, None)


def run(*words, cwd):
    command = [sys.executable, str(SCRIPTS / "bench_attention.py"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.exhaustive
def test_one_tiny_case_from_end_to_end(tmp_path):
    done = run("--only=^tiny$", "--who=jax$|dense|jax.nn", "--repeats=2", "--out=figures.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "figures.json").read_text())
    assert {"date", "machine", "cores", "pinned_to_core", "versions"} <= record["environment"].keys()
    assert [(row["passes"], row["contender"]) for row in record["rows"]] == [
        (which, who) for which in ("forward", "forward + backward") for who in ("attn_jax", "attn_jax dense", "jax.nn")
    ]
    for row in record["rows"]:
        assert row["cpu_s"] > 0
        assert row["compile_s"] > 0
        assert len(row["samples_cpu_s"]) == 2
        assert row["temporary_bytes"] >= 0
        assert ("jax.nn" in row["ratios"]) == (row["contender"] != "jax.nn")
        assert row["contender"] in done.stdout


@pytest.mark.exhaustive
def test_an_unknown_case_ends_with_the_names(tmp_path):
    done = run("--profile=nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert "no such case; there are tiny" in done.stdout
