"""Matching by parameters, state and FLOPs: the nearest size against all sizes looked at, and what cannot be matched."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.errors import ConfigError
from attn_jax.lab.plan import matching
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.matching import Quantity, match_to
from attn_jax.lab.plan.quantities import quantity
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.mixers import GRU, LSTM, Attention, Mamba
from attn_jax.models import ModelConfig, RecurrentEncoderDecoder, Transformer, classic
from attn_jax.tasks import AssociativeRecall, Copy, Parity

REFERENCE = ModelConfig(32, 2, (Attention(num_heads=2),), positions="sinusoidal")
LAWS: dict[str, Callable[[int], float]] = {
    "linear": lambda n: 37 * n + 5,
    "quadratic": lambda n: 12 * n * n + 13 * n,
    "cubic": lambda n: n**3 / 50 + 3 * n * n + 10 * n,
    "with a ceiling": lambda n: 6 * n * n + 9 * n * -(-n // 16) + 40 * (8 * n // 3),
    "in stairs": lambda n: 1000.0 * (n // 7) + n,
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("target", [3, 100, 4_321, 25_216, 1_000_003])
def test_the_nearest_of_all_and_few_looked_at(law, target):
    size, looked = LAWS[law], []
    found: Any = matching._nearest(lambda n: n, target, Quantity("things", lambda n: looked.append(n) or size(n)))
    sizes = np.array([size(n) for n in range(1, 2 * max(looked) + 2)])
    assert abs(found[1] - target) == np.abs(sizes - target).min()
    assert found[1] == size(found[0])
    assert len(looked) <= (25 if law == "in stairs" else 10)


def test_what_does_not_grow_is_told():
    config = ModelConfig(mixers=(LSTM(),))
    with pytest.raises(ConfigError, match=r"ModelConfig has as many bytes of state at every width"):
        match_to(100, config, Quantity("bytes of state", lambda config: 8))


def study(match, **models):
    train = TrainConfig(60, batch_size=4, lengths=(4, 6))
    return Study("s", AssociativeRecall(), {"transformer": REFERENCE, **models}, train, EvaluateConfig(10, 8), match)


@pytest.mark.exhaustive
@pytest.mark.parametrize("match", ["state", pytest.param("flops", marks=pytest.mark.exhaustive)])
def test_two_percent_by_state_and_flops(match):
    models = {
        "gru": classic(GRU(), num_layers=1),
        "lstm": ModelConfig(mixers=(LSTM(),)),
        "mamba": ModelConfig(mixers=(Mamba(),)),
    }
    facts = study_facts(plan := StudyPlan(study(match, **models)))
    key = {"state": "state_bytes", "flops": "train_flops_per_step"}[match]
    of = quantity(plan, match).of
    for name in models:
        config, note = plan.model(name)
        size, target = facts["models"][name][key], facts["models"]["transformer"][key]
        assert size == of(config)
        assert (note is None) == (abs(size / target - 1) <= 0.02)
        if getattr(config, "d_ff", None) is None and config.mixers[0].hidden_size is None:  # no width is nearer
            for other in (config.d_model - 1, config.d_model + 1):
                assert abs(of(config.resized(other)) - target) >= abs(size - target)
    assert facts["models"]["gru"]["match_note"] is None


def test_state_by_hand():
    """A cache of keys and values of two layers, T places of 32, against one vector of a GRU."""
    plan = StudyPlan(study("state", gru=classic(GRU(), num_layers=1)))
    tokens = plan.spec.num_tokens(6)
    cached = 2 * 2 * tokens * 32 * 4
    assert quantity(plan, "state").of(REFERENCE) == cached
    gru, note = plan.model("gru")
    assert (gru.mixers[0].hidden_size or gru.d_model) * 4 == cached
    assert note is None


def test_the_state_does_not_follow_the_mlp():
    plan = StudyPlan(study("state", coarse=ModelConfig(mixers=(Attention(num_heads=48),))))
    config, note = plan.model("coarse")
    assert (config.d_model, config.d_ff) == (48, None)
    assert note is not None
    assert note.endswith("off, the nearest it can be made, which follow from its width alone")


def test_a_reference_that_keeps_no_state():
    reads_both_ways = ModelConfig(32, 1, (Attention(num_heads=2, causal=False),))
    wrong = Study("s", Parity(), {"a": reads_both_ways, "gru": classic(GRU())}, match="state")
    with pytest.raises(ConfigError, match=r"^match: the reference has no bytes of state, wanted some"):
        _ = StudyPlan(wrong).models


def test_what_cannot_be_counted_is_matched_by_something_else(monkeypatch):
    plan = StudyPlan(study("flops", gru=classic(GRU())))
    monkeypatch.setattr("attn_jax.lab.plan.quantities.count_flops", partial(_refuse))
    with pytest.raises(ConfigError, match=r"^match: the FLOPs of Attention, .* cannot be counted \(a loop\)"):
        _ = plan.models


def _refuse(*args, **options):
    raise ValueError("a loop")


@pytest.mark.exhaustive
def test_strings_are_matched_by_state_and_flops():
    models = {"transformer": Transformer(16, 1, num_heads=2), "gru": RecurrentEncoderDecoder(num_layers=1, cell="gru")}
    train = TrainConfig(60, batch_size=2, lengths=(2, 3))
    for match in ("state", "flops"):
        plan = StudyPlan(Study("s", Copy(), models, train, EvaluateConfig(10, 4, (2, 3)), match, strings=True))
        of = quantity(plan, match).of
        size, target = of(plan.model("gru")[0]), of(models["transformer"])
        assert (plan.model("gru")[1] is None) == (abs(size / target - 1) <= 0.02)
        assert abs(size / target - 1) < 0.1


@dataclass
class Sized:
    """A stand-in for a model: of width n its size is 10 n, and a finer size reaches every number."""

    size: int
    divisor: int = 1

    def resized(self, n):
        return Sized(10 * n)

    def trimmed(self, n):
        return Sized(n)


@pytest.mark.parametrize(("target", "size"), [(101, 100), (104, 104)])  # 1 % off by its width alone, and 4 %
def test_width_alone_matches_where_two_percent_are_reached(target, size):
    config: Any = Sized(10)
    found: Any = match_to(target, config, Quantity("things", lambda model: vars(model)["size"]))
    assert found == (Sized(size), None)
