"""What is true of a study before it runs: sizes, FLOPs, depth, floors. All of it stands in study.json."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.config import fingerprint, to_dict
from attn_jax.lab.matching import count_parameters, parameter_shapes
from attn_jax.lab.planning import Prepared
from attn_jax.lab.program import count_flops, depth_growth
from attn_jax.models import ModelConfig
from attn_jax.training.step import batch_loss, train_batch


def study_facts(prepared: Prepared) -> dict[str, Any]:
    """The content of study.json, less how its runs fall into blocks."""
    prepared.check_batches()
    study, spec = prepared.study, prepared.task.spec
    lengths = sorted({*prepared.curve_lengths, *prepared.train_lengths})
    return {
        "schema": 1,
        "fingerprint": fingerprint(study),
        "config": to_dict(study),
        "task": {
            "metric": spec.metric,
            "chance": spec.chance,
            "best": {str(length): spec.best_metric(prepared.task.floors(length)) for length in lengths},
            "loss_places": spec.loss_places,
            "threshold": spec.threshold,
            "length_unit": spec.length_unit,
            "train_lengths": [min(prepared.train_lengths), max(prepared.train_lengths)],
            "lengths": list(prepared.curve_lengths),
            "validation_lengths": list(prepared.plan(study.reference_name).validation_lengths),
            "floors": {str(length): _floors(prepared, length) for length in lengths},
            "source": spec.source,
        },
        "models": {name: _model_facts(prepared, name) for name in study.models},
    }


def _floors(prepared: Prepared, length: int) -> dict[str, dict[str, float | None]]:
    floors = prepared.task.floors(length)
    return {name: {"metric": float(floor.metric), "loss": floor.loss} for name, floor in floors.items()}


def _model_facts(prepared: Prepared, name: str) -> dict[str, Any]:
    config, note = prepared.models[name]
    total, matched = count_parameters(parameter_shapes(config, prepared.task.spec.io, prepared.max_tokens))
    return {
        "config": to_dict(config),
        "description": _describe(config),
        "parameters": total,
        "parameters_matched": matched,
        "match_note": note,
        "state_bytes": _state_bytes(prepared, config),
        "train_flops_per_step": _counted(_train_flops, prepared, name),
        "depth": _counted(_depth, prepared, _countable(config)) or "unknown",
    }


def _describe(config: ModelConfig) -> str:
    """One line a person reads: what is stacked, how wide."""
    names = " + ".join(type(mixer).__name__ for mixer in config.mixers)
    form = "block form" if config.residual else "classic form"
    hidden = f", MLP {config.hidden}" if config.hidden else ""
    inner = next((m.d_inner for m in config.mixers if getattr(m, "d_inner", None)), None)  # pyright: ignore
    inside = f", hidden {inner}" if inner else ""
    places = "" if config.positions == "none" else f", {config.positions} positions"
    return f"{names}, {form}, {config.num_layers} layers, width {config.d_model}{inside}{hidden}{places}"


def _state_bytes(prepared: Prepared, config: ModelConfig) -> int:
    """Bytes of floating state of one sequence of the longest training length, float32."""
    io, tokens = prepared.task.spec.io, prepared.task.spec.num_tokens(max(prepared.train_lengths))
    model = config.make(io, prepared.max_tokens)
    if model.init_state is None:
        return 0
    state = jax.eval_shape(lambda key: model.init_state(model.init(key), 1, tokens), jax.random.key(0))  # pyright: ignore
    leaves = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)


def _counted(count: Callable[..., Any], *args: Any) -> Any:
    """A count, None where a program does not let itself be counted (a `while` loop, say): no reason not to train it."""
    try:
        return count(*args)
    except (ValueError, NotImplementedError):
        return None


def _countable(config: ModelConfig) -> ModelConfig:
    """The same model in the form that is counted."""
    return replace(config, mixers=tuple(mixer.countable for mixer in config.mixers))


def _train_flops(prepared: Prepared, name: str) -> float:
    """FLOPs of one run's loss and gradient on one batch, what is computed twice included, from the jaxpr."""
    config, _ = prepared.models[name]
    model = _countable(config).make(prepared.task.spec.io, prepared.max_tokens)
    setup = replace(prepared.plan(name).setup, model=model)
    params = jax.eval_shape(setup.model.init, jax.random.key(0))
    batch = jax.eval_shape(partial(train_batch, setup), 0, 0)
    gradient = jax.value_and_grad(partial(batch_loss, setup))
    return count_flops(gradient, params, batch, None)


def _depth(prepared: Prepared, config: ModelConfig) -> str:
    """How the sequential depth of the forward pass grows with T."""
    return depth_growth(partial(_forward, prepared, config))


def _forward(prepared: Prepared, config: ModelConfig, length: int) -> tuple[Any, list[Any]]:
    model = config.make(prepared.task.spec.io, length)
    params = jax.eval_shape(model.init, jax.random.key(0))
    x = jax.ShapeDtypeStruct((1, length, config.d_model), jnp.float32)
    return model.apply_embedded, [params, x]
