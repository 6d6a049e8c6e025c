"""Every config loads, goes to JSON and back, says how to run it, and each of its models and its task train."""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from tiers import first

from attn_jax.config import Sweep
from attn_jax.config.codec import from_dict, to_dict
from attn_jax.config.file import load_config
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.models import ModelConfig
from attn_jax.training.runs import advance_runs, init_runs

CONFIGS = sorted((Path(__file__).parent.parent.parent / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_says_how_to_run_it_and_what_came_of_it(path):
    text = path.read_text()
    assert f"attn-jax compare --config=configs/{path.name}" in text
    assert "minutes on 2 cores" in text
    assert re.search(r"Result, 20\d\d-[01]\d-[0-3]\d", text)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "path",
    first(CONFIGS, *[path for path in CONFIGS if path.stem == "reversal"]),
    ids=lambda path: path.stem,
)
def test_it_goes_there_and_back_and_is_matched(path):
    config = load_config(path)
    assert config.name == path.stem
    for study in studies(path):
        assert from_dict(json.loads(json.dumps(to_dict(study)))) == study
        facts = study_facts(StudyPlan(study))
        target = facts["models"][study.reference_name]["parameters_matched"]
        for model in facts["models"].values():
            assert model["match_note"] is None
            assert abs(model["parameters_matched"] / target - 1) <= 0.02


def studies(path):
    """The study of a config, or those of a sweep's points."""
    config = load_config(path)
    return list(config.points.values()) if isinstance(config, Sweep) else [config]


def pairs():
    """So many (study, model) that each distinct model and each task of all configs is in one."""
    found, seen = [], set()
    for study in (study for path in CONFIGS for study in studies(path)):
        for name, model in study.models.items():
            if new := {kind(model), type(study.task)} - seen:
                seen |= new
                found.append((study, name))
    return [
        pytest.param(
            *pair,
            id=f"{pair[1]}-{type(pair[0].task).__name__}-{pair[0].name}",
        )
        for pair in found
    ]


def kind(model):
    """What tells two models apart, sizes left out."""
    if isinstance(model, ModelConfig):
        return (*map(type, model.mixers), model.residual)
    return replace(model, d_model=16, num_layers=1)


def reduced(model):
    """One layer, width 16."""
    if isinstance(model, ModelConfig):
        model = replace(model, mixers=model.mixers[:1])
    return replace(model.resized(16), num_layers=1)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("study", "name"), pairs())
def test_it_trains_two_steps(study, name):
    low = min(StudyPlan(study).train_lengths)
    study = replace(
        study,
        models={name: reduced(study.models[name])},
        train=replace(study.train, lengths=(low, low), batch_size=2, steps=6),
        evaluate=replace(study.evaluate, every=2, num_examples=2, lengths=(low,)),
        reference=None,
    )
    plan = StudyPlan(study).block_plan(name)
    state = jax.jit(partial(init_runs, plan))(jnp.zeros(1, jnp.int32), jnp.full(1, 1e-3))
    state, loss, validation = jax.jit(partial(advance_runs, plan))(state, jnp.int32(0))
    assert not state.diverged.any()
    assert jnp.isfinite(loss).all()
    assert jnp.isfinite(validation["loss"].mean).all()
