"""How often Newton's method iterates in a model: its `while` loops have no number of trips that a jaxpr would tell."""

from typing import Any

import jax
import jax.numpy as jnp

from attn_jax.lab.planning import Prepared
from attn_jax.models import AnyModelConfig, ModelConfig


def newton_trips(prepared: Prepared, config: AnyModelConfig, tokens: int) -> int | None:
    """The most iterations that any layer takes for one random sequence of so many tokens, at initialisation.

    Measured, by running the model once: with other weights it may be more. None where no mixer has form="newton".
    """
    if not isinstance(config, ModelConfig) or all(getattr(m, "form", None) != "newton" for m in config.mixers):
        return None
    io = prepared.spec.io
    key_params, key_inputs = jax.random.split(jax.random.key(0))
    model = config.make(io, tokens)
    if io.vocab_size is None:
        inputs = jax.random.normal(key_inputs, (1, tokens, io.channels or 0))
    else:
        inputs = jax.random.randint(key_inputs, (1, tokens), 0, io.vocab_size)
    return _most(jax.jit(lambda key, inputs: model.inspect(model.init(key), inputs, None))(key_params, inputs))


def _most(seen: dict[str, Any]) -> int:
    return max(int(jnp.max(value)) for name, value in seen.items() if name.endswith("/iterations"))
