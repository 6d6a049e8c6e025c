"""A wrong argument in a call of a contract's function, or of the lab's, is an error of the type checker."""

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
RESULTS = """
import jax
from attn_jax import TASKS, ModelConfig
from attn_jax.config import Study, Sweep
from attn_jax.lab import StudyEstimate, StudyResults, SweepEstimate, SweepResults, compare, load, plan_of

study = Study("s", TASKS["parity"], {"m": ModelConfig(32)})
sweep = Sweep(study, {"train.steps": (500, 1000)})
one: StudyResults = compare(study)
several: SweepResults = compare(sweep)
model, params = load("results/s").model("m", seed=3)
model.apply(params, jax.numpy.zeros((1, 2), int), None)
loaded = load("results/swept")
assert isinstance(loaded, SweepResults)
loaded.points["steps=500"].model("m", seed=0)
compare("parity").models["rnn"].final.mean()
alone: StudyEstimate = plan_of(study)
together: SweepEstimate = plan_of(sweep)
together.studies["steps=500"].models["m"].parameters

one.points  # wrong
one.model("m")  # wrong
one.model("m", seed="3")  # wrong
several.models  # wrong
together.models  # wrong
load("results/s").modle  # wrong
load(3)  # wrong
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("calls", [CALLS, RESULTS], ids=["contracts", "results"])
def test_wrong_arguments_are_the_type_checkers_errors(calls, tmp_path):
    (tmp_path / "calls.py").write_text(calls)
    command = [sys.executable, "-m", "basedpyright", "--outputjson", f"--pythonpath={sys.executable}", "calls.py"]
    where = str(Path(attn_jax.__file__).parents[1])  # an editable install may be a hook, which the checker does not run
    settings = {"typeCheckingMode": "standard", "extraPaths": [where]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = {row["range"]["start"]["line"] for row in json.loads(told.stdout)["generalDiagnostics"]}
    assert found == {place for place, line in enumerate(calls.splitlines()) if line.endswith("# wrong")}
