"""How often Newton's method iterates in a model: its `while` loops have no number of trips that a jaxpr would tell."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from attn_jax.models import AnyModelConfig
from attn_jax.models.base import Model

if TYPE_CHECKING:
    from attn_jax.lab.plan.study_plan import StudyPlan


def newton_trips(plan: "StudyPlan", config: AnyModelConfig, tokens: int) -> int | None:
    """The most iterations that any layer takes for one random sequence of so many tokens, at initialisation.

    Measured, by running the model once: with other weights it may be more. None where no mixer says that it iterates.
    """
    io = plan.spec.io
    model = config.make(io, tokens)
    if not isinstance(model, Model) or model.trips is None:
        return None
    key_params, key_inputs = jax.random.split(jax.random.key(0))
    if io.vocab_size is None:
        inputs = jax.random.normal(key_inputs, (1, tokens, io.channels or 0))
    else:
        inputs = jax.random.randint(key_inputs, (1, tokens), 0, io.vocab_size)
    trips = model.trips
    return int(jnp.max(jax.jit(lambda key, inputs: trips(model.init(key), inputs))(key_params, inputs)))
