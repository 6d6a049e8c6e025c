"""Models that carry a state over time, on several devices."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_blocks_of_runs_split_over_devices(tmp_path):
    """Every mixer's types allow it, a user's too; the numbers are those of one device, in the middle as well."""
    env = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "NPROC": "16", "JAX_PLATFORMS": "cpu"}
    cache = {"JAX_COMPILATION_CACHE_DIR": str(HERE.parent.parent / ".cache" / "jax")}
    command = [sys.executable, str(HERE / "split_runs.py"), str(tmp_path)]
    done = subprocess.run(command, env=env | cache, capture_output=True, text=True, timeout=200)
    names = ["every mixer", "decoder only", "mixers", "recurrent encoder-decoder", "transformer"]
    assert done.stdout.splitlines() == names, done.stderr
