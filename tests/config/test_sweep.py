"""A sweep's points are what the command line's words make of its study; they name folders; JSON gives them again."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attn_jax import TASKS
from attn_jax.cli import main
from attn_jax.config import EvaluateConfig, Study, Sweep, TrainConfig
from attn_jax.config.file import load_config, load_study
from attn_jax.config.overrides import override
from attn_jax.config.sweep import axis_value, sweep_from_dict, sweep_to_dict
from attn_jax.errors import ConfigError
from attn_jax.mixers import GRU
from attn_jax.models import ModelConfig
from attn_jax.tasks import Parity

STUDY = Study(
    "s",
    Parity(),
    {"a-b": ModelConfig(8), "gru": ModelConfig(mixers=(GRU(),))},
    TrainConfig(200),
    EvaluateConfig(every=10),
)
CASES = {  # an axis, and its values as words of the command line
    "models.a-b.d_model": {16: "16", 32: "32"},
    "train.learning_rates": {(1e-3,): "1e-3", (1e-3, 3e-3): "1e-3,3e-3"},
    "train.lengths": {(2, 8): "2,8", None: "None"},
    "train.schedule": {"cosine": "cosine"},
    "task": {"dyck": "dyck"},
    "models.a-b.mixers": {("lstm", "gru"): "lstm,gru", "rnn": "rnn"},
    "strings": {False: "false"},
    "train.warmup-steps": {1e2: "1e2"},
}


@pytest.mark.parametrize("path", CASES)
def test_a_point_is_what_the_command_line_makes(path):
    sweep = Sweep(STUDY, {path: tuple(CASES[path])})
    for study, word in zip(sweep.points.values(), CASES[path].values(), strict=True):
        assert replace(study, name="s") == override(STUDY, [f"--config.{path}={word}"])


def test_points_are_the_product_and_are_called_after_what_differs():
    axes = {"models.a-b.d_model": (8, 16), "models.gru.num_layers": (1,), "models.a-b.num_layers": (1, 2)}
    sweep = Sweep(STUDY, axes)
    names = [f"d_model={d},gru.num_layers=1,a-b.num_layers={n}" for d in (8, 16) for n in (1, 2)]
    assert list(sweep.points) == names
    assert [(s.models["a-b"].d_model, s.models["a-b"].num_layers) for s in sweep.points.values()] == [
        (8, 1),
        (8, 2),
        (16, 1),
        (16, 2),
    ]
    assert {study.name for study in sweep.points.values()} == {
        "s-" + name.replace("=", "-").replace(",", "-") for name in names
    }


def test_more_values_rename_no_point():
    task = replace(TASKS["dyck"], max_depth=3)
    few = Sweep(STUDY, {"task": ("parity", task)})
    assert list(Sweep(STUDY, {"task": (task, "parity", TASKS["dyck"])}).points)[:2] == list(few.points)[::-1]
    assert few.points[list(few.points)[1]].task == task


def test_values_that_are_no_file_name_are_told_apart():
    assert list(Sweep(STUDY, {"reference": ("a-b",)}).points) == ["reference=a-b"]
    with pytest.raises(ConfigError, match=r"at reference=x-y-[0-9a-f]{6}"):
        Sweep(STUDY, {"reference": ("x/y",)})


REFUSED = {
    "at leraning_rates=1: --config.train.leraning-rates: no such field, did you mean learning-rates?": {
        "train.leraning_rates": (1,)
    },
    "at steps=1.5: --config.train.steps: got '1.5', wanted a whole number": {"train.steps": (1.5,)},
    "at task=gru: --config.task: got 'gru', which is a mixer": {"task": ("gru",)},
    "at steps=205: train.steps: got 205, wanted a multiple": {"train.steps": (205,)},
    "axes.train.steps: got 200 twice": {"train.steps": (200, 100, 200)},
    "axes.train.steps: got 200, wanted a tuple": {"train.steps": 200},
    "axes.train.steps: got (), wanted": {"train.steps": ()},
    "axes: got {}": {},
    "axes: got name": {"name": ("a",)},
    "axes: got 1100 points": {"train.steps": tuple(range(10, 1110)), "train.clip": (1.0,)},
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_wrong_is_one_sentence(said):
    with pytest.raises(ConfigError) as error:
        Sweep(STUDY, REFUSED[said])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@dataclass(frozen=True)
class Own(GRU):
    """A mixer of one's own."""


def test_it_goes_to_json_and_back(tmp_path):
    axes = {
        "task": (replace(TASKS["dyck"], max_depth=3), "parity"),
        "models.gru.mixers": ((Own(), GRU(update_bias=1.0)), "lstm"),
        "train.lengths": ((2, 8), None),
    }
    sweep = Sweep(STUDY, axes)
    data = json.loads(json.dumps(sweep_to_dict(sweep)))
    again = sweep_from_dict(data, {"Own": Own})
    assert again.points == sweep.points
    with pytest.raises(ConfigError, match="Own is not the package's own"):
        sweep_from_dict(data)
    del axes["models.gru.mixers"]
    (tmp_path / "sweep.json").write_text(json.dumps(sweep_to_dict(Sweep(STUDY, axes))))
    assert load_config(tmp_path / "sweep.json") == Sweep(STUDY, axes)


def test_axis_values_are_cells():
    assert [axis_value(v) for v in (16, 1e-3, (2, 4), None, True, "gru")] == [16, 1e-3, "2,4", "None", "True", "gru"]


CONFIG = """
from attn_jax.config import Sweep, Study
from attn_jax.models import ModelConfig
from attn_jax.tasks import Parity

def get_config():
    return Sweep(Study("own", Parity(), {"m": ModelConfig(8)}), axes={"models.m.d_model": (8, 16)})
"""


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(CONFIG)
    return path


def test_a_config_file_may_return_one(config, capsys):
    sweep = load_config(config, ["--config.train.steps=300"])
    assert isinstance(sweep, Sweep)
    assert [study.train.steps for study in sweep.points.values()] == [300, 300]
    with pytest.raises(ConfigError, match="holds a Sweep, wanted a Study"):
        load_study(config)
    with pytest.raises(ConfigError, match=r"--config\.models\.m\.d-model: is an axis of the sweep"):
        load_config(config, ["--config.models.m.d-model=4"])
    assert main(["compare", f"--config={config}", "--config.help"]) == 0
    said = capsys.readouterr().out
    assert "models.m.d_model: 8; 16" in said
    assert "  d_model=16" in said
    assert "--config.train.steps=800" in said
