"""Configs: to JSON and back, overrides, and one sentence for every mistake."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attn_jax.config import EvaluateConfig, GradientFlow, Study, TrainConfig
from attn_jax.config.codec import fingerprint, from_dict, from_json, to_dict, to_json
from attn_jax.config.file import load_study
from attn_jax.config.help import print_fields
from attn_jax.config.overrides import override
from attn_jax.errors import ConfigError
from attn_jax.mixers import GRU, LSTM, MIXERS, Attention, Mamba
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, classic
from attn_jax.tasks import TASKS, Dyck, Parity

STUDY = Study(
    "both",
    Parity(labels="running"),
    {"transformer": ModelConfig(32, mixers=(Attention(num_heads=2),)), "lstm": classic(LSTM(d_inner=8))},
    TrainConfig(lengths=(2, 5), learning_rates=(1e-3,)),
    EvaluateConfig(lengths=(2, 7)),
)


def test_there_and_back():
    data = json.loads(json.dumps(to_dict(STUDY)))
    assert from_dict(data) == STUDY
    assert data["models"]["lstm"]["mixers"][0]["name"] == "lstm"


@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_goes_there_and_back(name):
    study = replace(STUDY, models={"m": ModelConfig(32, mixers=(MIXERS[name],))})
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
    return Study("own", Parity(), {"mine": ModelConfig(32, mixers=(Mine(),))})
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
        Path(__file__).parent.parent / "lab" / "tiny_study.py",
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


def tiny(*words):
    """The tests' own study, overridden; every word is one of a command line."""
    return load_study(Path(__file__).parent.parent / "lab" / "tiny_study.py", words)


@pytest.mark.parametrize(
    "words",
    [
        ["--config.train.learning-rates=1e-4,2e-4"],
        ["--config.train.learning-rates", "1e-4,2e-4"],
        ["--config.train.learning_rates", "1e-4", "2e-4"],
        ["--config.train.learning-rates=(1e-4, 2e-4)"],
        ["--config.train.learning-rates=[1e-4,", "2e-4]"],
        ["--config.train.learning-rates=5", "--config.train.learning-rates=1e-4,2e-4"],
    ],
)
def test_a_row_of_numbers_is_taken_as_people_write_it(words):
    assert tiny(*words).train.learning_rates == (1e-4, 2e-4)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--config.task=dyck"], {"task": TASKS["dyck"]}),
        (["--config.task.max-depth=4", "--config.task=dyck"], {"task": Dyck(max_depth=4)}),
        (["--config.task=dyck", "--config.task.max_depth", "4"], {"task": Dyck(max_depth=4)}),
        (["--config.task=parity_running"], {"task": Parity(labels="running")}),
        (["--config.models.gru.mixers.0=lstm"], {"gru": LSTM()}),
        (["--config.models.gru.mixers=lstm,mamba_signed"], {"gru": (LSTM(), Mamba(transition="signed"))}),
        (
            ["--config.models.gru.mixers.0=lstm", "--config.models.gru.mixers.0.forget-bias=-1"],
            {"gru": LSTM(None, None, forget_bias=-1.0)},
        ),
        (["--config.train.lengths=None", "--config.train.steps=1e3"], {"train": {"lengths": None, "steps": 1000}}),
        (
            ["--config.evaluate.every=25", "--config.train.steps=75"],
            {"train": {"steps": 75}, "evaluate": {"every": 25}},
        ),
        (["--config.models.gru.no-residual", "--config.models.gru.num-layers=2"], {}),
        (["--config.models.gru.residual"], {"residual": True}),
        (["--config.models.gru.residual=yes"], {"residual": True}),
    ],
)
def test_an_override_is_what_python_would_have_said(words, wanted):
    """Names in any order of words; the study, and so its fingerprint, is the one of a python config."""
    study, base = tiny(*words), tiny()
    gru = base.models["gru"]
    if mixers := wanted.get("gru"):
        gru = replace(gru, mixers=mixers if isinstance(mixers, tuple) else (mixers,))
    gru = replace(gru, residual=wanted.get("residual", gru.residual))
    gru = replace(gru, num_layers=2) if "--config.models.gru.num-layers=2" in words else gru
    parts = {name: replace(getattr(base, name), **wanted.get(name, {})) for name in ("train", "evaluate")}
    python = replace(base, task=wanted.get("task", base.task), models=base.models | {"gru": gru}, **parts)
    assert study == python
    assert fingerprint(study) == fingerprint(python)


def test_a_model_is_chosen_by_name_where_the_study_takes_it():
    study = tiny("--config.models.gru=recurrent_encoder_decoder", "--config.strings")
    assert study.models["gru"] == RecurrentEncoderDecoder()
    assert study.strings


def test_names_of_models_may_hold_dots_and_dashes():
    models = {"a-b": ModelConfig(32), "a_b": ModelConfig(32), "gru.v2": ModelConfig(32)}
    words = ["--config.models.a_b.d-model=8", "--config.models.gru.v2.num-layers=1"]
    study = override(replace(STUDY, models=models, match=None), words)
    assert [model.d_model for model in study.models.values()] == [32, 8, 32]
    assert [model.num_layers for model in study.models.values()] == [2, 2, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config.train.step=5"], "--config.train.step: no such field, did you mean steps?"),
        (["--config.steps=5"], "--config.steps: no such field, did you mean --config.train.steps?"),
        (["--config.train.steps=many"], "--config.train.steps: got 'many', wanted a whole number"),
        (["--config.train.steps=1.5"], "--config.train.steps: got '1.5', wanted a whole number"),
        (["--config.train.steps=1,2"], "--config.train.steps: got '1,2', wanted a whole number"),
        (["--config.train.steps"], "--config.train.steps: got nothing, wanted a whole number"),
        (["--config.train.steps=55"], "train.steps: got 55, wanted a multiple of"),
        (
            ["--config.train.learning-rates=1e-3;2e-3"],
            "--config.train.learning-rates: got '1e-3;2e-3', wanted a number",
        ),
        (["--config.train.lengths=2"], "--config.train.lengths: got '2', wanted 2 whole numbers or None"),
        (["--config.train.schedule=linear"], "--config.train.schedule: got 'linear', wanted constant or cosine"),
        (
            ["--config.models.lstm.d-model=5"],
            "--config.models.lstm.d-model: no such field, wanted one of transformer, gru",
        ),
        (["--config.models.gru.mixers.1=gru"], "--config.models.gru.mixers.1: no such field, wanted one of 0"),
        (["--config.train=5"], "--config.train: got '5' for a group of fields; name one of them, --config.train...."),
        (["--config.task=dick"], "--config.task: got 'dick', did you mean dyck"),
        (["--config.task=gru"], "--config.task: got 'gru', which is a mixer; the nearest of"),
        (
            ["--config.models.gru=lstm"],
            "--config.models.gru: got 'lstm', which is a mixer; wanted one of sequence_model",
        ),
        (["--config.models.gru.mixers.0=grru"], "--config.models.gru.mixers.0: got 'grru', did you mean gru"),
        (
            ["--config.task=dyck", "--config.task.labels=end"],
            "--config.task.labels: no such field, wanted one of num-kinds",
        ),
        (["--config.models.gru.norm=LAYER"], "--config.models.gru.norm: got 'LAYER', wanted layer or rms or none"),
        (
            ["--config.models.gru.d-model=64"],
            'models.gru.d_model: got 64 beside match="parameters", wanted none: its width is matched to transformer\'s',
        ),
        (["--config.models.transformer.d-model=none"], "models.transformer.d_model: got None, wanted a width"),
        (["--config.match=none"], "models.gru.d_model: got None, wanted a width: match is None"),
        (["--config.models.gru=transformer"], "models.gru: got a Transformer, which writes strings"),
    ],
)
def test_a_wrong_override_says_what_is_near(words, said):
    with pytest.raises(ConfigError) as caught:
        tiny(*words)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value)) < 200


def test_the_fields_of_a_config_are_shown_as_they_are_written(capsys, monkeypatch):
    """Every line that is shown can be given back, and changes nothing."""
    monkeypatch.setenv("COLUMNS", "80")
    study = tiny("--config.task=mqar", "--config.train.lengths=None")
    print_fields(study)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "  --config.task=mqar\n      a task by name: what is learnt.\n" in out
    options = [line.strip() for line in out.splitlines() if line.startswith("  --config.")]
    assert "--config.train.learning-rates=0.001,0.003" in options
    assert out.count("the budget of optimiser steps") == 1
    assert (
        override(
            study,
            [word for word in options if not word.startswith(("--config.models.gru=", "--config.models.transformer="))],
        )
        == study
    )


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
        ({"train__stepz": 3}, r"train.stepz: no such field, did you mean steps\?"),
        ({"train__steps": "many"}, r"train.steps: got 'many' \(str\), wanted int"),
        ({"train__steps": True}, r"train.steps: got True \(bool\), wanted int"),
        ({"train__lengths": [1, 2, 3]}, r"train.lengths: got \[1, 2, 3\] \(list\), wanted 2 values"),
        ({"train__learning_rates": "fast"}, "train.learning_rates: got 'fast'"),
        ({"train__learning_rates": [1e-2, 1e-3]}, "ascending"),
        ({"train__learning_rates": [-1.0]}, "positive"),
        ({"train__clip": 0}, "train.clip: got 0.0, wanted a positive"),
        ({"train__optimizer": "adam"}, "train.optimizer: got 'adam', wanted one of 'adamw', 'sgd'"),
        ({"train__momentum": 0.9}, "train.momentum: got 0.9 beside train.optimizer='adamw', wanted 0, or 'sgd'"),
        ({"train__momentum": 1, "train__optimizer": "sgd"}, "train.momentum: got 1.0, wanted at least 0 and below 1"),
        ({"train__clip": float("inf")}, "not JSON: Infinity is no number of JSON"),
        ({"models__lstm__d_model": 0}, "models.lstm.d_model: got 0, wanted an integer of at least 1"),
        ({"models__lstm__norm": "layernorm"}, "models.lstm.norm: got 'layernorm', wanted one of"),
        ({"task": {"name": "copy_memory", "num_letters": 1}}, "task.*num_letters"),
        ({"train__seeds": 0}, "train.seeds: got 0, wanted a number of at least 1"),
        ({"train__schedule": "linear"}, "train.schedule: got 'linear', wanted one of 'constant', 'cosine'"),
        ({"models__lstm__mixers__0__name": "lstn"}, r"models.lstm.mixers.0.name: got 'lstn', did you mean lstm or"),
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


def test_a_studys_own_record_is_a_config(tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"schema": 2, "fingerprint": fingerprint(STUDY), "config": to_dict(STUDY)}))
    assert load_study(path) == STUDY
    assert load_study(path, ["--config.train.seeds=3"]).train.seeds == 3


def test_a_study_of_classes_of_the_users_own_needs_their_python_config(tmp_path):
    (tmp_path / "own.py").write_text(OWN_FIELDS)
    path = tmp_path / "study.json"
    path.write_text(json.dumps({"fingerprint": "", "config": to_dict(load_study(tmp_path / "own.py"))}))
    with pytest.raises(ConfigError, match=r"Mine is not the package's own; give the python config"):
        load_study(path)


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
    with pytest.raises(ConfigError, match=r"a.py, line 4: UnknownNameError: 'lstn', did you mean lstm or"):
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
    return Study("own", Parity(), {"mine": ModelConfig(32, mixers=(Mine(),))})
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
        "def get_config(): return Study('s', Parity(), {'m': ModelConfig(32, residual='yes')})"
    )
    with pytest.raises(ConfigError, match=r"models.m.residual: got 'yes' \(str\), wanted bool"):
        load_study(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"probes": GradientFlow()}, r"probes: got GradientFlow\(.*\), wanted a tuple of probes"),
        ({"probes": "gradient_flow"}, "probes: got 'gradient_flow', wanted a tuple of probes"),
        ({"probes": (3,)}, r"probes: got \(3,\), wanted a tuple of probes"),
        ({"probes": (GradientFlow(), GradientFlow(num_examples=2))}, "probes: got gradient_flow twice"),
        ({"starts": None}, "starts: got None, wanted a dict"),
    ],
)
def test_what_is_no_table_or_tuple_of_them_is_named(changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        replace(STUDY, **changes)


def test_the_default_reference_is_the_first():
    assert STUDY.reference_name == "transformer"
    models = {name: replace(model, d_model=32) for name, model in STUDY.models.items()}
    assert replace(STUDY, models=models, match=None, reference="lstm").reference_name == "lstm"
