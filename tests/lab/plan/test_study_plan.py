"""Matching, lengths and blocks."""

import re
from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.lab.cost.sizes import count_parameters
from attn_jax.lab.plan import facts as lab_facts
from attn_jax.lab.plan import quantities
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.matching import Quantity, match_to
from attn_jax.lab.plan.newton_trips import newton_trips
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.plan.widths import block_width
from attn_jax.lab.plan.yardstick import yardstick
from attn_jax.lab.record.runs import in_blocks, padded
from attn_jax.mixers import GRU, LSTM, RNN, Attention
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer, classic
from attn_jax.tasks import TASKS, AssociativeRecall, Digits, Parity, Text
from attn_jax.types import IO

IO_TOKENS = IO(num_classes=16, vocab_size=32)
REFERENCE = ModelConfig(32, 2, (Attention(num_heads=2),), positions="learned")


def matched_size(config):
    return count_parameters(config.make(IO_TOKENS, 48)).matched


PARAMETERS = Quantity("matched parameters", matched_size)


def test_counts_by_hand():
    """Two layers of attention (4 D^2), MLP (8 D^2 + 5 D) and two norms (4 D), then a last norm (2 D)."""
    D = 32
    matched = 2 * (4 * D * D + 8 * D * D + 5 * D + 4 * D) + 2 * D
    tables = 32 * D + 48 * D + (16 * D + 16)
    assert count_parameters(REFERENCE.make(IO_TOKENS, 48)) == (matched + tables, matched)


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
    matched, note = match_to(target, config, PARAMETERS)
    assert note is None
    assert abs(matched_size(matched) / target - 1) <= 0.02
    assert matched.d_model % matched.mixers[0].divisor == 0
    assert matched.num_layers == config.num_layers


def test_the_nearest_width_is_taken_before_anything_else():
    matched, _ = match_to(matched_size(REFERENCE), ModelConfig(None, 2, (Attention(num_heads=2),)), PARAMETERS)
    assert (matched.d_model, matched.d_ff) == (32, None)


def test_what_cannot_be_reached_is_said():
    config = ModelConfig(mixers=(Attention(num_heads=32),), d_ff=0)
    _, note = match_to(1000, config, PARAMETERS)
    assert note is not None
    assert "off, the nearest it can be made" in note


def test_a_reference_without_parameters_is_none():
    with pytest.raises(ConfigError, match=r"^match: the reference has no matched parameters, .* or match=None"):
        match_to(0, REFERENCE, PARAMETERS)


def study(**changes):
    models = {"transformer": REFERENCE, "lstm": ModelConfig(mixers=(LSTM(),))}
    return replace(Study("s", AssociativeRecall(), models, TrainConfig(), EvaluateConfig()), **changes)


def test_two_percent_is_two_percent():
    assert (
        match_to(50, ModelConfig(), Quantity("things", lambda config: 50 + config.d_model / config.divisor))[1] is None
    )


def test_only_the_others_are_resized():
    plan = StudyPlan(study())
    assert plan.models["transformer"] == (REFERENCE, None)
    assert plan.models["lstm"][0].d_model == 28
    models = {"transformer": REFERENCE, "lstm": ModelConfig(32, mixers=(LSTM(),))}
    as_they_are = StudyPlan(study(match=None, models=models)).models
    assert as_they_are == {name: (model, None) for name, model in models.items()}


def test_the_reference_can_be_named():
    models = {"transformer": replace(REFERENCE, d_model=None), "lstm": ModelConfig(32, mixers=(LSTM(),))}
    plan = StudyPlan(study(models=models, reference="lstm"))
    assert plan.models["lstm"] == (models["lstm"], None)
    assert plan.models["transformer"][0].d_model == 38


WIDE, NONE = classic(LSTM(), d_model=64), classic(LSTM())
BESIDE = 'got 64 beside match="parameters", wanted none: its width is matched to'


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": {"transformer": REFERENCE, "lstm": WIDE}}, f"models.lstm.d_model: {BESIDE} transformer's"),
        ({"models": {"lstm": WIDE, "gru": WIDE}, "reference": "gru"}, f"models.lstm.d_model: {BESIDE} gru's"),
        ({"models": {"lstm": NONE}}, "models.lstm.d_model: got None, wanted a width: the others are matched to it"),
        ({"match": None}, "models.lstm.d_model: got None, wanted a width: match is None"),
    ],
)
def test_a_width_is_given_by_whoever_decides_it_alone(changes, sentence):
    with pytest.raises(ConfigError, match=f"^{re.escape(sentence)}"):
        study(**changes)


@dataclass(frozen=True)
class Narrow(ModelConfig):
    """A class of a user's own with a width of its own."""

    d_model: int = 8


def test_a_default_of_a_class_of_ones_own_is_no_width_given():
    models = {"transformer": REFERENCE, "narrow": Narrow(mixers=(LSTM(),))}
    matched, note = StudyPlan(study(models=models)).models["narrow"]
    assert (type(matched), matched.d_model, note) == (Narrow, 28, None)
    with pytest.raises(ConfigError, match=r"^models\.narrow\.d_model: got 16 beside"):
        study(models=models | {"narrow": Narrow(16)})


def test_blocks_cover_every_run_once_and_repeat_the_last():
    plan = StudyPlan(study(train=TrainConfig(seeds=3, learning_rates=(1e-3, 1e-2))))
    blocks = [padded(block, 4) for block in in_blocks(plan.runs, 4)]
    every = [(seed, rate) for seed in range(3) for rate in (1e-3, 1e-2)]
    assert [run for block in blocks for run in block][:6] == every
    assert blocks[1] == [every[4], every[5], every[5], every[5]]


def test_width():
    assert block_width(24, 3, 2) == 12
    assert block_width(100, 1, 1) == 12
    assert block_width(24, 3, 64) == 2
    assert block_width(16, 2, 2) == 8  # 12 would train 24
    assert block_width(20, 3, 2) == 10
    assert block_width(1, 1, 64) == 1


def test_positions_reach_the_longest_evaluation():
    plan = StudyPlan(study())
    assert plan.max_tokens == 3 * 16
    params = jax.eval_shape(plan.block_plan("transformer").objective.init, jax.random.key(0))
    assert params["positions"]["table"].shape[0] == 48


def test_probes_learn_where_the_study_clips():
    answering, writing = StudyPlan(study(train=TrainConfig(clip=0.25))), StudyPlan(strings_study())
    assert answering.objective(REFERENCE).clip == 0.25
    assert writing.objective(RecurrentEncoderDecoder(32)).clip == TrainConfig().clip


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"train": TrainConfig(lengths=(6, 99))}, "train.lengths: .*99"),
        ({"evaluate": EvaluateConfig(lengths=(2, 99))}, "evaluate.lengths: .*99"),
        ({"task": Digits(), "train": TrainConfig(lengths=(3, 5))}, "train.lengths"),
    ],
)
def test_lengths_the_task_does_not_have_are_refused(changes, sentence):
    plan = StudyPlan(study(**changes))
    with pytest.raises(ConfigError, match=sentence):
        _ = (plan.train_lengths, plan.curve_lengths)


def test_a_task_that_cannot_be_made_or_drawn_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^task: Text: path is '.*nowhere\.txt': No such file"):
        study_facts(StudyPlan(study(task=Text(str(tmp_path / "nowhere.txt")))))
    short = tmp_path / "short.txt"
    short.write_text("to be or not to be " * 20)
    train = TrainConfig(200, batch_size=512, lengths=(20, 20))
    with pytest.raises(ConfigError, match=r"^train\.batch_size, train\.lengths: batch_size: got 512, but a tenth of"):
        study_facts(StudyPlan(study(task=Text(str(short)), train=train, evaluate=EvaluateConfig(lengths=(20,)))))


def test_facts_of_a_study():
    facts = study_facts(StudyPlan(study(task=Parity(), models={"t": REFERENCE, "gru": classic(GRU())})))
    assert facts["models"]["t"]["depth"] == "constant"
    assert facts["models"]["gru"]["depth"] == "linear"
    tokens = Parity().make().spec.num_tokens(20)
    assert facts["models"]["t"]["state_bytes"] == 2 * 2 * tokens * 32 * 4  # layers x (keys, values) x T x D x 4 bytes
    gru = StudyPlan(study(task=Parity(), models={"t": REFERENCE, "gru": classic(GRU())})).models["gru"][0]
    assert facts["models"]["gru"]["state_bytes"] == 2 * 4 * (gru.mixers[0].d_inner or gru.d_model)
    assert facts["task"]["floors"]["20"]["uniform"]["value"] == 0.5


def strings_study(**changes):
    models = {
        "additive": RecurrentEncoderDecoder(32),
        "transformer": Transformer(num_heads=2),
        "none": RecurrentEncoderDecoder(attention="none", cell="gru"),
        "decoder_only": ModelConfig(mixers=(Attention(num_heads=2),), positions="learned"),
        "lstm": classic(LSTM()),
    }
    train = TrainConfig(lengths=(2, 10))
    return replace(study(task=TASKS["reverse"], models=models, train=train, strings=True), **changes)


@pytest.mark.exhaustive
def test_models_of_strings_are_matched_and_described():
    plan = StudyPlan(strings_study(evaluate=EvaluateConfig(lengths=(10, 12))))
    facts = study_facts(plan)
    target = facts["models"]["additive"]["parameters_matched"]
    for model in facts["models"].values():
        assert model["match_note"] is None
        assert abs(model["parameters_matched"] / target - 1) <= 0.02
        assert model["train_flops_per_step"] > 0
    assert {name: model["depth"] for name, model in facts["models"].items()} == {
        "additive": "linear",
        "transformer": "constant",
        "none": "linear",
        "decoder_only": "constant",
        "lstm": "linear",
    }
    assert facts["task"]["metric"] == "exact_match"
    assert facts["task"]["floors"]["10"] == {"endless": {"value": 0.0, "loss": None}}
    assert facts["models"]["none"]["description"].startswith("GRU encoder-decoder, no attention, both ways")
    params = jax.eval_shape(plan.block_plan("decoder_only").objective.init, jax.random.key(0))
    assert params["positions"]["table"].shape[0] == 12 + 13  # source, BOS and target of the longest evaluation


def test_state_of_strings_by_hand():
    """After a source of 10 letters: a cell's states alone; with attention also keys and values of 10 places."""
    none, additive = RecurrentEncoderDecoder(32, attention="none"), RecurrentEncoderDecoder(32)
    facts = study_facts(StudyPlan(strings_study(models={"none": none, "additive": additive}, match=None)))
    assert facts["models"]["none"]["state_bytes"] == 4 * 2 * 32
    assert facts["models"]["additive"]["state_bytes"] == 4 * (2 * 32 + 2 * 10 * 32)


WITH_STRINGS = [name for name, config in TASKS.items() if name[:6] != "digits" and config.make().strings is not None]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", WITH_STRINGS)
def test_the_floor_of_strings_is_what_its_predictor_scores(name):
    task = TASKS[name].make()
    assert task.strings is not None
    shortest = min(task.spec.lengths(*task.spec.train_lengths))
    batch = jax.jit(task.strings, static_argnums=(1, 2, 3))(jax.random.key(0), 256, shortest, shortest)
    floor = yardstick(task, strings=True).floors(shortest)["endless"]
    said = floor.predict(np.asarray(batch.source), np.asarray(batch.source_valid)).argmax(-1)
    longest = batch.target.shape[1]
    padded = np.pad(said, ((0, 0), (0, longest)))[:, :longest]
    assert (padded == np.asarray(batch.target)).all(1).mean() == floor.value == 0


def test_strings_of_what_has_none_are_refused():
    with pytest.raises(ConfigError, match=r"^strings: got True for a task that gives none"):
        study_facts(StudyPlan(strings_study(task=Parity(), train=TrainConfig())))
    with pytest.raises(ConfigError, match=r"^models\.t: got a Transformer, which writes strings; wanted a ModelConfig"):
        study(models={"t": Transformer()})
    both_ways = ModelConfig(32, mixers=(Attention(causal=False),))
    with pytest.raises(ConfigError, match=r"^models\.t: model: got one without extend, wanted causal mixers"):
        study_facts(StudyPlan(strings_study(models={"t": both_ways})))


def test_real_answers_have_no_labels_to_smooth():
    smooth = study(task=TASKS["adding"], train=TrainConfig(label_smoothing=0.1))
    with pytest.raises(ConfigError, match=r"^train\.label_smoothing: got 0\.1 for answers that are real numbers"):
        study_facts(StudyPlan(smooth))


@pytest.mark.exhaustive
def test_newton_is_counted_by_its_measured_iterations():
    def facts(form):
        rnn = ModelConfig(d_model=8, num_layers=1, mixers=(RNN(form=form),), d_ff=0)
        return study_facts(StudyPlan(study(task=Parity(), models={"rnn": rnn})))["models"]["rnn"]

    scanned, solved = facts("scan"), facts("newton")
    assert (scanned["depth"], solved["depth"]) == ("linear", "log T")
    assert solved["train_flops_per_step"] > 2 * scanned["train_flops_per_step"]


@pytest.mark.exhaustive
def test_iterations_are_those_of_the_weights():
    """A contracting network needs few, one that expands many; without Newton's method there are none to count."""
    plan = StudyPlan(study(task=Parity()))
    assert newton_trips(plan, classic(RNN(), d_model=32), 16) is None
    models = [classic(RNN(form="newton", spectral_radius=radius), d_model=32, num_layers=1) for radius in (0.1, 3.0)]
    few, many = (newton_trips(plan, model, 16) for model in models)
    assert 2 <= few < many <= 17


@pytest.mark.exhaustive
def test_iterations_are_counted_at_the_places_of_the_longest_sequence(monkeypatch):
    asked = []
    for module in (lab_facts, quantities):
        monkeypatch.setattr(module, "newton_trips", lambda plan, config, tokens: asked.append(tokens) or 3)
    rnn = classic(RNN(form="newton"), d_model=8, num_layers=1)
    facts = study_facts(
        StudyPlan(study(task=AssociativeRecall(), models={"rnn": rnn}, train=TrainConfig(lengths=(2, 5))))
    )
    assert asked == [15, 64, 256, 1024]  # three tokens a pair
    assert facts["models"]["rnn"]["train_flops_per_step"] > 0
    asked.clear()
    study_facts(StudyPlan(strings_study(models={"rnn": rnn})))
    assert asked == [10 + 11, 128, 512, 2048]  # source, BOS and target


def test_random_positions_that_run_out_are_refused_before_training():
    short = ModelConfig(32, mixers=(Attention(head_positions="randomised", eval_length=15),))
    with pytest.raises(ConfigError, match=r"^models\.m: T: got 21, wanted at most eval_length=15"):
        study_facts(StudyPlan(study(task=Parity(), models={"m": short}, evaluate=EvaluateConfig(lengths=(20,)))))
    enough = ModelConfig(32, mixers=(Attention(head_positions="randomised", eval_length=64),))
    plan = StudyPlan(study(task=Parity(), models={"m": enough}, evaluate=EvaluateConfig(lengths=(20,))))
    assert study_facts(plan)["models"]["m"]["depth"] == "constant"


@pytest.mark.exhaustive
def test_an_embedding_width_of_ones_own_is_kept_where_width_alone_matches():
    given = RecurrentEncoderDecoder(32, num_layers=2, d_embedding=7)
    assert given.resized(40).d_embedding == 7
    assert replace(given, d_embedding=None).resized(40).embedding_width == 40
    models = {"given": given, "transformer": Transformer(num_heads=2)}
    facts = study_facts(StudyPlan(strings_study(models=models)))
    assert facts["models"]["given"]["description"].endswith("2 + 2 layers, width 32, embedded in 7")
    assert facts["models"]["given"]["depth"] == "linear"


def test_an_evaluation_has_no_fewer_examples_than_asked_for():
    """33 in batches of at most 32 are two of 17."""
    train, evaluate = TrainConfig(batch_size=32, lengths=(4, 4)), EvaluateConfig(num_examples=33, lengths=(8,))
    block = StudyPlan(Study("even", Parity(), {"gru": classic(GRU(), d_model=8)}, train, evaluate)).block_plan("gru")
    assert block.eval_batch_size == 17
    assert block.test_lengths == (4, 4, 8, 8)
