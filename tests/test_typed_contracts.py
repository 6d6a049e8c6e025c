"""A wrong argument in a call of a contract's function is an error of the type checker."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import attn_jax

CALLS = """
import jax
from attn_jax import IO, TASKS, ModelConfig
from attn_jax.mixers import GRU

key = jax.random.key(0)
model = ModelConfig(32).make(IO(num_classes=5, vocab_size=5), 9)
task = TASKS["parity"].make()
mixer = GRU(8).make()
params = model.init(key)
x = jax.numpy.ones((2, 3, 8))

model.apply(params, x, None, key=key)
assert mixer.extend is not None
mixer.extend(params, x, None, valid=None)
task.sample(key, 2, 3, 3, split="validation")

model.apply(params, x, None, kye=key)  # wrong
model.apply(params, "x")  # wrong
mixer.apply(x)  # wrong
task.sample(key, 2, 3, 3, split="valid")  # wrong
task.sample(key, 2.0, 3, 3)  # wrong
task.floors("3")  # wrong
"""


@pytest.mark.exhaustive
def test_wrong_arguments_are_the_type_checkers_errors(tmp_path):
    (tmp_path / "calls.py").write_text(CALLS)
    command = [sys.executable, "-m", "basedpyright", "--outputjson", f"--pythonpath={sys.executable}", "calls.py"]
    where = str(Path(attn_jax.__file__).parents[1])  # an editable install may be a hook, which the checker does not run
    settings = {"typeCheckingMode": "standard", "extraPaths": [where]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = {row["range"]["start"]["line"] for row in json.loads(told.stdout)["generalDiagnostics"]}
    assert found == {place for place, line in enumerate(CALLS.splitlines()) if line.endswith("# wrong")}
