"""Before training: own mixers and models that see the future, or give another shape, are refused in `check`'s words."""

import shutil
from unittest.mock import Mock

import pytest
from own_files import FILES, write
from written_study import layout_of

from attn_jax.config.file import load_study
from attn_jax.errors import UserError
from attn_jax.lab import compare, comparison
from attn_jax.lab.plan import contracts
from attn_jax.lab.plan.contracts import check_contracts
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, block_directory
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.session import opened
from attn_jax.mixers import GRU
from attn_jax.models import Model, ModelConfig
from attn_jax.testing.promises import check_bundle
from attn_jax.types import IO

OWN = """
import jax
import jax.numpy as jnp
from dataclasses import dataclass
from attn_jax.config import Study
from attn_jax.mixers import Mixer, MixerConfig, ShortConv
from attn_jax.models import ModelConfig, Transformer, classic
from attn_jax.tasks import TASKS

@dataclass(frozen=True)
class Own(MixerConfig):
    def make(self):
        return Mixer(lambda key: {}, apply, lambda *a, **k: (), lambda p, x, s, v: (x, s), lambda *a: {}, CAUSAL)

def apply(params, x, valid=None, *, key=None):
    x = x if valid is None else jnp.where(valid[..., None], x, 0)
    BODY

@dataclass(frozen=True)
class Seer(ModelConfig):
    def make(self, io, max_tokens):
        model = super().make(io, max_tokens)
        def apply(params, tokens, valid=None, *, key=None):
            return model.apply(params, WHICH, valid, key=key)
        return model._replace(apply=apply)

@dataclass(frozen=True)
class Reader(Transformer):
    def make(self, io, max_tokens):
        model = super().make(io, max_tokens)
        def apply(params, source, source_valid, target, *, key=None):
            return model.apply(params, source, source_valid, jnp.roll(target, -1, 1), key=key)
        return model._replace(apply=apply)

def get_config():
    STUDY
"""
MIXER = "return Study('s', TASKS['parity'], {'own': classic(Own(), d_model=4, num_layers=1)})"
MODEL = "return Study('s', TASKS['markov'], {'own': Seer(4, 1, (ShortConv(),))})"
READER = "return Study('s', TASKS['duplicate'], {'own': Reader(8, 1, num_heads=2)}, strings=True)"
FUTURE = "not causal: y depends on a later x; set causal=False if that is meant"


def own(body="return x", *, causal="True", which="tokens", study=MIXER):
    text = OWN.replace("BODY", body).replace("CAUSAL", causal).replace("WHICH", which)
    return text.replace("STUDY", study)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (own(), None),
        (own("return jnp.concatenate([x[:, 1:], x[:, :1] * 0], 1)"), FUTURE),
        (own("return jax.lax.stop_gradient(jnp.roll(x, -1, 1))"), FUTURE),  # no Jacobian shows it
        (own("return jnp.pad(x, ((0, 0), (0, 10), (0, 0)))[:, 10:]"), FUTURE),  # past the first places
        (
            own("return x + jnp.where(jnp.arange(x.shape[1])[:, None] == 15, jnp.roll(x, -1, 1), 0)"),
            FUTURE,
        ),  # a chunk's
        (own("return jnp.roll(x, -1, 1)", causal="False"), None),
        (own("return x * 2.0 ** (3 * jnp.arange(x.shape[1])[:, None])"), None),  # it overflows far out
        (
            own(
                "return jax.lax.scan(lambda h, x: (4 * h * (1 - h) + 0 * x,) * 2, jax.nn.sigmoid(x[:, 0]), "
                "x.swapaxes(0, 1))[1].swapaxes(0, 1)"
            ),
            None,
        ),  # chaos: rounding grows
        (own("return x[..., :1]"), r"apply gives shape \(2, 101, 1\), wanted \(2, 101, 4\)"),
        (own("return x[:, :-1]"), r"apply gives shape \(2, 100, 4\)"),
        (own("return x.astype(jnp.float16)"), "apply gives float16 for x of float32"),
        (own("return x / 0"), "apply gives values that are not finite"),
        (own("return x + x.mean(0)"), "a row of the batch leaks into another"),
        (
            own("return x if valid is None else x[:, ::-1].cumsum(1)").replace(
                "jnp.where(valid[..., None], x, 0)", "x"
            ),
            "a row that is all valid",
        ),
        (own("return (x, x)"), r"apply gives a tuple, wanted one array of shape \(2, 101, 4\)"),
        (own(study=MODEL), None),
        (own(which="jnp.roll(tokens, -1, 1)", study=MODEL), "not causal: an output depends on a later input"),
        (own(study=READER), "not causal: a logit depends on a later target"),
    ],
)
def test_what_is_refused_before_training(text, said, tmp_path):
    (tmp_path / "own.py").write_text(text)
    plan = StudyPlan(load_study(tmp_path / "own.py"))
    if said is None:
        check_contracts(plan, ["own"])
        return
    with pytest.raises(UserError, match=rf"^models\.own.*: own\.py:\w+ breaks its contract: .*({said})") as caught:
        check_contracts(plan, ["own"])
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("'gru': ModelConfig(8), 'own': classic(Own(), num_layers=1)", r"wanted \(2, 101, 8\)"),
        ("'gru': ModelConfig(8), 'own': ModelConfig(mixers=(Own(), Attention(num_heads=3)))", r"wanted \(2, 101, 8\)"),
        ("'gru': ModelConfig(8), 'own': Seer(mixers=(ShortConv(),))", "not causal: an output depends on a later input"),
    ],
)
def test_what_is_yet_to_be_matched_is_checked_near_the_references_width(study, said, tmp_path):
    study = f"return Study('s', TASKS['parity'], {{{study}}})"
    text = own("return x[..., :1]", which="jnp.roll(tokens, -1, 1)", study=study)
    (tmp_path / "own.py").write_text(text.replace("import Mixer,", "import Attention, Mixer,"))
    with pytest.raises(UserError, match=rf"own\.py:\w+ breaks its contract: .*{said}"):
        check_contracts(StudyPlan(load_study(tmp_path / "own.py")), ["own"])


def test_registered_mixers_cost_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(contracts, "_check", lambda *args: pytest.fail("checked"))
    gru = FILES["config.py"].replace('"mine": Mine(), "other": Other(), ', "")
    check_contracts(StudyPlan(load_study(write(tmp_path, {"config.py": gru}))), ["gru"])


def test_what_is_trained_anew_is_checked_anew_and_nothing_else(tmp_path, monkeypatch):
    """A finished study; a block's folder is deleted, as its damage asks for, and the mixer was edited since."""
    config, study = tmp_path / "own.py", tmp_path / "study"
    gru = "num_layers=1), 'gru': classic(GRU(), d_model=32)}, match=None"
    config.write_text(own(study=MIXER.replace("num_layers=1)}", gru)))
    config.write_text(config.read_text().replace("import Mixer,", "import GRU, Mixer,"))
    plan = StudyPlan(load_study(config))
    done = {"test": {}, "after": plan.study.train.steps, "lengths": [*plan.curve_lengths]}
    with opened(study, plan, layout_of(plan)):
        num_blocks = len(read_study(study)["runs"]["own"])
        for model, k in ((model, k) for model in ("own", "gru") for k in range(num_blocks)):
            block_directory(study, model, k).mkdir(parents=True)
            append_row(block_directory(study, model, k) / "metrics.jsonl", done)
    (study / "summary.json").write_text("{}")
    monkeypatch.setattr(comparison, "_train", Mock())
    with monkeypatch.context() as patch:
        patch.setattr(contracts, "_check", Mock(side_effect=AssertionError("checked")))
        with comparison.trained(config, workdir=study, platform="cpu"):
            pass
    config.write_text(config.read_text().replace("return x\n", "return jnp.roll(x, -1, 1)\n"))
    with pytest.raises(UserError, match=FUTURE):  # it would be trained anew
        compare(config, workdir=study, platform="cpu")
    for k in range(num_blocks):
        shutil.rmtree(block_directory(study, "own", k))
    with pytest.raises(UserError, match=FUTURE):
        compare(config, workdir=study, platform="cpu")


def test_layers_as_functions_are_a_table_or_none():
    model = ModelConfig(4, mixers=(GRU(),)).make(IO(vocab_size=3, num_classes=3), 5)
    check_bundle(model, Model)
    check_bundle(model._replace(through=None), Model)
    for wrong in ([], model.apply):
        with pytest.raises(AssertionError, match=r"through is .*, wanted a dict"):
            check_bundle(model._replace(through=wrong), Model)
