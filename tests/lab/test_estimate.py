"""What a study or a sweep would take: blocks shared out by hand, and the command, which trains and writes nothing."""

import contextlib
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from written_study import facts_counted_once, write_study
from written_sweep import AXIS, AtOnce, tiny_sweep, write_sweep

from attn_jax.cli import main
from attn_jax.config import GradientFlow, GradientNorms
from attn_jax.config.codec import fingerprint, to_dict, to_json
from attn_jax.config.file import load_study
from attn_jax.errors import ConfigError
from attn_jax.lab import estimate, taken
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.block import Job
from attn_jax.lab.run.left import Left
from attn_jax.lab.run.places.base import Place, Terms
from attn_jax.lab.run.rehearsal import Rehearsed, rehearse

TINY = str(Path(__file__).parent / "tiny_study.py")
SLOW = Rehearsed(
    began=0.0,
    prepare=1.0,
    trace=2.0,
    compile=10.0,
    trace_probes=0.0,
    compile_probes=0.0,
    step=0.5,
    validation=3.0,
    test=4.0,
    at_start=0.0,
    at_chunk=0.0,
    at_end=0.0,
    memory=600_000_000,
    state=1_000_000,
    measures=3,
)
FAST = SLOW._replace(step=0.1, compile=5.0, memory=500_000_000)


def trained(models, *, blocks, workers, **left):
    """When the last of so many blocks of each model ends, each with two evaluations to go."""
    todo = [Left(name, (), **({"chunks": 2} | left)) for _ in range(blocks) for name in models]
    return taken.finished_at(models, todo, workers=workers, started=6.0, every=dict.fromkeys(models, 10))


def test_a_block_by_hand(monkeypatch):
    monkeypatch.setattr(taken, "_CHUNK_SECONDS", 0.0)
    alone = 6 + 1 + 2 + 10 + 2 * (10 * 0.5 + 3) + 4
    assert trained({"slow": SLOW}, blocks=1, workers=1) == alone
    # the second block finds its worker ready, or another's programs, unless both compile at once
    assert trained({"slow": SLOW}, blocks=2, workers=1) == alone + alone - 6 - 1 - 2 - 10
    assert trained({"slow": SLOW}, blocks=2, workers=2) == alone
    assert trained({"slow": SLOW}, blocks=1, workers=1, compiled=True) == alone - 10
    assert trained({"slow": SLOW}, blocks=1, workers=1, chunks=1) == alone - 8
    assert trained({"slow": SLOW}, blocks=0, workers=1) == 0


def test_probes_by_hand(monkeypatch):
    monkeypatch.setattr(taken, "_CHUNK_SECONDS", 0.0)
    probed = SLOW._replace(trace_probes=0.5, compile_probes=7.0, at_start=0.25, at_chunk=0.125, at_end=1.0)
    alone = trained({"slow": SLOW}, blocks=1, workers=1) + 0.5 + 7 + 0.25 + 2 * 0.125 + 1
    assert trained({"slow": probed}, blocks=1, workers=1) == alone
    # the second block finds them, too
    both = trained({"slow": SLOW}, blocks=2, workers=1) + 0.5 + 7 + 2 * (0.25 + 2 * 0.125 + 1)
    assert trained({"slow": probed}, blocks=2, workers=1) == both


def test_blocks_go_to_the_first_free_worker(monkeypatch):
    monkeypatch.setattr(taken, "_CHUNK_SECONDS", 0.0)
    slow, fast = (3 + one.compile + 2 * (10 * one.step + 3) + 4 for one in (SLOW, FAST))
    both = trained({"slow": SLOW, "fast": FAST}, blocks=2, workers=2)
    assert both == 6 + max(slow + fast - 5, fast + slow - 10)  # slow, then fast; fast, then slow


def test_the_command_says_it_and_writes_nothing(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(estimate, "_rehearsed", lambda *args: ({"transformer": SLOW, "gru": FAST}, 6.0))
    assert main(["compare", f"--config={TINY}", "--plan", "--platform=cpu", "--config.train.widen=2"]) == 0
    said = capsys.readouterr().out
    assert "8 runs in " in said
    assert "train.widen may add 2 learning rates: with all of them about" in said
    assert "about 572 MiB of memory a worker" in said
    assert "gru: 811 matched parameters against 856: 5.3% off, the nearest it can be made" in said
    assert said.endswith("nothing was trained, nothing written\n")
    assert not list(tmp_path.iterdir())
    Path("mine.py").write_text("from concurrent.futures import ThreadPoolExecutor as E\ndef four(): return E(4)\n")
    monkeypatch.setattr("sys.path", [*sys.path])
    planned = estimate.plan_of(TINY, platform="cpu", place="mine:four")
    assert planned.workers == 4
    assert planned.models["transformer"].parameters_matched == 856
    assert planned.seconds > planned.models["gru"].compile_seconds
    assert not planned.widened


def test_what_is_wrong_with_a_config_is_said_before_anything_is_timed(monkeypatch, capsys):
    monkeypatch.setattr(estimate, "_rehearsed", None)
    assert main(["compare", f"--config={TINY}", "--plan", "--config.train.steps=20"]) == 2
    assert "wanted at least 30" in capsys.readouterr().err
    assert main(["compare", f"--config={TINY}", "--plan", "--place=nowhere"]) == 2
    assert "--place: got 'nowhere', wanted one of processes" in capsys.readouterr().err


def test_what_is_there_is_not_counted(monkeypatch, tmp_path):
    """Of a study that was begun: blocks that are new, steps past the last checkpoint, rates that may be added."""
    monkeypatch.chdir(tmp_path)
    folder = Path("results/tiny")
    write_study(folder)
    said = []

    def left(one, studies):
        said[:] = one.left
        return {}

    def facts(plan):  # its models stay as they are
        return begun | {"config": to_dict(plan.study), "fingerprint": fingerprint(plan.study)}

    begun = read_study(folder)
    monkeypatch.setattr(estimate, "_jobs", left)
    monkeypatch.setattr(estimate, "_rehearsed", lambda *args: ({"transformer": SLOW, "gru": FAST}, 6.0))
    monkeypatch.setattr(estimate, "study_facts", facts)
    planned = partial(estimate.plan_of, TINY, platform="cpu")
    done = planned(overrides=["--config.train.widen=2"])
    assert (done.runs, done.blocks, said) == (0, 0, [])
    one, two = done.widened
    assert one > done.seconds + 20 * (10 * 0.5 + 3)
    assert two - one == pytest.approx(one - done.seconds)
    grown = planned(overrides=["--config.train.seeds=3"])
    assert [(block.model, block.runs, block.chunks) for block in said] == [
        (name, ((2, 1e-3), (2, 3e-3)), 20) for name in ("transformer", "gru")
    ]
    assert (grown.runs, grown.blocks) == (4, 2)
    assert grown.seconds > done.seconds + 20 * (10 * 0.5 + 3)
    (folder / "blocks/gru-0/checkpoints").mkdir()
    (folder / "blocks/gru-0/checkpoints/200.npz").touch()
    planned(overrides=["--config.train.steps=210"])
    assert {(block.model, block.chunks) for block in said} == {("transformer", 21), ("gru", 1)}
    with pytest.raises(ConfigError, match="results/tiny: belongs to another config"):
        planned(overrides=["--config.train.batch-size=8"])


@pytest.fixture
def at_once(monkeypatch):
    """Planned here and now, by two workers that started at once; the jobs that would be tried out, by kind."""
    tried = {}

    def rehearsed(jobs, place, platform):
        tried.clear()
        tried.update(jobs)
        return {kind: SLOW if job.model == "transformer" else FAST for kind, job in jobs.items()}, 0.0

    monkeypatch.setattr(estimate, "opened_place", lambda *args: contextlib.nullcontext(Place(AtOnce(), 2)))
    monkeypatch.setattr(estimate, "terms_here", lambda platform: Terms())
    monkeypatch.setattr(estimate, "_rehearsed", rehearsed)
    monkeypatch.setattr(taken, "_CHUNK_SECONDS", 0.0)
    with facts_counted_once():
        yield tried


def test_a_sweep_of_one_kind_compiles_once(at_once, tmp_path):
    """Points that differ in a rate run the same programs: the second point finds them traced and compiled."""
    sweep = tiny_sweep(**{"train.learning_rates": ((1e-3, 3e-3), (1e-2, 3e-2), (1e-1, 1.0))})
    estimated = estimate.plan_of(sweep, workdir=tmp_path / "s", platform="cpu")
    assert sorted(job.model for job in at_once.values()) == ["gru", "transformer"]
    assert [*estimated.studies] == [*sweep.points]
    one = next(iter(estimated.studies.values()))
    assert (estimated.runs, estimated.blocks) == (3 * one.runs, 3 * one.blocks)
    blocks = one.blocks // 2  # of a model, at each point
    slow, fast = (20 * (10 * one.step + one.validation) + one.test for one in (SLOW, FAST))
    most = 2 * 3 + SLOW.compile + FAST.compile + 3 * blocks * (slow + fast)  # by one worker alone, which traces both
    assert estimated.seconds < most
    assert estimated.seconds > (most - 6) / 2  # by two, without tracing
    assert not list(tmp_path.iterdir())


def test_a_sweep_starts_and_ends_once(at_once, monkeypatch, tmp_path):
    """Points of other widths share no program, but workers and page: what is saved is two starts and two pages."""
    monkeypatch.setattr(estimate, "ready_at", lambda terms: time.time() + 100.0)
    estimated = estimate.plan_of(tiny_sweep(), workdir=tmp_path / "s", platform="cpu")
    assert sorted(job.model for job in at_once.values()) == ["gru"] * 3 + ["transformer"] * 3
    saved = sum(study.seconds for study in estimated.studies.values()) - estimated.seconds
    once = 100 * (1 + taken._COMMAND_STARTS + taken._PAGE_STARTS)
    assert 2 * once < saved < 2.5 * once  # workers wait less for each other, too
    files = sum(study.files for study in estimated.studies.values())
    assert estimated.files == files - 3 * taken._ALONE_FILES + taken._SWEEP_FILES


def test_a_second_rate_is_added_by_the_points_alone_that_may_have_two(at_once, tmp_path):
    """One point may add one learning rate and the other two: the second round trains half of what the first does."""
    estimated = estimate.plan_of(tiny_sweep(**{"train.widen": (1, 2)}), workdir=tmp_path / "s", platform="cpu")
    assert [len(study.widened) for study in estimated.studies.values()] == [1, 2]
    one, two = estimated.widened
    slow = 20 * (10 * SLOW.step + SLOW.validation) + SLOW.test
    assert two - one >= slow  # whoever has the larger model
    assert one - estimated.seconds >= two - one + slow / 2


def test_of_a_sweep_that_has_begun_what_is_left_is_counted(at_once, tmp_path):
    write_sweep(tmp_path / "s")
    before = sorted(tmp_path.rglob("*"))
    done = estimate.plan_of(tiny_sweep(), workdir=tmp_path / "s", platform="cpu")
    assert (done.runs, done.blocks, at_once) == (0, 0, {})
    more = estimate.plan_of(tiny_sweep(**{AXIS: (4, 8, 16, 32)}), workdir=tmp_path / "s", platform="cpu")
    assert [study.blocks > 0 for study in more.studies.values()] == [False, False, False, True]
    assert more.seconds > done.seconds and sorted(tmp_path.rglob("*")) == before
    with pytest.raises(ConfigError, match="belongs to another sweep"):
        estimate.plan_of(tiny_sweep(**{AXIS: (4, 8)}), workdir=tmp_path / "s", platform="cpu")


def test_the_command_says_it_of_a_sweep(at_once, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    Path("swept.py").write_text(
        f"import sys\nsys.path.append({str(Path(TINY).parent)!r})\nfrom written_sweep import tiny_sweep\n"
        "def get_config(): return tiny_sweep()\n"
    )
    assert main(["compare", "--config=swept.py", "--plan", "--platform=cpu", "--config.train.widen=1"]) == 0
    said = capsys.readouterr().out
    assert said.count("by a command of its own about") == 3
    assert "3 studies as one sweep: workers start once" in said
    assert "24 runs in " in said
    assert "train.widen may add 1 learning rate to a study" in said
    assert said.endswith("nothing was trained, nothing written\n") and said.count("nothing was trained") == 1
    assert not Path("results").exists()


@pytest.mark.exhaustive
def test_a_model_is_tried_out():
    study = load_study(TINY)
    study = replace(study, probes=(GradientFlow(when=("start", "end")), GradientNorms(when=("chunk",))))
    tried = rehearse(Job(to_json(study), "{}", "", "gru", 0, ((0, 1e-3), (0, 3e-3)), 2), Terms())
    assert min(tried) > 0
    assert tried.measures == 3
    assert tried.state > 2 * 3 * 868 * 4  # parameters and two moments of two runs
