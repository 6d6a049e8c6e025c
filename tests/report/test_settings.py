"""The short table has what differs from the defaults, all of it, and nothing else."""

from dataclasses import replace

from attn_jax.config import GradientFlow, Study, TrainConfig
from attn_jax.config.codec import to_dict
from attn_jax.config.defaults import unlike_defaults
from attn_jax.mixers import GRU, LSTM, Attention
from attn_jax.models import ModelConfig
from attn_jax.report.settings import settings
from attn_jax.tasks import AssociativeRecall

STUDY = Study("s", AssociativeRecall(num_keys=8), {"a": ModelConfig(32, mixers=(Attention(num_heads=2), GRU()))})


def test_a_field_is_told_once_it_is_not_the_default():
    found = {path: (value, default) for path, value, default in settings(to_dict(STUDY))}
    assert found["task"] == ("associative_recall", "")
    assert found["task.num_keys"] == ("8", "16")
    assert found["models.a.d_model"] == ("32", "")
    assert found["models.a.mixers.1"] == ("gru", "")
    assert not [path for path in found if path.startswith("train") or path == "name"]
    more = replace(STUDY, train=TrainConfig(seeds=4, learning_rates=(0.1,)), probes=(GradientFlow(num_places=8),))
    found = {path: (value, default) for path, value, default in settings(to_dict(more))}
    assert found["train.seeds"] == ("4", "8")
    assert found["train.learning_rates"] == ("0.1", "0.001, 0.003, 0.01")
    assert found["probes.0.num_places"] == ("8", "32")


def test_a_class_of_the_users_own_is_told_whole():
    config = to_dict(STUDY) | {"task": {"class": "Mine", "size": 3}}
    told = [tuple(setting) for setting in unlike_defaults(config) if setting.path.startswith("task")]
    assert told == [("task", "Mine", None), ("task.size", 3, None)]


def test_one_more_field_than_the_package_knows_is_told(quickstart):
    assert ("models.b.mixers.0.forget_bias", "5", "1") in [
        (path, value, default)
        for path, value, default in settings(
            to_dict(replace(STUDY, models={"b": ModelConfig(8, mixers=(LSTM(forget_bias=5.0),))}))
        )
    ]
