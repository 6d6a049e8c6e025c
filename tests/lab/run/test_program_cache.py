"""Compiled programs on disk: found again, bounded, shared, and never a reason to stop or to compute otherwise."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import compilation_cache
from tiny_study import get_config

from attn_jax.config import EvaluateConfig, TrainConfig
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import read_rows
from attn_jax.lab.run import program_cache, programs
from attn_jax.lab.run.block import run_block
from attn_jax.lab.run.program_cache import ProgramFiles, cache_root, keep_programs, program_folder, trouble
from attn_jax.lab.run.session import Layout, jobs_of, opened


@pytest.fixture
def no_cache_of_jax(monkeypatch):
    """As in a worker, where conftest.py has set none."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    compilation_cache.reset_cache()
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def own(monkeypatch, tmp_path, no_cache_of_jax):
    """The cache's folder, where programs of this machine go."""
    monkeypatch.setenv("ATTN_JAX_CACHE", str(tmp_path / "cache"))
    return program_folder()


def full_disk(path, data):
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kept(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_turned_off_within_a_process_it_is_left(own, monkeypatch):
    keep_programs()
    assert isinstance(compilation_cache._cache, ProgramFiles)
    monkeypatch.setenv("ATTN_JAX_CACHE", "off")
    keep_programs()
    assert not isinstance(compilation_cache._cache, ProgramFiles)


def test_a_home_of_nobody_is_no_cache(monkeypatch):
    monkeypatch.setenv("ATTN_JAX_CACHE", "~nobody-at-all/x")
    assert cache_root() is None


def test_where_it_lies(monkeypatch, tmp_path, no_cache_of_jax):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ATTN_JAX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_root() == tmp_path / ".cache" / "attn_jax"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_root() == tmp_path / "Library" / "Caches" / "attn_jax"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")  # which its convention says to ignore
    assert cache_root() == tmp_path / "Library" / "Caches" / "attn_jax"
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert cache_root() == Path("/there/attn_jax")
    monkeypatch.setenv("ATTN_JAX_CACHE", "~/mine")
    assert cache_root() == tmp_path / "mine"
    assert program_folder().parent == tmp_path / "mine"
    jax.config.update("jax_compilation_cache_dir", "/the/users/own")
    assert program_folder() is None
    monkeypatch.setenv("ATTN_JAX_CACHE", "off")
    assert cache_root() is None
    assert trouble() is None
    assert not list(tmp_path.iterdir())


def test_what_is_torn_is_none_and_can_be_kept_anew(tmp_path):
    files = ProgramFiles(tmp_path / "a" / "b")
    assert files.get("f") is None
    files.put("f", b"a program")
    (file,) = (tmp_path / "a" / "b").iterdir()
    whole = file.read_bytes()
    for torn in (b"", whole[:3], whole[:-1], b"X" + whole[1:], whole + b"0"):
        file.write_bytes(torn)
        assert files.get("f") is None
        assert not file.exists()
        files.put("f", b"a program")
        assert files.get("f") == b"a program"


def test_a_disk_that_is_full_a_file_in_the_way_and_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    files = ProgramFiles(tmp_path / "cache" / "here")
    files.put("first", b"1")
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full_disk)
        files.put("second", b"12345678")
    assert kept(tmp_path) == ["first.program"]
    assert files.get("first") == b"1"
    (tmp_path / "cache" / "here" / "third.program").mkdir()
    assert files.get("third") is None
    files.put("third", b"3")
    assert files.get("third") is None
    (tmp_path / "file").write_text("in the way")
    blocked = ProgramFiles(tmp_path / "file" / "here")
    blocked.put("f", b"1")
    assert blocked.get("f") is None


def test_those_not_used_for_longest_go_first_and_nothing_of_others(tmp_path):
    old, new = ProgramFiles(tmp_path / "old", 1000), ProgramFiles(tmp_path / "new", 1000)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "README").write_text("mine" * 1000)
    for age, (files, name) in enumerate([(new, "c"), (old, "b"), (old, "a")]):
        files.put(name, b"0" * 284)
        os.utime(files._path / f"{name}.program", (0, 1000 - age))
    assert kept(tmp_path) == ["README", "a.program", "b.program", "c.program"]
    (tmp_path / "old" / "d.program.00.part").write_bytes(b"0" * 90)  # its writer was killed
    os.utime(tmp_path / "old" / "d.program.00.part", (0, 1))
    assert old.get("a") is not None  # used, and so the newest
    new.put("e", b"0" * 284)
    assert kept(tmp_path) == ["README", "a.program", "c.program", "e.program"]  # at most nine tenths


def test_many_at_once_read_whole_programs_or_none(tmp_path):
    programs = [bytes([k]) * (1000 + k) for k in range(8)]
    files = [ProgramFiles(tmp_path / "here", 5000) for _ in programs]

    def work(k):
        found = set()
        for turn in range(40):
            files[k].put(f"f{turn % 7}", programs[k])
            found.add(files[k].get(f"f{(turn + k) % 7}"))
        return found

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(work, range(8))) <= {None, *programs}
    assert not [name for name in kept(tmp_path) if name.endswith(".part")]


def test_trouble_is_a_sentence_and_once(own, tmp_path, monkeypatch, capsys):
    assert trouble() is None
    assert not kept(own)
    monkeypatch.setattr(Path, "write_bytes", full_disk)
    want = f"{own}: No space left on device; compiled programs are not kept (ATTN_JAX_CACHE=DIR moves them)"
    assert trouble() == want
    assert not kept(own)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ATTN_JAX_CACHE", str(tmp_path / "file"))
    assert "Not a directory; compiled programs are not kept" in trouble()


def test_jax_finds_what_it_kept_and_compiles_what_is_torn(own):
    keep_programs()
    first = compilation_cache._cache
    keep_programs()
    assert compilation_cache._cache is first
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    x = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    found = []

    def computed():
        lowered = jax.jit(lambda x: jnp.sum(jnp.sin(x) @ x.T)).lower(x)
        found.append(np.asarray(lowered.compile()(x)))
        return kept(own)

    (name,) = computed()
    assert name.endswith(".program")
    whole, written = (own / name).read_bytes(), (own / name).stat().st_ino
    assert computed() == [name]
    assert (own / name).stat().st_ino == written  # read, not written anew
    (own / name).write_bytes(whole[:-100])
    assert computed() == [name]
    assert len((own / name).read_bytes()) > len(whole) - 100
    assert len({value.tobytes() for value in found}) == 1


@pytest.mark.exhaustive
@pytest.mark.programs(60)
def test_no_bit_depends_on_it(own, tmp_path, monkeypatch):
    """Without it, with one that is empty, with one that is full of the right programs, with one that is torn."""
    tiny = get_config()
    train = TrainConfig(30, batch_size=2, lengths=(2, 3), seeds=2, learning_rates=(1e-3,))
    models = {"gru": replace(tiny.models["gru"], d_model=4)}
    plan = StudyPlan(replace(tiny, models=models, train=train, evaluate=EvaluateConfig(10, 4, (2, 3))))

    def trained(name):
        programs._kept.clear()
        jax.clear_caches()
        with opened(tmp_path / name, plan, Layout(2, 1, "cpu", 1)) as layout:
            (job,) = jobs_of(plan, tmp_path / name, layout, ["gru"])
            assert run_block(job, lambda: False)
        rows = read_rows(tmp_path / name / "blocks" / "gru-0" / "metrics.jsonl")
        clock = {"seconds", "cpu_seconds", "load"}
        return [{key: value for key, value in row.items() if key not in clock} for row in rows if "start" not in row]

    monkeypatch.setenv("ATTN_JAX_CACHE", "off")
    want = trained("off")
    monkeypatch.setenv("ATTN_JAX_CACHE", str(own.parent))
    assert trained("empty") == want
    names = kept(own)
    assert names
    assert trained("full") == want
    assert kept(own) == names
    for name in names:
        (own / name).write_bytes(b"torn")
    assert trained("torn") == want
    assert program_cache.trouble() is None
