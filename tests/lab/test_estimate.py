"""What a study would take: blocks shared out by hand, and the command that says it, which trains and writes nothing."""

from pathlib import Path

import pytest

from attn_jax.cli import main
from attn_jax.config.codec import to_json
from attn_jax.config.file import load_study
from attn_jax.lab import estimate
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.rehearsal import Rehearsed, rehearse

TINY = str(Path(__file__).parent / "tiny_study.py")
SLOW = Rehearsed(0.0, 1.0, 2.0, 10.0, 0.5, 3.0, 4.0, 600_000_000, 1_000_000, 3)
FAST = SLOW._replace(step=0.1, compile=5.0, memory=500_000_000)


def trained(models, *, blocks, workers, chunks=2, every=10):
    return estimate._trained(models, workers, blocks, started=6.0, chunks=chunks, every=every)


def test_a_block_by_hand(monkeypatch):
    monkeypatch.setattr(estimate, "_CHUNK_SECONDS", 0.0)
    alone = 6 + 1 + 2 + 10 + 2 * (10 * 0.5 + 3) + 4
    assert trained({"slow": SLOW}, blocks=1, workers=1) == alone
    # the second block finds the programs of the first, unless both compile at once
    assert trained({"slow": SLOW}, blocks=2, workers=1) == alone + alone - 6 - 10
    assert trained({"slow": SLOW}, blocks=2, workers=2) == alone


def test_blocks_go_to_the_first_free_worker(monkeypatch):
    monkeypatch.setattr(estimate, "_CHUNK_SECONDS", 0.0)
    slow, fast = (3 + one.compile + 2 * (10 * one.step + 3) + 4 for one in (SLOW, FAST))
    both = trained({"slow": SLOW, "fast": FAST}, blocks=2, workers=2)
    assert both == 6 + max(slow + fast - 5, fast + slow - 10)  # slow, then fast; fast, then slow


def test_the_command_says_it_and_writes_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "_rehearsed", lambda study, layout, runs: ({"transformer": SLOW, "gru": FAST}, 6.0))
    assert main(["compare", f"--config={TINY}", "--plan", "--platform=cpu"]) == 0
    said = capsys.readouterr().out
    assert "8 runs in " in said
    assert "about 572 MiB of memory a worker" in said
    assert "gru: 811 matched parameters against 856: 5.3% off, the nearest it can be made" in said
    assert said.endswith("nothing was trained, nothing written\n")
    assert not list(tmp_path.iterdir())
    planned = estimate.plan_of(TINY, platform="cpu")
    assert planned.models["transformer"].parameters_matched == 856
    assert planned.seconds > planned.models["gru"].compile_seconds


def test_what_is_wrong_with_a_config_is_said_before_anything_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(estimate, "_rehearsed", None)
    assert main(["compare", f"--config={TINY}", "--plan", "--config.train.steps=20"]) == 2
    assert "wanted at least 30" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_a_model_is_tried_out():
    study = load_study(TINY)
    tried = rehearse(Job(to_json(study), "{}", "", "gru", 0, ((0, 1e-3), (0, 3e-3)), 2))
    assert min(tried[1:-3]) > 0
    assert tried.measures == 3
    assert tried.state > 2 * 3 * 868 * 4  # parameters and two moments of two runs
