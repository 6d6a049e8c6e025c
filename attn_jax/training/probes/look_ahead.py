"""Whether a model that answers at each place takes its answers from places after it, which generation does not have."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from attn_jax.models.base import EncoderDecoder, Model
from attn_jax.training.inside import Inside
from attn_jax.training.losses import loss
from attn_jax.training.objective import Objective
from attn_jax.training.probes.base import Probe, ProbeConfig, When
from attn_jax.types import Array, Batch, Key, Params


@dataclass(frozen=True)
class LookAhead(ProbeConfig):
    """The loss with the whole sequence in sight, and honestly, each answer from what stands up to its place.

    "told": the loss as training takes it. "honest": the same answers, place t asked of the first t + 1 inputs alone,
    all others being padding. "ahead": of the first sequence the share of pairs of places s > t at which the output at t
    has a derivative in the input at s that is not exactly 0.

    A causal model is told what it honestly knows: the two are equal, and no pair is ahead. One that is told less than
    the task's best floor has read its answers. To mask it at the end is no honest evaluation: that is another network.

    Args:
      when, num_examples: as every probe's. It costs one forward pass a place.
    """

    when: tuple[When, ...] = ("start", "chunk")
    num_examples: int = 32

    def make(self, model: Model | EncoderDecoder, objective: Objective) -> Probe | None:
        """Binds this configuration to the function below; None over strings, where a whole source is to be read."""
        if not isinstance(model, Model):
            return None
        return Probe(partial(measure, objective.inside), self.when, self.num_examples)


def measure(inside: Inside, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
    """{"told", "honest", "ahead"}, numbers."""
    embed, outputs = inside.embed, inside.outputs
    assert embed is not None and outputs is not None  # sequence models embed apart
    x = embed(params, batch)
    told = loss(outputs(params, x, batch), batch).mean
    places = jnp.arange(x.shape[1])

    def answered(place: Array) -> tuple[Array, Array]:
        seen = batch._replace(
            valid=batch.valid & (places <= place), weights=jnp.where(places == place, batch.weights, 0)
        )
        return loss(outputs(params, x, seen), seen)

    total, number = lax.map(answered, places)
    first = jax.tree.map(lambda leaf: leaf[:1], batch)
    return {
        "told": told,
        "honest": jnp.sum(total) / jnp.sum(number),
        "ahead": _ahead(partial(outputs, params), x[:1], first, key),
    }


def _ahead(outputs: Any, x: Array, batch: Batch, key: Key) -> Array:
    """The share of pairs s > t of a sequence [1, T, D] whose d output_t / d x_s, along a random direction, is not 0."""
    size = jax.eval_shape(outputs, x, batch).shape[-1]
    along = jax.random.normal(key, (size,))
    moved = jax.jacrev(lambda x: outputs(x, batch)[0] @ along)(x)[:, 0]  # [T, T, D]
    later = jnp.arange(x.shape[1]) > jnp.arange(x.shape[1])[:, None]
    reached = jnp.any(moved != 0, -1) & later
    return jnp.sum(reached) / jnp.sum(later)
