"""Settings around a job change none of its numbers; what cannot be pinned is recorded, and refused where it differs."""

import contextlib
import json
import os
import subprocess
import sys

import jax
import pytest
from own_files import FILES, write
from processes import environment

from attn_jax.config.codec import to_json
from attn_jax.config.file import load_study
from attn_jax.errors import MachineError
from attn_jax.files import read_json
from attn_jax.lab.plan import numerics
from attn_jax.lab.plan.numerics import pinned, planned, recorded
from attn_jax.lab.record.directory import read_rows
from attn_jax.lab.run.block import Job, run_block
from attn_jax.lab.run.environment import record_environment

GRU_ALONE = FILES["config.py"].replace('"mine": Mine(), "other": Other(), ', "")
AMBIENT = {
    "enable_x64": True,
    "default_prng_impl": "rbg",
    "threefry_partitionable": False,
    "numpy_rank_promotion": "raise",
    "numpy_dtype_promotion": "strict",
    "default_matmul_precision": "bfloat16",
    "debug_nans": True,
}


@contextlib.contextmanager
def ambient():
    with contextlib.ExitStack() as stack:
        for name, value in AMBIENT.items():
            stack.enter_context(getattr(jax, name)(value))
        yield


def numbers(folder, study):
    assert run_block(Job(study, "{}", str(folder), "gru", 0, ((0, 1e-3),), 1), lambda: False)
    rows = read_rows(folder / "blocks" / "gru-0" / "metrics.jsonl")
    return [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]


@pytest.mark.exhaustive
def test_a_block_has_the_same_numbers_under_any_settings(tmp_path):
    study = to_json(load_study(write(tmp_path, {"config.py": GRU_ALONE})))
    plain = numbers(tmp_path / "plain", study)
    with ambient():
        assert numbers(tmp_path / "ambient", study) == plain
    assert "test" in plain[-1]


def test_nothing_that_is_pinned_is_left_to_chance():
    """A key and a number drawn under other settings are others: the pins are what makes the test above pass."""
    draw = lambda: (jax.random.key(0).dtype, jax.numpy.arange(2).dtype)  # noqa: E731
    with ambient():
        assert [str(dtype) for dtype in draw()] == ["key<rbg>", "int64"]
        with pinned():
            assert [str(dtype) for dtype in draw()] == ["key<fry>", "int32"]
    assert set(AMBIENT) - {"default_matmul_precision"} <= set(numerics._PINNED)


def test_the_studys_own_precision_holds(tmp_path):
    config = write(tmp_path, {"config.py": GRU_ALONE.replace("warmup_steps=5", 'matmul_precision="tensorfloat32"')})
    with planned(lambda: load_study(config)):
        assert jax.config.jax_default_matmul_precision == "tensorfloat32"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        *[({"versions": {name: "0.0.9"}}, rf"versions.{name}: 0.0.9 -> ") for name in ("jax", "numpy", "attn_jax")],
        ({"versions": {"numbers": numerics.NUMBERS - 1}}, rf"versions.numbers: {numerics.NUMBERS - 1} -> "),
        (
            {"flags": {"XLA_FLAGS": "--xla_cpu_fast=1"}},
            r"flags.XLA_FLAGS: --xla_cpu_fast=1",
        ),
        ({"settings": {"jax_random_seed_offset": 7}}, r"settings.jax_random_seed_offset: 7 -> 0"),
    ],
)
def test_a_resumption_that_would_compute_otherwise_is_refused(change, said, tmp_path):
    begun = {key: value | change.get(key, {}) for key, value in recorded().items()}
    record_environment(tmp_path, {"argv": [], "numbers": begun})
    before = read_json(tmp_path / "environment.json")
    with pytest.raises(MachineError, match=said):
        record_environment(tmp_path, {"argv": [], "numbers": recorded()})
    assert read_json(tmp_path / "environment.json") == before
    record_environment(tmp_path, {"argv": [], "numbers": begun})


def test_where_nobody_knows_the_numbers_nothing_more_is_trained(tmp_path):
    """Once a block has begun; a study that was stopped before its first begins as any."""
    now = {"argv": [], "numbers": recorded()}
    record_environment(tmp_path, now)
    (tmp_path / "blocks" / "gru-0").mkdir(parents=True)
    (tmp_path / "environment.json").unlink()
    record_environment(tmp_path, now)
    (tmp_path / "blocks" / "gru-0" / "metrics.jsonl").touch()
    record_environment(tmp_path, now)
    (tmp_path / "environment.json").unlink()
    with pytest.raises(MachineError, match=r"environment.json: is gone: .* nobody knows; restore it, or give another"):
        record_environment(tmp_path, now)
    assert not (tmp_path / "environment.json").exists()


SCRIPT = """
import json, sys, threading
from attn_jax.cli import main
from attn_jax.config import Study
from attn_jax.errors import ConfigError
from attn_jax.lab import compare
from attn_jax.mixers import GRU
from attn_jax.models import classic
from attn_jax.tasks import Parity

class Cell(GRU):
    pass

config, directory = CONFIG, DIRECTORY
try:
    compare(Study("s", Parity(), {"cell": classic(Cell(), d_model=32)}), workdir=directory + "-not", platform="cpu")
except ConfigError as error:
    print("REFUSED", error)
found = []
thread = threading.Thread(target=lambda: found.append(compare(config, workdir=directory, platform="cpu")))
thread.start()
thread.join()
thread = threading.Thread(target=lambda: found.append(main(["compare", "--config", config, "--workdir", directory])))
thread.start()
thread.join()
print("FOUND", found[0].models["gru"].final.shape, found[1])
"""


@pytest.mark.exhaustive
def test_a_script_on_standard_input_and_a_thread_under_x64(tmp_path):
    """The whole command: spawn finds no `<stdin>`, a thread no signals, x64 no carry of another type."""
    config = write(tmp_path, {"config.py": GRU_ALONE})
    script = SCRIPT.replace("CONFIG", repr(str(config))).replace("DIRECTORY", repr(str(tmp_path / "study")))
    env = environment() | {"JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_NUMPY_RANK_PROMOTION": "raise"}
    words = [sys.executable, "-"]
    done = subprocess.run(words, input=script, env=env, cwd="/", capture_output=True, text=True, check=False)
    assert "REFUSED models.cell.mixers.0: Cell is defined in a notebook or in the script that runs" in done.stdout
    assert "FOUND (1, 1) 0" in done.stdout, done.stdout + done.stderr
    assert "already trained" in done.stdout
    assert not (tmp_path / "study-not").exists()
    assert json.loads((tmp_path / "study" / "environment.json").read_text())["numbers"]["versions"]["jax"]
    assert os.path.exists(tmp_path / "study" / "report.html")
