"""Models that carry a state over time, on several devices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def split(folder, *names):
    """The lines that split_runs.py prints, one a check that holds."""
    env = os.environ | {"JAX_NUM_CPU_DEVICES": "4", "NPROC": "16", "JAX_PLATFORMS": "cpu"}
    cache = {"JAX_COMPILATION_CACHE_DIR": str(HERE.parent.parent / ".cache" / "jax")}
    command = [sys.executable, str(HERE / "split_runs.py"), str(folder), *names]
    done = subprocess.run(command, env=env | cache, capture_output=True, text=True, timeout=280)
    return done.stdout.splitlines(), done.stderr


@pytest.mark.exhaustive
def test_blocks_of_runs_split_over_devices(tmp_path):
    """Every mixer's types allow it, a user's too; the numbers are those of one device, in the middle as well."""
    names, error = split(tmp_path)
    assert names == ["every mixer", "decoder only", "mixers"], error


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["kinds", "forms", "recurrent encoder-decoder", "transformer"])
def test_numbers_are_those_of_one_device(tmp_path, name):
    """A mixer of each kind, and what writes strings: trained, tested and resumed in the middle."""
    names, error = split(tmp_path, name)
    assert names == [name], error
