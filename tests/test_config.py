"""Configs: to JSON and back, overrides, and one sentence for every mistake."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attn_jax.codec import fingerprint, from_dict, from_json, to_dict, to_json
from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.config_file import load_study
from attn_jax.errors import ConfigError
from attn_jax.mixers import GRU, LSTM, MIXERS, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import TASKS, AssociativeRecall, Parity

STUDY = Study(
    "both",
    Parity(labels="running"),
    {"transformer": ModelConfig(mixers=(Attention(num_heads=2),)), "lstm": classic(LSTM(d_inner=8))},
    TrainConfig(lengths=(2, 5), learning_rates=(1e-3,)),
    EvaluateConfig(lengths=(2, 7)),
)


def test_there_and_back():
    data = json.loads(json.dumps(to_dict(STUDY)))
    assert from_dict(data) == STUDY
    assert data["models"]["lstm"]["mixers"][0]["name"] == "lstm"


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_goes_there_and_back(name):
    study = replace(STUDY, models={"m": ModelConfig(mixers=(MIXERS[name],))})
    assert from_dict(to_dict(study)) == study


@pytest.mark.parametrize("name", TASKS)
def test_every_task_goes_there_and_back(name):
    study = replace(STUDY, task=TASKS[name])
    assert from_dict(to_dict(study)) == study


def test_the_fingerprint_sees_every_field():
    prints = {fingerprint(study) for study in variants(STUDY)}
    assert len(prints) == len(list(variants(STUDY)))


def variants(study):
    yield study
    yield replace(study, task=Parity())
    yield replace(study, train=replace(study.train, weight_decay=0.0))
    yield replace(study, models=study.models | {"lstm": classic(LSTM(d_inner=8, forget_bias=0.0))})
    yield replace(study, models=study.models | {"lstm": classic(GRU(d_inner=8))})


OWN_MIXER = """
from dataclasses import dataclass
from attn_jax.config import Study
from attn_jax.mixers import GRU
from attn_jax.models import ModelConfig
from attn_jax.tasks import Parity

@dataclass(frozen=True)
class Mine(GRU):
    sharpness: float = 1.0

def get_config():
    return Study("own", Parity(), {"mine": ModelConfig(mixers=(Mine(),))})
"""


def test_a_class_of_the_users_own_travels_by_its_file_and_is_recorded_by_its_name(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_MIXER)
    study = load_study(path)
    recorded = to_dict(study)["models"]["mine"]["mixers"][0]
    assert recorded == {"class": "Mine", "sharpness": 1.0} | {k: v for k, v in to_dict(GRU()).items() if k != "name"}
    with pytest.raises(ConfigError, match=r"models.mine.mixers.0: Mine is not the package's own; give the python"):
        from_dict(to_dict(study))
    travelling = json.loads(to_json(study))
    assert travelling["models"]["mine"]["mixers"][0]["file"] == str(path)
    assert from_json(json.dumps(travelling)) == study


def test_overrides_reach_every_depth():
    study = load_study(
        Path(__file__).parent / "lab" / "tiny_study.py",
        [
            "--config.train.steps=500",
            "--config.models.gru.mixers.0.d-inner",
            "6",
            "--config.train.learning-rates",
            "1e-2",
        ],
    )
    assert study.train.steps == 500
    assert study.models["gru"].mixers == (GRU(d_inner=6),)
    assert study.train.learning_rates == (1e-2,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config.train.step=5"], "--config.train.steps"),
        (["--config.train.steps=many"], "invalid literal for int"),
        (["--config.train.steps=55"], "wanted a multiple of"),
        (["--config.train.schedule=linear"], "constant"),
        (["--config.models.lstm.d-model=5"], "--config.models.gru.d-model"),
    ],
)
def test_a_wrong_override_says_what_is_near(words, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        load_study(Path(__file__).parent / "lab" / "tiny_study.py", words)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def broken(**changes):
    data = to_dict(STUDY)
    for path, value in changes.items():
        *way, last = path.split("__")
        inside = data
        for step in way:
            inside = inside[int(step)] if isinstance(inside, list) else inside[step]
        if value is None:
            del inside[last]
        else:
            inside[last] = value
    return data


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train__stepz": 3}, r"train.stepz: no such field \(did you mean 'steps'\?\); known: steps"),
        ({"train__steps": "many"}, r"train.steps: got 'many' \(str\), wanted int"),
        ({"train__steps": True}, r"train.steps: got True \(bool\), wanted int"),
        ({"train__lengths": [1, 2, 3]}, r"train.lengths: got \[1, 2, 3\] \(list\), wanted 2 values"),
        ({"train__learning_rates": "fast"}, "train.learning_rates: got 'fast'"),
        ({"train__learning_rates": [1e-2, 1e-3]}, "ascending"),
        ({"train__learning_rates": [-1.0]}, "positive"),
        ({"train__clip": 0}, "train.clip: got 0.0, wanted a positive"),
        ({"train__clip": float("inf")}, "train.clip: got inf"),
        ({"models__lstm__d_model": 0}, "models.lstm.d_model: got 0, wanted an integer of at least 1"),
        ({"models__lstm__norm": "layernorm"}, "models.lstm.norm: got 'layernorm', wanted one of"),
        ({"task": {"name": "copy_memory", "num_letters": 1}}, "task.*num_letters"),
        ({"train__seeds": 0}, "train.seeds: got 0, wanted a number of at least 1"),
        ({"train__schedule": "linear"}, "train.schedule: got 'linear', wanted one of 'constant', 'cosine'"),
        ({"models__lstm__mixers__0__name": "lstn"}, r"models.lstm.mixers.0.name: got 'lstn' \(did you mean 'lstm'\?\)"),
        ({"task": 3}, r"task: got 3 \(int\), wanted a table"),
        ({"task": None}, "task: missing"),
        ({"models": {}}, "models: got none"),
        ({"reference": "gru"}, "reference: got 'gru', wanted one of transformer, lstm"),
        ({"name": "../up"}, r"name: got '../up', wanted letters"),
    ],
)
def test_wrong_json_is_one_sentence_with_its_path(changes, sentence, tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps(broken(**changes)))
    with pytest.raises(ConfigError, match=sentence) as caught:
        load_study(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.py", "x = 1", "has no get_config"),
        ("a.py", "def get_config(): return 3", "gave a int, wanted an attn_jax.config.Study"),
        ("a.py", "def get_config(:", "SyntaxError"),
        ("a.py", "import no_such_module", "no_such_module"),
        ("a.py", "def get_config(): return no_such_name", "NameError: .*no_such_name"),
        ("a.py", "from attn_jax.mixers import GRU\ndef get_config(): return GRU(d_modle=3)", "unexpected keyword"),
        ("a.yaml", "lr: 1e-3", "wanted .py with get_config"),
        ("a.json", "{", "not JSON"),
    ],
)
def test_a_wrong_file_is_one_sentence(name, text, sentence, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load_study(tmp_path / name)


def test_a_wrong_file_names_the_line(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("from attn_jax.mixers import MIXERS\n\ndef get_config():\n    return MIXERS['lstn']\n")
    with pytest.raises(ConfigError, match=r"a.py, line 4: KeyError: 'lstn'"):
        load_study(path)


OWN_FIELDS = """
from dataclasses import dataclass
from typing import Any
from attn_jax.config import Study
from attn_jax.mixers import GRU
from attn_jax.models import ModelConfig
from attn_jax.tasks import Parity

@dataclass(frozen=True)
class Mine(GRU):
    rate: int | float = 0.5
    anything: Any = 3

def get_config():
    return Study("own", Parity(), {"mine": ModelConfig(mixers=(Mine(),))})
"""


def test_fields_of_the_users_own_may_be_unions_and_any(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_FIELDS)
    assert load_study(path).models["mine"].mixers[0].rate == 0.5


def test_a_missing_file():
    with pytest.raises(ConfigError, match=r"nowhere.py: no such config file"):
        load_study("nowhere.py")


def test_python_types_are_checked_too(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        "from attn_jax.config import *\nfrom attn_jax.models import ModelConfig\nfrom attn_jax.tasks import Parity\n"
        "def get_config(): return Study('s', Parity(), {'m': ModelConfig(residual='yes')})"
    )
    with pytest.raises(ConfigError, match=r"models.m.residual: got 'yes' \(str\), wanted bool"):
        load_study(path)


def test_the_default_reference_is_the_first():
    assert STUDY.reference_name == "transformer"
    assert replace(STUDY, task=AssociativeRecall(), reference="lstm").reference_name == "lstm"
