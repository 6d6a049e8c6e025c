"""A disk that is full, wherever in a whole `attn-jax compare`: one sentence, and the same command goes on."""

import errno
import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_study import get_config
from written_study import layout_of

from attn_jax import blame
from attn_jax.cli import main
from attn_jax.errors import ConfigError
from attn_jax.lab.doctor import examine
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import read_rows
from attn_jax.lab.run import block, session
from attn_jax.lab.run.places.base import Place
from attn_jax.lab.run.session import opened

CONFIG = """
from dataclasses import dataclass
from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import GRU
from attn_jax.models import classic
from attn_jax.tasks import Parity


@dataclass(frozen=True)
class Mine(GRU):
    pass


def get_config():
    train = TrainConfig(30, batch_size=2, lengths=(2, 3), seeds=1, learning_rates=(1e-3,), warmup_steps=5)
    models = {"mine": classic(Mine(), d_model=4, num_layers=1)}
    return Study("s", Parity(), models, train, EvaluateConfig(10, 4, (2, 3)), match=None)
"""
PLACES = [  # (the file, which of the writes to it does not fit, all that follow neither), as a study comes to them
    ("lock", 1),
    ("my.py", 1),  # the copy in sources/
    ("study.json.part", 1),
    ("confirmed.json.part", 1),
    ("environment.json.part", 1),
    ("metrics.jsonl", 1),  # that it compiles
    ("metrics.jsonl", 3),  # the first chunk
    ("10.npz.part", 1),  # the first checkpoint
    ("30.npz.part", 1),  # the last checkpoint
    ("metrics.jsonl", 4),  # the test
    ("summary.json.part", 1),
    ("report.html.part", 1),
]


class File(io.FileIO):
    """A file on a disk that is full from one write to one name on; of what does not fit, a half is written."""

    full, seen = ("", 0), 0

    def write(self, data):
        name, at = File.full
        File.seen += Path(self.name).name == name
        if not (Path(self.name).name == name and File.seen >= at):
            return super().write(data)
        super().write(bytes(data)[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def run(monkeypatch, tmp_path, capfd):
    """Runs `compare` in this process until the disk is full at a place; (exit code, what it said, the summary)."""
    open_file, found = Path.open, {}
    compile_programs, study_facts = block.compile_programs, session.study_facts

    def open_on_disk(path, mode="r", buffering=-1, encoding=None, errors=None, newline=None):
        if mode not in ("w", "wb", "a+", "a+b"):
            return open_file(path, mode, buffering, encoding, errors, newline)
        raw = File(path, mode.replace("b", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def compiled_once(*arguments):
        return found.get("programs") or found.setdefault("programs", compile_programs(*arguments))

    def facts_once(plan):
        return found.get("facts") or found.setdefault("facts", study_facts(plan))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "open", open_on_disk)
    monkeypatch.setattr(blame, "_NOT_THE_USERS", (*blame._NOT_THE_USERS, __file__))
    monkeypatch.setattr(block, "compile_programs", compiled_once)
    monkeypatch.setattr(block, "keep_programs", lambda: None)  # a setting of this process
    monkeypatch.setattr(session, "study_facts", facts_once)
    monkeypatch.setattr("attn_jax.report.page.render_page", lambda *arguments: "a page")
    monkeypatch.setattr("attn_jax.lab.comparison.check_contracts", lambda *args: None)
    monkeypatch.setattr("attn_jax.lab.workers.open_place", lambda *args: Place(ThreadPoolExecutor(1), 1))
    monkeypatch.setenv("NPROC", "1")  # what a worker has; this process is none
    monkeypatch.setattr("attn_jax.lab.plan.facts.depth_growth", lambda *args, **options: "linear")
    (tmp_path / "my.py").write_text(CONFIG, encoding="utf-8")

    def command(workdir, full=("", 0)):
        File.full, File.seen = full, 0
        code = main(["compare", "--config=my.py", "--platform=cpu", f"--workdir={workdir}"])
        summary = tmp_path / workdir / "summary.json"
        return code, capfd.readouterr().err, json.loads(summary.read_text()) if summary.exists() else None

    yield command
    File.full = ("", 0)


def read_in_between():
    """The steps of each block that can be read; nothing is damaged."""
    folder = Path("study")
    if not (folder / "study.json").exists():
        return {}
    assert examine(folder).damaged == 0, examine(folder).findings
    paths = folder.glob("blocks/*/metrics.jsonl")
    return {path.parent.name: {row["step"] for row in read_rows(path) if "step" in row} for path in paths}


@pytest.mark.exhaustive
def test_a_disk_that_is_full_again_and_again(run):
    seen = {}
    for place in PLACES:
        code, said, _ = run("study", place)
        assert code == 4, (place, said)
        assert place[0].removesuffix(".part") in said, place
        assert re.search(r"no space left on device for [\d,]+ bytes; free some space or give another --work", said), (
            place
        )
        assert said.count("\n") == 1 and len(said) <= 300, said
        before, seen = seen, read_in_between()
        assert all(steps <= seen[name] for name, steps in before.items()), (place, before, seen)
    assert seen == {"mine-0": {10, 20, 30}}
    got, want = run("study"), run("undisturbed")
    assert got[0] == want[0] == 0, got
    assert {**got[2], "timing": None} == {**want[2], "timing": None}
    kept = [path.relative_to("study") for path in Path("study").rglob("*") if path.suffix == ".part"]
    assert not kept


def test_a_second_run_says_it_is_done_and_changes_nothing(run):
    _, _, before = run("study")
    written = {path: path.read_bytes() for path in Path("study").rglob("*") if path.is_file() and path.name != "lock"}
    code, _, after = run("study")
    assert code == 0
    assert after == before
    assert all(path.read_bytes() == content for path, content in written.items())


def test_a_folder_of_sources_alone_is_another_s(tmp_path):
    """One with a lock is a study whose study.json did not fit."""
    (tmp_path / "sources").mkdir()
    plan = StudyPlan(get_config())
    refused = pytest.raises(ConfigError, match="holds sources and no study")
    with refused, opened(tmp_path, plan, layout_of(plan)):
        pass
