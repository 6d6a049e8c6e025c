"""The scripts of a checkout are the command's own entry points."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.mark.parametrize(
    ("script", "words", "said"),
    [
        ("compare", ["--config=nowhere.py"], "attn-jax: nowhere.py: no such config file"),
        ("train", ["--config=nowhere.py", "--model=gru"], "attn-jax: nowhere.py: no such config file"),
        ("report", ["nowhere"], "attn-jax: nowhere: holds no study"),
    ],
)
def test_it_runs_the_command_of_its_name(script, words, said, tmp_path):
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
