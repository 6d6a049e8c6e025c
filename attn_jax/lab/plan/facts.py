"""What is true of a study before it runs: sizes, FLOPs, depth, floors. All of it stands in study.json."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.config.codec import fingerprint, to_dict
from attn_jax.lab.cost.program import depth_growth
from attn_jax.lab.cost.sizes import count_parameters
from attn_jax.lab.plan.newton_trips import newton_trips
from attn_jax.lab.plan.quantities import state_bytes, train_flops
from attn_jax.lab.plan.sources import hashed_sources
from attn_jax.lab.plan.starts import check_starts
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.schema import STUDY_SCHEMA
from attn_jax.models import AnyModelConfig
from attn_jax.tasks.base import token_names


def study_facts(plan: StudyPlan) -> dict[str, Any]:
    """The content of study.json, less how its runs fall into blocks."""
    plan.check_batches()
    check_starts(plan)
    study, spec = plan.study, plan.spec
    lengths = sorted({*plan.curve_lengths, *plan.train_lengths})
    return {
        "schema": STUDY_SCHEMA,
        "fingerprint": fingerprint(study),
        "config": to_dict(study),
        "task": {
            "metric": spec.metric,
            "chance": spec.chance,
            "best": {str(length): float(spec.best_value(plan.floors(length))) for length in lengths},
            "loss_places": spec.loss_places,
            "threshold": spec.threshold,
            "length_unit": spec.length_unit,
            "train_lengths": [min(plan.train_lengths), max(plan.train_lengths)],
            "lengths": list(plan.curve_lengths),
            "tokens_per_step": plan.tokens_per_step,
            "validation_lengths": list(plan.block_plan(study.reference_name).validation_lengths),
            "floors": {str(length): _floors(plan, length) for length in lengths},
            "token_names": [*map(str, token_names(study.task) or ())],
            "source": spec.source,
        },
        "models": {name: _model_facts(plan, name) for name in study.models},
        "sources": {name: hashed_sources(study, name) for name in study.models},
        "task_sources": hashed_sources(study, None),
    }


def _floors(plan: StudyPlan, length: int) -> dict[str, dict[str, float | None]]:
    floors = plan.floors(length)
    number = lambda value: None if value is None else float(value)  # noqa: E731 -- NumPy's too
    return {name: {"value": number(floor.value), "loss": number(floor.loss)} for name, floor in floors.items()}


def _model_facts(plan: StudyPlan, name: str) -> dict[str, Any]:
    config, note = plan.model(name)
    parameters = count_parameters(plan.make(config))
    return {
        "config": to_dict(config),
        "description": config.describe(),
        "parameters": parameters.total,
        "parameters_matched": parameters.matched,
        "match_note": note,
        "state_bytes": state_bytes(plan, config),
        "train_flops_per_step": _counted(train_flops, plan, config),
        "depth": _counted(_depth, plan, config.countable) or "unknown",
    }


def _counted(count: Callable[..., Any], *args: Any) -> Any:
    """A count, None where a program does not let itself be counted (a `while` loop, say): no reason not to train it."""
    try:
        return count(*args)
    except (ValueError, NotImplementedError):
        return None


def _depth(plan: StudyPlan, config: AnyModelConfig) -> str:
    """How the sequential depth of the forward pass grows with T; over strings, with T letters read and T said."""
    strings = 2 if plan.study.strings else 1
    return depth_growth(
        partial(_forward, plan, config), trips=lambda length: newton_trips(plan, config, strings * length)
    )


def _forward(plan: StudyPlan, config: AnyModelConfig, length: int) -> tuple[Any, list[Any]]:
    if plan.study.strings:
        model = config.over_strings(plan.spec.io, length, length)
        tokens = jax.ShapeDtypeStruct((1, length), jnp.int32)
        args = [tokens, jax.ShapeDtypeStruct((1, length), bool), tokens]
        return model.apply, [jax.eval_shape(model.init, jax.random.key(0)), *args]
    model: Any = config.make(plan.spec.io, length)
    x = jax.ShapeDtypeStruct((1, length, config.width), jnp.float32)
    return model.apply_embedded, [jax.eval_shape(model.init, jax.random.key(0)), x]
