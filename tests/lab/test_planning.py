"""Matching, lengths and blocks."""

from dataclasses import replace

import jax
import pytest

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.lab.facts import study_facts
from attn_jax.lab.matching import count_parameters, match_parameters, parameter_shapes
from attn_jax.lab.planning import Prepared, block_width
from attn_jax.mixers import GRU, LSTM, RNN, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import AssociativeRecall, Digits, Parity, Text
from attn_jax.types import IO

IO_TOKENS = IO(num_classes=16, vocab_size=32)
REFERENCE = ModelConfig(32, 2, (Attention(num_heads=2),), positions="learned")


def matched_size(config):
    return count_parameters(parameter_shapes(config, IO_TOKENS, 48))[1]


def test_counts_by_hand():
    """Two layers of attention (4 D^2), MLP (8 D^2 + 5 D) and two norms (4 D), then a last norm (2 D)."""
    D = 32
    matched = 2 * (4 * D * D + 8 * D * D + 5 * D + 4 * D) + 2 * D
    tables = 32 * D + 48 * D + (16 * D + 16)
    assert count_parameters(parameter_shapes(REFERENCE, IO_TOKENS, 48)) == (matched + tables, matched)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(mixers=(LSTM(),)),
        ModelConfig(mixers=(GRU(),), num_layers=3),
        ModelConfig(mixers=(RNN(),), norm="rms"),
        ModelConfig(mixers=(Attention(num_heads=8),), num_layers=1),
        classic(LSTM()),
        classic(GRU()),
        classic(RNN()),
    ],
    ids=lambda c: f"{type(c.mixers[0]).__name__}-{c.num_layers}-{'block' if c.residual else 'classic'}",
)
def test_every_form_reaches_two_percent(config):
    target = matched_size(REFERENCE)
    matched, note = match_parameters(config, target, IO_TOKENS)
    assert note is None
    assert abs(matched_size(matched) / target - 1) <= 0.02
    assert matched.d_model % matched.mixers[0].divisor == 0
    assert matched.num_layers == config.num_layers


def test_the_nearest_width_is_taken_before_anything_else():
    matched, _ = match_parameters(ModelConfig(8, 2, (Attention(num_heads=2),)), matched_size(REFERENCE), IO_TOKENS)
    assert (matched.d_model, matched.d_ff) == (32, None)


def test_what_cannot_be_reached_is_said():
    config = ModelConfig(mixers=(Attention(num_heads=32),), d_ff=0)
    _, note = match_parameters(config, 1000, IO_TOKENS)
    assert note is not None
    assert "off, the nearest it can be made" in note


def study(**changes):
    models = {"transformer": REFERENCE, "lstm": ModelConfig(mixers=(LSTM(),))}
    return replace(Study("s", AssociativeRecall(), models, TrainConfig(), EvaluateConfig()), **changes)


def test_only_the_others_are_resized():
    prepared = Prepared(study())
    assert prepared.models["transformer"] == (REFERENCE, None)
    assert prepared.models["lstm"][0].d_model == 28
    as_they_are = Prepared(study(match=None)).models
    assert as_they_are["lstm"][0].d_model == 32


def test_the_reference_can_be_named():
    prepared = Prepared(study(reference="lstm"))
    assert prepared.models["lstm"][0].d_model == 32
    assert prepared.models["transformer"][0] != REFERENCE


def test_blocks_cover_every_run_once_and_repeat_the_last():
    prepared = Prepared(study(train=TrainConfig(seeds=3, learning_rates=(1e-3, 1e-2))))
    blocks = [prepared.block(k, 4) for k in range(2)]
    assert [run for block in blocks for run in block][:6] == list(prepared.runs)
    assert blocks[1] == (prepared.runs[4], prepared.runs[5], prepared.runs[5], prepared.runs[5])


def test_width():
    assert block_width(24, 3, 2) == 12
    assert block_width(100, 1, 1) == 12
    assert block_width(24, 3, 64) == 2
    assert block_width(1, 1, 64) == 1


def test_positions_reach_the_longest_evaluation():
    prepared = Prepared(study())
    assert prepared.max_tokens == 3 * 16
    params = jax.eval_shape(prepared.plan("transformer").setup.model.init, jax.random.key(0))
    assert params["positions"]["table"].shape[0] == 48


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train": TrainConfig(lengths=(6, 99))}, "train.lengths: .*99"),
        ({"evaluate": EvaluateConfig(lengths=(2, 99))}, "evaluate.lengths: .*99"),
        ({"task": Digits(), "train": TrainConfig(lengths=(3, 5))}, "train.lengths"),
    ],
)
def test_lengths_the_task_does_not_have_are_refused(changes, sentence):
    prepared = Prepared(study(**changes))
    with pytest.raises(ConfigError, match=sentence):
        _ = (prepared.train_lengths, prepared.curve_lengths)


def test_a_task_that_cannot_be_made_or_drawn_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^task: Text: path is '.*nowhere\.txt': No such file"):
        study_facts(Prepared(study(task=Text(str(tmp_path / "nowhere.txt")))))
    short = tmp_path / "short.txt"
    short.write_text("to be or not to be " * 20)
    train = TrainConfig(200, batch_size=512, lengths=(20, 20))
    with pytest.raises(ConfigError, match=r"^train\.batch_size, train\.lengths: batch_size: got 512, but a tenth of"):
        study_facts(Prepared(study(task=Text(str(short)), train=train, evaluate=EvaluateConfig(lengths=(20,)))))


def test_facts_of_a_study():
    facts = study_facts(Prepared(study(task=Parity(), models={"t": REFERENCE, "gru": classic(GRU())})))
    assert facts["models"]["t"]["depth"] == "constant"
    assert facts["models"]["gru"]["depth"] == "linear"
    tokens = Parity().make().spec.num_tokens(20)
    assert facts["models"]["t"]["state_bytes"] == 2 * 2 * tokens * 32 * 4  # layers x (keys, values) x T x D x 4 bytes
    gru = Prepared(study(task=Parity(), models={"t": REFERENCE, "gru": classic(GRU())})).models["gru"][0]
    assert facts["models"]["gru"]["state_bytes"] == 2 * 4 * (gru.mixers[0].d_inner or gru.d_model)
    assert facts["task"]["floors"]["20"]["uniform"]["metric"] == 0.5
